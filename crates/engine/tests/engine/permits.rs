//! Limits on calls in flight over all runs: they hold exactly, and everybody in line has a turn.

use std::time::Duration;

use gorgon_core::call::Family;
use gorgon_core::run::RunStatus;
use serde_json::json;

use crate::support::{Bench, cancel, completed, ended, permits, start, start_with, tell, until};

const TWO: &str = "name: two\nsteps:\n  - {id: a, type: shell, argv: [echo, a]}\n  - {id: b, type: shell, argv: [echo, b]}\n";

#[tokio::test(start_paused = true)]
async fn a_limit_holds_exactly_over_many_runs_and_all_of_them_complete() {
    let bench = Bench::new();
    let engine = bench.engine_with(|options| options.permits = permits(Family::Process, 3)).await;
    for step in ["a", "b"] {
        bench.world.delay(step, Duration::from_millis(7));
    }
    let mut runs = Vec::new();
    for _ in 0..200 {
        runs.push(start(&engine, TWO).await);
    }
    for run in runs {
        completed(&*ended(&engine, run).await);
    }
    assert_eq!(bench.world.in_flight_max(Family::Process), 3);
    assert_eq!(bench.world.seen().len(), 400);
}

#[test]
fn a_limit_holds_when_owners_decide_at_the_same_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Bench::new();
        let engine = bench.engine_with(|options| options.permits = permits(Family::Process, 1)).await;
        let starting: Vec<_> = (0..300)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    let run = start(&engine, TWO).await;
                    completed(&*ended(&engine, run).await);
                })
            })
            .collect();
        for run in starting {
            run.await.expect("the run completes");
        }
        assert_eq!(bench.world.in_flight_max(Family::Process), 1);
        assert_eq!(bench.world.seen().len(), 600);
    });
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_that_is_wider_than_the_limit_completes() {
    let bench = Bench::new();
    let engine = bench.engine_with(|options| options.permits = permits(Family::Process, 4)).await;
    bench.world.delay("fan", Duration::from_millis(3));
    let text = "name: fan\nconcurrency: 1000\ninputs: {list: {type: array}}\nsteps:\n  - {id: fan, type: fan_out, items: '${list}', max_concurrent: 1000, step_template: {type: shell, argv: [echo]}}\n";
    let run = start_with(&engine, text, json!({ "list": (0..100).collect::<Vec<u32>>() })).await;
    completed(&*ended(&engine, run).await);
    assert_eq!(bench.world.in_flight_max(Family::Process), 4);
    assert_eq!(bench.world.seen().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn the_turn_of_a_run_that_left_the_line_is_the_next_ones() {
    let bench = Bench::new();
    let engine = bench.engine_with(|options| options.permits = permits(Family::Process, 1)).await;
    bench.world.hold("a");
    let first = start(&engine, TWO).await;
    bench.world.until_in_flight("a", 1).await;
    let mut in_line = Vec::new();
    for _ in 0..5 {
        in_line.push(start(&engine, TWO).await);
    }
    for run in &in_line[..4] {
        tell(&engine, *run, cancel()).await;
        assert_eq!(until(&engine, *run, "it is cancelled", |state| state.status.is_terminal()).await.status, RunStatus::Cancelled);
    }
    // The one that has the permit ends without ever wanting another one: nobody but the line can wake the last.
    tell(&engine, first, cancel()).await;
    bench.world.let_go("a");
    completed(&*ended(&engine, in_line[4]).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_in_line_takes_commands() {
    let bench = Bench::new();
    let engine = bench.engine_with(|options| options.permits = permits(Family::Process, 1)).await;
    bench.world.hold("a");
    let first = start(&engine, TWO).await;
    bench.world.until_in_flight("a", 1).await;
    let second = start(&engine, TWO).await;
    assert_eq!(engine.state(second).await.expect("it can be read").status, RunStatus::Running);
    tell(&engine, second, crate::support::pause()).await;
    assert_eq!(engine.state(second).await.expect("it can be read").status, RunStatus::Paused);
    bench.world.let_go("a");
    completed(&*ended(&engine, first).await);
    assert_eq!(bench.world.seen().iter().filter(|seen| seen.run == second).count(), 0);
    tell(&engine, second, crate::support::resume(gorgon_core::budget::Limits::default())).await;
    completed(&*ended(&engine, second).await);
}
