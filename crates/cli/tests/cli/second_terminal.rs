//! What a second terminal can do while the first one runs, and what happens when there is no first one.

use crate::world::{World, finish, kill, signal};

pub(crate) const ASKS: &str = "name: asks\noutputs: [word]\nsteps:\n  - {id: gate, type: approval, prompt: 'May I?'}\n  - {id: act, type: shell, command: 'echo acted', depends_on: [gate], outputs: [word]}\n";
const BELL: &str = "name: bell\noutputs: [who]\nsteps:\n  - {id: bell, type: signal, name: ring, outputs: [who]}\n";
pub(crate) const LONG: &str = "name: long\nsteps:\n  - {id: first, type: shell, command: 'touch started; while [ ! -e go ]; do sleep 0.02; done'}\n  - {id: second, type: shell, command: 'echo second > second'}\n";
pub(crate) const QUICK: &str = "name: quick\noutputs: [word]\nsteps:\n  - {id: a, type: shell, command: 'echo quick', outputs: [word]}\n";
const BAD_THEN_GOOD: &str = "name: mend\nsteps:\n  - {id: a, type: shell, command: 'test -e mended', retry: {max_attempts: 1}}\n";

#[test]
fn approve_lets_the_first_go_on() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    let first = world.start(&["run", "w.yaml", "--wait"]);
    let id = world.until_status("waiting");
    let done = world.run(&["approve", &id, "gate", "-m", "go ahead"]).exits(0);
    assert!(!done.stderr.contains("going on with the run here"), "{done:#?}");
    finish(first).exits(0).says("word: acted").says("approved by tester");
}

#[test]
fn a_second_approve_is_refused() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    let first = world.start(&["run", "w.yaml", "--wait"]);
    let id = world.until_status("waiting");
    let wrong = "0".repeat(64);
    world.run(&["approve", &id, "--hash", &wrong]).exits(2).says("GOR0404");
    world.run(&["approve", &id]).exits(0);
    finish(first).exits(0);
    world.run(&["approve", &id]).exits(2).says("GOR0403");
}

#[test]
fn reject_ends_it() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    let first = world.start(&["run", "w.yaml", "--wait"]);
    let id = world.until_status("waiting");
    world.run(&["reject", &id, "-m", "not today"]).exits(0);
    finish(first).exits(1).says("rejected by tester: not today");
}

#[test]
fn signal_brings_its_payload() {
    let world = World::new();
    world.write("w.yaml", BELL);
    let first = world.start(&["run", "w.yaml", "--wait", "--json"]);
    let id = world.until_status("waiting");
    world.run(&["signal", &id, "ring", "--payload", "{\"name\": \"Ada\"}"]).exits(0);
    let done = finish(first).exits(0);
    assert_eq!(done.json()["outputs"]["who"], serde_json::json!({"name": "Ada"}));
}

#[test]
fn cancel_stops_what_is_in_flight() {
    let world = World::new();
    let first = world.in_flight(LONG);
    world.run(&["cancel", "@last", "--reason", "no need"]).exits(0);
    let done = finish(first).exits(1);
    assert!(done.stderr.contains("cancelled"), "{done:#?}");
    assert!(!world.path("second").exists());
}

#[test]
fn pause_and_resume() {
    let world = World::new();
    world.write("w.yaml", LONG);
    let first = world.start(&["run", "w.yaml", "--wait"]);
    world.until_in_flight();
    let id = world.until_status("running");
    world.run(&["pause", &id]).exits(0);
    world.write("go", "");
    world.until("a step that ended", || {
        let run = world.run(&["runs", "show", &id, "--json"]).json();
        (run["in_flight"] == 0 && run["status"] == "paused").then_some(())
    });
    assert!(!world.path("second").exists());
    world.run(&["resume", &id]).exits(0);
    finish(first).exits(0).says("run paused by tester").says("run resumed by tester");
    assert!(world.path("second").exists());
}

#[test]
fn watch_sees_what_happened_before_and_what_happens() {
    let world = World::new();
    let first = world.in_flight(LONG);
    let watcher = world.start(&["watch", "@last"]);
    world.write("go", "");
    finish(first).exits(0);
    finish(watcher).exits(0).says("step first started").says("step second succeeded").says("run completed");
}

#[test]
fn a_second_run_works_while_the_first_runs() {
    let world = World::new();
    world.write("long.yaml", LONG);
    world.write("quick.yaml", QUICK);
    let first = world.start(&["run", "long.yaml"]);
    world.until_in_flight();
    world.run(&["run", "quick.yaml"]).exits(0).says("word: quick");
    world.write("go", "");
    finish(first).exits(0);
}

#[test]
fn the_first_stays_for_the_second_and_hands_over() {
    let world = World::new();
    world.write("long.yaml", LONG);
    world.write("asks.yaml", ASKS);
    let first = world.start(&["run", "asks.yaml", "--wait"]);
    world.until_status("waiting");
    let second = world.start(&["run", "long.yaml"]);
    world.until_in_flight();
    let asks = world.run(&["runs", "list", "--json", "--workflow", "asks"]).json();
    world.run(&["approve", asks["runs"][0]["id"].as_str().unwrap()]).exits(0);
    world.until("the first to be done", || {
        let asks = world.run(&["runs", "list", "--json", "--workflow", "asks"]).json();
        (asks["runs"][0]["status"] == "completed").then_some(())
    });
    world.write("go", "");
    finish(first).exits(0).says("staying until they have ended");
    finish(second).exits(0);
    assert!(world.path("second").exists());
}

#[test]
fn the_second_goes_on_when_the_first_is_killed() {
    let world = World::new();
    world.write("asks.yaml", ASKS);
    world.write("bell.yaml", BELL);
    let mut first = world.start(&["run", "asks.yaml", "--wait"]);
    world.until_status("waiting");
    let second = world.start(&["run", "bell.yaml", "--wait"]);
    let bell = world.until("a bell", || {
        let list = world.run(&["runs", "list", "--json", "--workflow", "bell", "--status", "waiting"]).json();
        list["runs"][0]["id"].as_str().map(str::to_owned)
    });
    signal(&first, rustix::process::Signal::KILL);
    first.wait().unwrap();
    world.run(&["signal", &bell, "ring", "--payload", "1"]).exits(0);
    finish(second).exits(0).says("who: 1");
}

#[test]
fn without_a_holder_approve_becomes_it_and_goes_on() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    world.run(&["run", "w.yaml"]).exits(4);
    world.run(&["approve", "@last"]).exits(0).says("going on with the run here").says("word: acted");
}

#[test]
fn no_run_only_records() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    world.run(&["run", "w.yaml"]).exits(4);
    world.run(&["approve", "@last", "--no-run"]).exits(0);
    let run = world.run(&["runs", "show", "@last", "--json"]).json();
    assert_ne!(run["status"], "completed");
    assert_eq!(run["waiting_for"], serde_json::json!([]));
    world.run(&["resume", "@last"]).exits(0).says("word: acted");
}

#[test]
fn retry_tries_again_and_resume_of_what_is_over_is_refused() {
    let world = World::new();
    world.write("w.yaml", BAD_THEN_GOOD);
    world.run(&["run", "w.yaml"]).exits(1);
    world.run(&["resume", "@last"]).exits(2).says("gorgon retry");
    world.write("mended", "");
    world.run(&["retry", "@last", "--step", "a"]).exits(0);
}

#[test]
fn a_detached_run_goes_on_without_its_command() {
    let world = World::new();
    world.write("w.yaml", LONG);
    let done = world.run(&["run", "w.yaml", "--detach"]).exits(0);
    assert!(done.stdout.trim().starts_with("run_"), "{done:#?}");
    world.until_in_flight();
    world.write("go", "");
    world.until_status("completed");
    assert!(world.path("second").exists());
}

#[test]
fn a_long_path_has_its_socket_elsewhere() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    let deep = "a-folder-with-a-rather-long-name/".repeat(4);
    let first = world.start(&["run", "w.yaml", "--wait", "--data-dir", &deep]);
    world.until("a run", || {
        let list = world.run(&["runs", "list", "--json", "--data-dir", &deep]).json();
        list["runs"].as_array().is_some_and(|runs| runs.iter().any(|run| run["status"] == "waiting")).then_some(())
    });
    let note = world.read(&format!("{deep}gorgon-state.db.lock"));
    assert!(note.contains(&format!("listens at /tmp/gorgon-{}/gorgon-", rustix::process::getuid().as_raw())), "{note}");
    world.run(&["approve", "@last", "--data-dir", &deep]).exits(0);
    finish(first).exits(0);
}

#[test]
fn a_changed_file_is_told_and_the_run_keeps_its_text() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    world.run(&["run", "w.yaml"]).exits(4);
    world.write("w.yaml", &ASKS.replace("echo acted", "echo otherwise"));
    world.run(&["approve", "@last", "--no-run"]).exits(0);
    let done = world.run(&["resume", "@last"]).exits(0).says("word: acted").says("gorgon run w.yaml");
    assert!(done.stderr.lines().any(|line| line.starts_with('+') && line.contains("echo otherwise")), "{done:#?}");
}

#[test]
fn many_at_once_each_find_a_holder_or_become_it() {
    let world = World::new();
    world.write("w.yaml", QUICK);
    let all: Vec<_> = (0..16).map(|_| world.start(&["run", "w.yaml"])).collect();
    for one in all {
        finish(one).exits(0).says("word: quick");
    }
    let list = world.run(&["runs", "list", "--json", "--status", "completed"]).json();
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(16));
}

#[test]
fn a_call_that_its_holder_leaves_is_made_once_and_is_in_doubt() {
    let world = World::new();
    world.write("first.yaml", "name: first\nsteps:\n  - {id: a, type: shell, command: 'touch first; until test -e over; do sleep 0.05; done'}\n");
    world.write(
        "second.yaml",
        "name: second\nsteps:\n  - {id: a, type: shell, command: 'echo once >> effects; sleep 30'}\n  - {id: b, type: shell, command: 'true'}\n",
    );
    let holder = world.start(&["run", "first.yaml"]);
    world.until("the first step in flight", || world.path("first").exists().then_some(()));
    let other = world.start(&["run", "second.yaml"]);
    world.until("the second step in flight", || world.path("effects").exists().then_some(()));
    signal(&other, rustix::process::Signal::KILL);
    finish(other);
    world.write("over", "");
    // Its own run has ended, and it stays for the call of the other one: one interrupt, and it leaves that in doubt.
    world.until("the end of the first run", || {
        let list = world.run(&["runs", "list", "--json"]).json();
        list["runs"].as_array()?.iter().any(|run| run["status"] == "completed").then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&holder, rustix::process::Signal::INT);
    finish(holder).says("staying until they have ended");
    assert_eq!(world.read("effects"), "once\n", "one order, one call");
    world.run(&["resume", "@last"]).exits(4).says("gorgon resolve");
    assert_eq!(world.read("effects"), "once\n");
}

#[test]
fn a_run_whose_holder_is_done_goes_on_with_the_next_one_and_nothing_is_in_doubt() {
    let world = World::new();
    world.write("first.yaml", "name: first\nsteps:\n  - {id: a, type: shell, command: 'touch first; until test -e over; do sleep 0.02; done'}\n");
    // Many short steps: wherever the first run ends, one of them is about to start.
    let steps: String = (0..40).map(|n| format!("  - {{id: s{n}, type: shell, command: 'echo {n} >> effects; sleep 0.05'}}\n")).collect();
    world.write("second.yaml", &format!("name: second\nsteps:\n{steps}"));
    let holder = world.start(&["run", "first.yaml"]);
    world.until("the first step in flight", || world.path("first").exists().then_some(()));
    let other = world.start(&["run", "second.yaml"]);
    world.until("the second run under way", || world.path("effects").exists().then_some(()));
    world.write("over", "");
    finish(holder).exits(0);
    finish(other).exits(0);
    let effects: Vec<String> = world.read("effects").lines().map(str::to_owned).collect();
    assert_eq!(effects, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_command_that_is_made_again_has_the_key_that_it_had() {
    let world = World::new();
    let step = "{id: a, type: shell, effect: idempotent, idempotency_key: 'order-${inputs.n}', command: 'echo \"$GORGON_IDEMPOTENCY_KEY\" >> keys; touch started; until test -e go; do sleep 0.05; done'}";
    let holder = world.in_flight(&format!("name: w\ninputs: {{n: {{type: integer, default: 7}}}}\nsteps:\n  - {step}\n"));
    kill(holder);
    world.write("go", "");
    world.run(&["resume", "@last"]).exits(0);
    assert_eq!(world.read("keys"), "order-7\norder-7\n");
}
