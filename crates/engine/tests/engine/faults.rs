//! A store that cannot go on: nothing is acknowledged that is not on disk, everybody is told, and nobody hangs.

use std::time::Duration;

use gorgon_core::run::RunStatus;
use gorgon_engine::{CommandError, CreateError, Engine};
use gorgon_ports::StoreError;

use crate::support::{Bench, Faulty, Way, completed, ended, events, new_run, patiently, pause, signal, start, try_start};

const CHAIN: &str = "name: chain\nsteps:\n  - {id: a, type: noop}\n  - {id: b, type: noop}\n  - {id: c, type: noop}\n";

const REFUSALS: [Way; 4] = [Way::Unknown, Way::WrittenUnknown, Way::Full, Way::Closed];

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_written_is_not_created() {
    for way in REFUSALS {
        let bench = Bench::new();
        let journal = Faulty::after(0, way, &bench.store);
        let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
        let answer = patiently("it is answered", engine.create(new_run(CHAIN, serde_json::json!({})))).await;
        assert!(matches!(answer, Err(CreateError::Store(_))), "{way:?}: {answer:?}");
        assert_eq!(bench.world.seen().len(), 0, "{way:?}: nothing starts that nobody knows to be on disk");
        // A full disk took nothing, so nothing is in doubt; after everything else nobody knows how things stand.
        assert_eq!(engine.activity().borrow().broken.is_some(), way != Way::Full, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_written_stops_the_run_and_is_in_doubt_for_the_next_engine() {
    for way in REFUSALS {
        let bench = Bench::new();
        let journal = Faulty::after(1, way, &bench.store);
        let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
        let run = start(&engine, CHAIN).await;
        let mut activity = engine.activity();
        patiently("it says so", activity.wait_for(|activity| activity.broken.is_some())).await.expect("the engine lasts");
        assert_eq!(bench.world.seen_of("b").len(), 0, "{way:?}: what was ordered in vain does not start");
        for _ in 0..2 {
            let answer = patiently("it is answered", engine.command(run, pause())).await;
            assert!(matches!(answer, Err(CommandError::Store(_))), "{way:?}: {answer:?}");
        }
        assert!(matches!(try_start(&engine, CHAIN, serde_json::json!({})).await, Err(CreateError::Store(_))), "{way:?}");
        patiently("it shuts down", engine.shutdown(Duration::from_secs(5))).await;
        bench.world.crash();
        let next = bench.engine().await;
        completed(&*ended(&next, run).await);
        let doubts = events(&next, run).await.iter().filter(|event| matches!(event, gorgon_core::event::Event::CallDoubted { .. })).count();
        assert_eq!(doubts, 1, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_written_is_answered_with_the_reason() {
    for way in REFUSALS {
        let bench = Bench::new();
        let journal = Faulty::after(1, way, &bench.store);
        let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
        let run = start(&engine, "name: s\nsteps:\n  - {id: a, type: signal, params: {name: go}}\n").await;
        let said = patiently("it is answered", engine.command(run, signal("go", serde_json::json!(null)))).await;
        let reason = match said {
            Err(CommandError::Store(StoreError::Unavailable(why) | StoreError::Closed(why))) => why,
            other => panic!("{way:?}: {other:?}"),
        };
        assert!(reason.contains("the disk"), "{way:?}: {reason}");
        assert!(engine.activity().borrow().broken.is_some(), "{way:?}");
        let next = bench.engine().await;
        let written = next.state(run).await.expect("it can be read").status == RunStatus::Completed;
        assert_eq!(written, way.writes(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_in_the_mailbox_of_an_owner_that_breaks_are_answered() {
    let bench = Bench::new();
    let journal = Faulty::after(1, Way::Closed, &bench.store);
    let engine = Engine::open(bench.options_on(journal)).await.expect("the engine opens");
    let run = start(&engine, "name: s\nsteps:\n  - {id: a, type: signal, params: {name: go}}\n").await;
    let asking: Vec<_> = (0..600)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.command(run, signal("go", serde_json::json!(null))).await })
        })
        .collect();
    for asked in asking {
        let answer = patiently("it is answered", asked).await.expect("it asks");
        assert!(matches!(answer, Err(CommandError::Store(_))), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_read_says_why_and_the_others_go_on() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = "name: s\nsteps:\n  - {id: a, type: signal, params: {name: go}}\n";
    let (bad, good) = (start(&engine, text).await, start(&engine, text).await);
    let unread = crate::support::Unreadable::of(bench.store.clone(), bad);
    let next = Engine::open(bench.options_on(unread)).await.expect("the engine opens");
    let answer = patiently("it is answered", next.command(bad, signal("go", serde_json::json!(null)))).await;
    assert!(matches!(&answer, Err(CommandError::Store(StoreError::TooNew(why))) if why.contains("release")), "{answer:?}");
    patiently("it is answered", next.command(good, signal("go", serde_json::json!(null)))).await.expect("it is taken");
    completed(&*ended(&next, good).await);
    assert_eq!(next.activity().borrow().broken, None);
}
