//! What a shell step left running when its holder was killed is ended before anybody decides what became of the call.

use std::path::Path;

use crate::machine::{Machine, finish};

/// Starts a grandchild that would live for minutes, and on the second time looks whether the first one is still there; a zombie does
/// nothing any more, and waits only to be counted.
const COMMAND: &str = r#"
      if [ -e grandchild ]; then
        if grep -q '^State:.*[^Z] (' "/proc/$(cat grandchild)/status" 2>/dev/null; then echo alive; else echo gone; fi
      else
        sh -c 'sh -c "echo \$\$ > grandchild.new; mv grandchild.new grandchild; sleep 300; touch late" & wait' &
        wait
      fi
"#;

fn workflow(rule: &str) -> String {
    format!(
        "name: leaves\noutputs: [found]\nsteps:\n  - id: a\n    type: shell\n    on_in_doubt: {rule}\n    command: |{COMMAND}    outputs: [found]\n"
    )
}

/// Runs until the grandchild is there, and kills the holder. Answers the grandchild.
fn kill_the_holder(machine: &Machine, rule: &str) -> u32 {
    machine.write("w.yaml", &workflow(rule));
    let mut holder = machine.start(&["run", "w.yaml"]);
    machine.until("grandchild", |machine| machine.path("grandchild").exists().then_some(()));
    holder.kill().unwrap();
    finish(holder);
    let pid = machine.read("grandchild").trim().parse().unwrap();
    assert!(lives(pid), "the grandchild has to survive the holder, or this proves nothing");
    pid
}

/// Whether a process exists that has not ended.
fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) else { return false };
    !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z')
}

#[test]
fn a_redone_step_meets_nothing_of_its_first_try() {
    let machine = Machine::new();
    let pid = kill_the_holder(&machine, "retry");
    let done = machine.run(&["resume", "@last"]).exits(0);
    assert_eq!(done.stdout, "found: gone\n");
    assert!(!lives(pid), "process {pid} is still there");
    assert!(!machine.path("late").exists());
    machine.run(&["runs", "show"]).exits(0).says("in doubt: call a/0/1/0 was made again");
}

#[test]
fn a_step_that_asks_has_left_nothing_running() {
    let machine = Machine::new();
    let pid = kill_the_holder(&machine, "ask");
    machine.run(&["resume", "@last"]).exits(4).says("gorgon resolve");
    assert!(!lives(pid), "somebody is asked while process {pid} goes on");
    let show = machine.show("@last");
    assert_eq!(show["in_doubt"][0]["asks"], true);
    let done = machine.run(&["resolve", "@last", "a", "--redo"]).exits(0);
    assert_eq!(done.stdout, "found: gone\n");
}

#[test]
fn a_step_that_must_not_be_redone_fails_and_has_left_nothing_running() {
    let machine = Machine::new();
    let pid = kill_the_holder(&machine, "fail");
    machine.run(&["resume", "@last"]).exits(1);
    assert!(!lives(pid), "process {pid} is still there");
    machine.run(&["runs", "show"]).exits(0).says("counted as failed");
}

#[test]
fn a_step_that_kills_its_holder_first_of_all_is_not_forgotten() {
    let machine = Machine::new();
    let command = "[ -e killed ] || { echo $$ > killed; kill -9 $PPID; exec sleep 300; }";
    machine.write("w.yaml", &format!("name: hasty\nsteps:\n  - {{id: a, type: shell, on_in_doubt: retry, command: '{command}'}}\n"));
    // The holder has hardly time to note what it started: many tries hit before it has, many after.
    for _ in 0..25 {
        let _ = std::fs::remove_file(machine.path("killed"));
        let holder = machine.run(&["run", "w.yaml"]);
        assert_eq!(holder.exit, None, "{holder:#?}");
        machine.run(&["resume", "@last"]).exits(0);
        let pid: u32 = machine.read("killed").trim().parse().unwrap();
        assert!(!lives(pid), "process {pid} goes on beside the step that was made again");
    }
}

/// A shell step that puts a child into a session of its own, which a signal to its group does not reach.
const STRAY: &str = "name: strays
steps:
  - id: a
    type: shell
    command: 'setsid sh -c \"echo \\$\\$ > stray.new; mv stray.new stray; exec sleep 300\" & sleep $SECONDS_LEFT'
";

fn stray(machine: &Machine, seconds: u32) -> std::process::Child {
    machine.write("w.yaml", &STRAY.replace("$SECONDS_LEFT", &seconds.to_string()));
    let holder = machine.start(&["run", "w.yaml"]);
    machine.until("stray", |machine| machine.path("stray").exists().then_some(()));
    holder
}

fn pid(machine: &Machine) -> u32 {
    machine.read("stray").trim().parse().unwrap()
}

#[test]
fn a_child_in_a_session_of_its_own_is_found_after_a_kill() {
    let machine = Machine::new();
    let mut holder = stray(&machine, 300);
    holder.kill().unwrap();
    finish(holder);
    assert!(lives(pid(&machine)), "it has to survive the holder, or this proves nothing");
    machine.run(&["resume", "@last"]).exits(4).says("gorgon resolve");
    assert!(!lives(pid(&machine)), "somebody is asked while it goes on");
}

#[test]
fn a_child_in_a_session_of_its_own_is_ended_with_a_step_that_is_cancelled_and_stays_after_one_that_ends() {
    let machine = Machine::new();
    let holder = stray(&machine, 300);
    machine.run(&["cancel", "@last"]).exits(0);
    finish(holder).exits(1);
    assert!(!lives(pid(&machine)), "the step is cancelled while it goes on");

    let machine = Machine::new();
    finish(stray(&machine, 0)).exits(0);
    let left = pid(&machine);
    assert!(lives(left), "whoever starts a service for later steps keeps it");
    rustix::process::kill_process(rustix::process::Pid::from_raw(i32::try_from(left).unwrap()).unwrap(), rustix::process::Signal::KILL).unwrap();
}
