//! Waiting for time: short waits, long ones, and the delays between attempts.

use std::time::Duration;

use gorgon_core::run::RunStatus;
use gorgon_ports::Clock;

use crate::support::{Bench, completed, pause, resume, start, tell, until, until_within};

const DAY: Duration = Duration::from_secs(100_000);

#[tokio::test(start_paused = true)]
async fn waits_end_when_their_time_has_come_and_not_before() {
    for ms in [1_u64, 20, 999, 1_999, 2_000, 2_001, 60_000, 86_400_000] {
        let bench = Bench::new();
        let engine = bench.engine().await;
        let before = bench.clock.now();
        let run = start(
            &engine,
            &format!("name: nap\nsteps:\n  - {{id: nap, type: wait, seconds: {}}}\n  - {{id: after, type: noop}}\n", ms as f64 / 1000.0),
        )
        .await;
        let state = until_within(DAY, &engine, run, "the wait ends", |state| state.status.is_terminal()).await;
        completed(&state);
        let took = bench.clock.now().since_ms(before);
        assert!((ms..ms + 5).contains(&took), "a wait of {ms} ms took {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_shorter_than_one_that_was_there_first_ends_first() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let nap = |seconds: u32| format!("name: nap\nsteps:\n  - {{id: nap, type: wait, seconds: {seconds}}}\n");
    let long = start(&engine, &nap(5_000)).await;
    let short = start(&engine, &nap(50)).await;
    until_within(DAY, &engine, short, "the short one ends", |state| state.status.is_terminal()).await;
    assert_eq!(engine.state(long).await.expect("it can be read").status, RunStatus::Waiting);
    until_within(DAY, &engine, long, "the long one ends", |state| state.status.is_terminal()).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_in_the_next_process() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = start(&engine, "name: nap\nsteps:\n  - {id: nap, type: wait, seconds: 3600}\n").await;
    until(&engine, run, "it sleeps", |state| state.status == RunStatus::Waiting).await;
    let next = bench.engine().await;
    until_within(DAY, &next, run, "the wait ends", |state| state.status == RunStatus::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ended_while_nobody_was_there_ends_at_once() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = start(&engine, "name: nap\nsteps:\n  - {id: nap, type: wait, seconds: 3600}\n").await;
    until(&engine, run, "it sleeps", |state| state.status == RunStatus::Waiting).await;
    bench.world.crash();
    drop(engine);
    tokio::time::advance(Duration::from_secs(7200)).await;
    let next = bench.engine().await;
    completed(&*until(&next, run, "the wait ends", |state| state.status.is_terminal()).await);
}

#[tokio::test(start_paused = true)]
async fn time_does_not_end_a_wait_of_a_paused_run_before_it_goes_on() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = start(&engine, "name: nap\nsteps:\n  - {id: nap, type: wait, seconds: 10}\n").await;
    until(&engine, run, "it sleeps", |state| state.status == RunStatus::Waiting).await;
    tell(&engine, run, pause()).await;
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(engine.state(run).await.expect("it can be read").status, RunStatus::Paused);
    tell(&engine, run, resume(gorgon_core::budget::Limits::default())).await;
    completed(&*until(&engine, run, "the wait ends", |state| state.status.is_terminal()).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_active_for_too_long_is_ended_with_its_calls() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("a");
    let run = start(&engine, "name: late\ntimeout_seconds: 30\nsteps:\n  - {id: a, type: shell, argv: [echo], timeout_seconds: 1000}\n").await;
    let state = until(&engine, run, "it is ended", |state| state.status.is_terminal()).await;
    assert_eq!(state.status, RunStatus::Failed);
    assert!(bench.world.seen_of("a")[0].cancelled);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_sleeping_runs_have_no_owners_and_all_wake() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = "name: nap\nsteps:\n  - {id: nap, type: wait, seconds: 3600}\n";
    let mut last = None;
    for _ in 0..10_000 {
        last = Some(start(&engine, text).await);
    }
    let mut activity = engine.activity();
    crate::support::patiently("all owners leave", activity.wait_for(|activity| activity.active_runs == 0)).await.expect("the engine lasts");
    until_within(DAY, &engine, last.expect("there is one"), "the last one wakes", |state| state.status == RunStatus::Completed).await;
    crate::support::patiently("all owners leave", activity.wait_for(|activity| activity.active_runs == 0)).await.expect("the engine lasts");
    let left = engine
        .list(&gorgon_ports::RunFilter { statuses: vec![RunStatus::Waiting, RunStatus::Running], limit: 10, ..gorgon_ports::RunFilter::default() })
        .await;
    assert_eq!(left.expect("the store answers"), []);
}
