//! A full disk and a folder that cannot be written to: real ones, in a mount namespace of their own.

use std::process::Stdio;

use crate::world::{Done, GORGON, World, finish};

const QUICK: &str = "name: quick\noutputs: [word]\nsteps:\n  - {id: a, type: shell, command: 'echo quick', outputs: [word]}\n";
const FILLS: &str = "name: fills\nsteps:\n  - {id: a, type: shell, effect: repeatable, command: 'test -e roomy || dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null; head -c 600000 /dev/urandom | base64 -w 0'}\n  - {id: b, type: shell, command: 'echo b'}\n";

/// Runs a script with `disk` as a small disk of its own, and `$G` as the binary.
fn on_a_small_disk(world: &World, script: &str) -> Done {
    std::fs::create_dir(world.path("disk")).unwrap();
    let script = format!("mount -t tmpfs -o size=6m tmpfs disk && export GORGON_DATA_DIR=$PWD/disk/data G='{GORGON}'\n{script}");
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    command.current_dir(world.folder()).env_clear().envs(world.env()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

#[test]
fn a_full_disk_at_the_start() {
    let world = World::new();
    world.write("w.yaml", QUICK);
    let script = "dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null; $G run w.yaml; echo exit $?; rm disk/fill; $G run w.yaml; echo exit $?";
    let done = on_a_small_disk(&world, script).says("GOR0504").says("make room");
    assert_eq!(done.stdout, "exit 5\nword: quick\nexit 0\n", "{done:#?}");
}

#[test]
fn a_disk_that_fills_while_a_run_goes_on() {
    let world = World::new();
    world.write("w.yaml", FILLS);
    let script = "$G run w.yaml; echo exit $?; rm disk/fill; touch roomy; $G resume @last; echo exit $?";
    let done = on_a_small_disk(&world, script).says("GOR0504").says("gorgon resume");
    assert_eq!(done.stdout, "exit 5\nexit 0\n", "{done:#?}");
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    let world = World::new();
    world.write("w.yaml", QUICK);
    let script = "mount -o remount,ro disk; $G run w.yaml; echo exit $?; $G runs list; echo exit $?; $G doctor >/dev/null; echo exit $?";
    let done = on_a_small_disk(&world, script).says("GOR0501").says("GORGON_DATA_DIR");
    assert_eq!(done.stdout, "exit 5\nexit 0\nexit 5\n", "{done:#?}");
}

#[test]
fn a_store_that_becomes_read_only_is_told_and_not_changed() {
    let world = World::new();
    world.write("w.yaml", QUICK);
    let script =
        "$G run w.yaml; mount -o remount,ro disk; $G run w.yaml; echo exit $?; mount -o remount,rw disk; $G runs list --json | grep -c '\"id\"'";
    let done = on_a_small_disk(&world, script);
    assert_eq!(done.stdout, "word: quick\nexit 5\n1\n", "{done:#?}");
}
