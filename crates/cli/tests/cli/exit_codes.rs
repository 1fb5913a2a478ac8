//! What the process ends with.

use std::process::Stdio;

use crate::world::{World, finish, signal};

const OK: &str = "name: ok\nsteps:\n  - {id: a, type: shell, command: 'true'}\n";
const FAILS: &str = "name: fails\nsteps:\n  - {id: a, type: shell, command: 'echo why >&2; exit 7', retry: {max_attempts: 1}}\n";
const PARTIAL: &str = "name: partial\nsteps:\n  - {id: a, type: shell, command: 'exit 7', retry: {max_attempts: 1}, on_failure: skip}\n  - {id: b, type: shell, command: 'true'}\n";
const ASKS: &str = "name: asks\nsteps:\n  - {id: gate, type: approval, prompt: 'May I?'}\n";
const SLOW: &str = "name: slow\nsteps:\n  - {id: a, type: shell, command: 'echo $$ > pid; touch started; sleep 30'}\n";
const BRIEF: &str = "name: brief\nsteps:\n  - {id: a, type: shell, command: 'touch started; sleep 0.5; echo over > over'}\n  - {id: b, type: shell, command: 'echo next > next'}\n";

#[test]
fn completed_is_0() {
    let world = World::new();
    world.write("w.yaml", OK);
    world.run(&["run", "w.yaml"]).exits(0);
}

#[test]
fn failed_partial_and_cancelled_are_1() {
    let world = World::new();
    world.write("fails.yaml", FAILS);
    world.write("partial.yaml", PARTIAL);
    world.run(&["run", "fails.yaml"]).exits(1).says("step `a`").says("why").says("gorgon retry");
    let done = world.run(&["run", "partial.yaml", "--json"]).exits(1);
    assert_eq!(done.json()["status"], "partial");
    assert_eq!(done.json()["retry_repeats"], serde_json::json!(["b"]));
    world.run(&["runs", "show", "@last"]).exits(0).says("runs again, though it had succeeded, whole or in part: b");
    world.run(&["retry", "@last"]).exits(1).says("runs again, though it had succeeded, whole or in part: b");
    world.write("asks.yaml", ASKS);
    world.run(&["run", "asks.yaml"]).exits(4);
    world.run(&["run", "asks.yaml", "--ephemeral"]).exits(4).says("nothing of an ephemeral run is kept");
    world.run(&["cancel", "@last", "--reason", "not today"]).exits(0);
    world.run(&["watch", "@last"]).exits(1);
    world.run(&["runs", "show", "@last"]).exits(0).says("cancelled by").says("not today");
}

#[test]
fn a_retry_says_before_what_it_repeats_and_what_that_cost() {
    let world = World::new();
    world.write("gorgon.toml", "[models.simulated]\ninput_usd_per_mtok = 10\noutput_usd_per_mtok = 100\n");
    let fails = |id: &str| {
        format!("  - {{id: {id}, type: shell, command: 'test -e mended', depends_on: [], retry: {{max_attempts: 1}}, on_failure: skip}}\n")
    };
    let asks = |id: &str| format!("  - {{id: after_{id}, type: agent, provider: simulated, prompt: Go on, max_tokens: 50, depends_on: [{id}]}}\n");
    world.write("w.yaml", &format!("name: w\nsteps:\n{}{}{}{}", fails("a"), asks("a"), fails("b"), asks("b")));
    world.run(&["run", "w.yaml"]).exits(1);
    let before = world.run(&["runs", "show", "@last", "--json"]).json();
    let cost = before["steps"][3]["cost_nano_usd"].as_u64().unwrap();
    assert_eq!(before["retry_repeats"], serde_json::json!(["after_a", "after_b"]));
    world.write("mended", "");
    let line = format!("runs again, though it had succeeded, whole or in part: after_b; so far this cost ${} in all", cost as f64 / 1e9);
    world.run(&["retry", "@last", "--step", "b"]).exits(1).says(&line);
    let after = world.run(&["runs", "show", "@last", "--json"]).json();
    assert_eq!(after["retry_repeats"], serde_json::json!(["after_a"]));
    assert_eq!((&after["steps"][1], after["calls"].as_u64()), (&before["steps"][1], Some(3)));
}

#[test]
fn a_wrong_call_is_2() {
    let world = World::new();
    for call in [&["frobnicate"][..], &["run"], &["run", "nothing.yaml"], &["run", "../x"], &["resume", "@last"], &["runs", "show", "nobody"]] {
        world.run(call).exits(2);
    }
}

#[test]
fn waiting_for_somebody_is_4_and_names_the_way_on() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    world.run(&["run", "w.yaml"]).exits(4).says("gorgon approve").says("May I?");
}

#[test]
fn a_run_that_its_budget_stops_again_at_once_is_4_again() {
    let world = World::new();
    world.write("gorgon.toml", "[models.simulated]\ninput_usd_per_mtok = 10\noutput_usd_per_mtok = 100\n");
    let agents = ["a", "b"].map(|id| format!("  - {{id: {id}, type: agent, provider: simulated, prompt: Go on, max_tokens: 50}}\n")).concat();
    world.write("w.yaml", &format!("name: w\nbudget: {{max_cost_usd: 0.006, on_exhausted: ask}}\nsteps:\n{agents}"));
    world.run(&["run", "w.yaml"]).exits(4).says("--budget-usd");
    world.run(&["resume", "@last"]).exits(4).says("--budget-usd");
    // Nothing runs, and nothing waits, in a run that has ended by its budget.
    let each = "{id: e, type: agent, provider: simulated, prompt: 'Go on ${item}', max_tokens: 50}";
    let fan_out = format!("  - {{id: f, type: fan_out, items: [1, 2, 3, 4], max_concurrent: 1, step_template: {each}}}\n");
    world.write("f.yaml", &format!("name: f\nbudget: {{max_cost_usd: 0.007, on_exhausted: fail}}\nsteps:\n{fan_out}"));
    world.run(&["run", "f.yaml"]).exits(1).says("--budget-usd");
    let stopped = world.run(&["runs", "show", "@last", "--json"]).json();
    assert_eq!((&stopped["steps"][0]["status"], stopped["calls"].as_u64().unwrap() > 0), (&"cancelled".into(), true), "{stopped}");
    world.run(&["resume", "@last", "--budget-usd", "1"]).exits(0);
}

#[test]
fn a_data_directory_that_is_none_is_5() {
    let world = World::new();
    world.write("w.yaml", OK);
    world.run(&["run", "w.yaml", "--data-dir", "w.yaml"]).exits(5);
    world.write(
        "dir/gorgon-state.db",
        "this is no database, but a text that is long enough to be taken for one by somebody who looks only at its length",
    );
    world.run(&["run", "w.yaml", "--data-dir", "dir"]).exits(5);
}

#[test]
fn output_that_cannot_be_written_is_5_and_one_that_nobody_reads_is_not() {
    let world = World::new();
    world.write("w.yaml", OK);
    world.run(&["run", "w.yaml"]).exits(0);
    let all = [
        &["runs", "list"][..],
        &["runs", "list", "--json"],
        &["validate", "w.yaml", "--json"],
        &["run", "w.yaml", "--events"],
        &["run", "w.yaml", "--json"],
        &["watch", "@last", "--events"],
        &["--help"],
        &["run", "--help"],
        &["--version"],
    ];
    for args in all {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let done = world.command(args).stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
        finish(done).exits(5).says("could not be written");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = world.command(args).stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        finish(done).exits(0);
    }
    // A run goes on when nobody reads of it.
    let list = world.run(&["runs", "list", "--json"]).json();
    assert!(list["runs"].as_array().unwrap().iter().all(|run| run["status"] == "completed"), "{list}");
}

#[test]
fn a_wrong_call_is_told_in_json_to_whoever_reads_json() {
    let world = World::new();
    for call in [&["frobnicate", "--json"][..], &["run", "-j"], &["signal", "@last", "", "--json"]] {
        let done = world.run(call).exits(2);
        assert!(done.json()["error"]["message"].as_str().is_some_and(|why| why.len() > 20), "{done:?}");
    }
}

#[test]
fn a_damaged_database_is_5_and_told_with_its_place() {
    let world = World::new();
    world.write("w.yaml", OK);
    world.run(&["run", "w.yaml", "--data-dir", "dir"]).exits(0);
    let path = world.path("dir/gorgon-state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    world.run(&["runs", "list", "--data-dir", "dir"]).exits(5).says("is damaged").says("gorgon-state.db").says("backup");
}

#[test]
fn an_interrupt_lets_what_is_in_flight_end_and_is_130() {
    let world = World::new();
    let child = world.in_flight(BRIEF);
    signal(&child, rustix::process::Signal::INT);
    finish(child).exits(130).says("gorgon resume");
    assert!(world.path("over").exists(), "what was in flight was let finish");
    assert!(!world.path("next").exists(), "nothing new was started");
    world.run(&["run", "w.yaml"]).exits(0).says("an interrupted run of this file exists: gorgon resume");
    std::fs::remove_file(world.path("next")).unwrap();
    let list = world.run(&["runs", "list", "--json", "--status", "paused"]).json();
    let id = list["runs"][0]["id"].as_str().unwrap().to_owned();
    world.run(&["resume", &id]).exits(0);
    assert!(world.path("next").exists());
}

#[test]
fn a_second_interrupt_leaves_at_once_and_the_call_is_in_doubt() {
    let world = World::new();
    let child = world.in_flight(SLOW);
    signal(&child, rustix::process::Signal::INT);
    world.until_status("paused");
    signal(&child, rustix::process::Signal::INT);
    finish(child).exits(130).says("in doubt");
    let shell = std::fs::read_to_string(world.path("pid")).unwrap();
    world.until("the shell is gone", || is_gone(shell.trim()).then_some(()));
    world.run(&["resume", "@last"]).exits(4).says("gorgon resolve");
    world.run(&["resolve", "@last", "--done"]).exits(0);
    world.run(&["runs", "show", "@last"]).exits(0).says("in doubt: call a/0/1/0");
}

#[test]
fn a_second_interrupt_of_an_ephemeral_run_leaves_nothing() {
    let world = World::new();
    world.write("w.yaml", SLOW);
    std::fs::create_dir(world.path("tmp")).unwrap();
    let mut command = world.command(&["run", "w.yaml", "--ephemeral"]);
    let mut child = command.env("TMPDIR", world.path("tmp")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    world.until_in_flight();
    // Two that come at once are one: until it is gone.
    world.until("it left", || {
        signal(&child, rustix::process::Signal::INT);
        child.try_wait().unwrap()
    });
    let done = finish(child).exits(130).says("nothing of the run is kept");
    assert!(!done.stderr.contains("gorgon resume"), "{done:?}");
    let shell = std::fs::read_to_string(world.path("pid")).unwrap();
    world.until("the shell is gone", || is_gone(shell.trim()).then_some(()));
    assert_eq!(std::fs::read_dir(world.path("tmp")).unwrap().count(), 0);
}

/// Whether nothing of a process runs any more; where nobody reaps, a zombie of it stays. The format is in proc(5).
fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}
