//! Who holds the data directory, who waits for it, and what becomes of everybody else when it changes hands.

use crate::second_terminal::{ASKS, LONG, QUICK};
use crate::world::{World, finish, kill, signal};

#[test]
fn a_background_holder_ends_when_there_is_no_work() {
    let world = World::new();
    world.write("w.yaml", QUICK);
    world.run(&["run", "w.yaml"]).exits(0);
    let holder = world.start(&["holder", "--idle-seconds", "1"]);
    finish(holder).exits(0);
    assert!(!world.root().join("home/.local/state/gorgon/gorgon.sock").exists());
}

#[test]
fn whoever_works_by_other_settings_begins_nothing() {
    let world = World::new();
    world.write("gorgon.toml", "[budget]\nmax_cost_usd = 5\n");
    let holder = world.in_flight("name: slow\nsteps:\n  - {id: a, type: shell, command: 'touch started; until test -e over; do sleep 0.05; done'}\n");
    world.write("w.yaml", "name: w\nsteps:\n  - {id: a, type: shell, command: 'true'}\n");
    world.run(&["run", "w.yaml"]).exits(0);
    let fork = ["fork", "@last", "--from", "a"];
    world.write("gorgon.toml", "[budget]\nmax_cost_usd = 0.03\n\n[http]\nallow_private = [\"127.0.0.1\"]\n");
    for call in [&["run", "w.yaml"][..], &["run", "w.yaml", "--detach"], &fork] {
        world.run(call).exits(5).says("works by other settings: budget.max_cost_usd, http.allow_private").says("let it end first");
    }
    // A key that only one of both has is missed by whoever needs it.
    world.write("gorgon.toml", "[budget]\nmax_cost_usd = 5\n");
    world.write(".env", "OPENAI_API_KEY=sk-x\n");
    world.run(&["run", "w.yaml"]).exits(0);
    world.write("gorgon.toml", "[budget]\nmax_cost_usd = 0.03\n");
    // What is there already goes by the settings of whoever holds it, and is looked at and answered from anywhere.
    world.run(&["runs", "list"]).exits(0);
    world.run(&["run", "w.yaml", "--ephemeral"]).exits(0);
    world.write("over", "");
    finish(holder).exits(0);
    world.run(&["run", "w.yaml"]).exits(0);
}

#[test]
fn a_holder_that_was_stopped_is_named_and_not_waited_for_for_ever() {
    let world = World::new();
    world.write("slow.yaml", "name: slow\nsteps:\n  - {id: a, type: shell, command: 'touch started; until test -e over; do sleep 0.05; done'}\n");
    let holder = world.start(&["run", "slow.yaml"]);
    world.until_in_flight();
    signal(&holder, rustix::process::Signal::STOP);
    let told = world.run(&["runs", "list"]);
    signal(&holder, rustix::process::Signal::CONT);
    told.exits(5).says(&holder.id().to_string()).says("`fg`, if it was stopped");
    world.write("over", "");
    finish(holder).exits(0);
}

#[test]
fn what_is_left_to_a_background_holder_that_lets_go_is_taken_up_by_the_next() {
    let world = World::new();
    world.write("w.yaml", LONG);
    world.write("q.yaml", QUICK);
    world.run(&["run", "w.yaml", "--detach"]).exits(0);
    world.until_in_flight();
    let note = std::fs::read_to_string(world.root().join("home/.local/state/gorgon/gorgon-state.db.lock")).expect("a lock file");
    assert!(note.contains("in the background"), "{note}");
    let pid = note.lines().next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw).expect("its pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    // It lets go as soon as the call has ended, and starts nothing until then.
    world.until("holder that lets go", || world.run(&["doctor"]).stdout.contains("about to let go").then_some(()));
    world.run(&["run", "q.yaml", "--detach"]).exits(0);
    world.write("go", "");
    world.until("both runs", || {
        let list = world.run(&["runs", "list", "--json", "--status", "completed"]).json();
        (list["runs"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
}

#[test]
fn whoever_follows_a_holder_that_does_not_answer_can_leave() {
    let world = World::new();
    let holder = world.in_flight(LONG);
    let follower = world.start(&["watch", "@last"]);
    let other = world.start(&["resume", "@last"]);
    // They have heard what happened so far.
    std::thread::sleep(std::time::Duration::from_millis(500));
    signal(&holder, rustix::process::Signal::STOP);
    for mut child in [follower, other] {
        // Two that come at once may be heard as one.
        world.until("its end", || {
            signal(&child, rustix::process::Signal::INT);
            child.try_wait().expect("a child").map(|_| ())
        });
        finish(child).exits(130);
    }
    signal(&holder, rustix::process::Signal::CONT);
    world.write("go", "");
    finish(holder).exits(0);
}

#[test]
fn an_interrupt_is_not_forgotten_when_the_holder_goes_away() {
    let world = World::new();
    let holder = world.in_flight(&LONG.replace("type: shell,", "type: shell, effect: repeatable,"));
    let follower = world.start(&["resume", "@last"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    signal(&holder, rustix::process::Signal::STOP);
    // It asks a holder that does not answer, and then is not there any more.
    signal(&follower, rustix::process::Signal::INT);
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill(holder);
    world.write("go", "");
    finish(follower).exits(130).says("gorgon resume");
    assert_eq!(world.until_status("paused").len(), 30);
    assert!(!world.path("second").exists(), "nothing went on");
    world.run(&["resume", "@last"]).exits(0);
}

#[test]
fn the_time_that_nobody_worked_counts_against_nothing_whatever_is_recorded_first() {
    let world = World::new();
    let holder = world
        .in_flight(&LONG.replace("name: long\n", "name: long\ntimeout_seconds: 2\n").replace("type: shell,", "type: shell, effect: repeatable,"));
    kill(holder);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    world.run(&["pause", "@last"]).exits(0);
    world.write("go", "");
    world.run(&["resume", "@last"]).exits(0);
}

#[test]
fn a_background_holder_makes_room_for_one_with_other_settings() {
    let world = World::new();
    let pid = || {
        let note = std::fs::read_to_string(world.path(".gorgon/gorgon-state.db.lock")).unwrap_or_default();
        note.contains("in the background").then(|| note.lines().next().map(str::to_owned)).flatten()
    };
    world.write("gorgon.toml", "[budget]\nmax_calls = 5\n");
    world.write("w.yaml", ASKS);
    world.write("q.yaml", QUICK);
    world.write("long.yaml", LONG);
    world.run(&["run", "w.yaml", "--detach"]).exits(0);
    world.until_status("waiting");
    let first = pid().expect("a background holder");
    world.run(&["run", "q.yaml"]).exits(0);
    assert_eq!(pid().as_ref(), Some(&first), "it goes by the same settings");
    // It has nothing in flight: another one takes its place, and the run that waits is there.
    world.write("gorgon.toml", "[budget]\nmax_calls = 6\n");
    world.run(&["doctor"]).says("works by other settings, which are those that count: budget.max_calls");
    world.run(&["run", "q.yaml"]).exits(0);
    let second = world.until("another background holder", || pid().filter(|pid| *pid != first));
    // Whoever comes with other settings is no reason to leave: they are not those that the runs were started with.
    std::fs::create_dir(world.path("elsewhere")).expect("a folder");
    world.write("elsewhere/gorgon.toml", "[budget]\nmax_calls = 1\n");
    world.write("elsewhere/q.yaml", QUICK);
    let elsewhere = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("GORGON_DATA_DIR", world.path(".gorgon")).current_dir(world.path("elsewhere"));
        finish(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it starts"))
    };
    elsewhere(&["run", "q.yaml"]).exits(5).says("works by other settings: budget.max_calls");
    let waiting = world.run(&["runs", "list", "--json", "--status", "waiting"]).json()["runs"][0]["id"].as_str().expect("a run").to_owned();
    elsewhere(&["watch", &waiting]).exits(4).says("waits for approval");
    elsewhere(&["approve", &waiting]).exits(0).says("approved");
    assert_eq!(pid().as_ref(), Some(&second));
    // A call in flight keeps it.
    world.run(&["run", "long.yaml", "--detach"]).exits(0);
    world.until_in_flight();
    world.write("gorgon.toml", "[budget]\nmax_calls = 7\n");
    world.run(&["run", "q.yaml"]).exits(5).says("works by other settings: budget.max_calls");
    world.run(&["run", "q.yaml", "--detach"]).exits(5);
    world.write("go", "");
    world.until("its end", || world.path("second").exists().then_some(()));
    // A key that was changed is one of them.
    world.write("gorgon.toml", "[budget]\nmax_calls = 6\n\n[providers.p]\nkind = \"openai\"\napi_key_env = \"PKEY\"\n");
    world.write(".env", "PKEY=sk-one-0000\n");
    world.run(&["run", "q.yaml", "--detach"]).exits(0);
    let third = world.until("a third one", || pid().filter(|pid| *pid != second));
    world.write(".env", "PKEY=sk-two-1111\n");
    world.run(&["doctor"]).says("keys.PKEY");
    world.run(&["run", "q.yaml", "--detach"]).exits(0);
    world.until("a fourth one", || pid().filter(|pid| *pid != third));
}

#[test]
fn whoever_only_watches_does_not_take_the_place_of_the_holder() {
    let world = World::new();
    let holder = world.in_flight(&LONG.replace("type: shell,", "type: shell, effect: repeatable,"));
    let watcher = world.start(&["watch", "@last"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill(holder);
    world.write("go", "");
    finish(watcher).exits(4).says("nobody works on the run: gorgon resume");
    assert!(!world.path("second").exists());
    world.run(&["resume", "@last"]).exits(0);
}

#[test]
fn whoever_watches_on_sees_what_others_did_in_a_moment() {
    let world = World::new();
    world.write("w.yaml", ASKS);
    world.run(&["run", "w.yaml"]).exits(4);
    world.run(&["watch", "@last"]).exits(4).says("waits for approval");
    let watcher = world.start(&["watch", "@last", "--wait"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    world.run(&["approve", "@last"]).exits(0);
    finish(watcher).exits(0).says("run completed");
}
