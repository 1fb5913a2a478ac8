//! Owners come and go; what is said to a run is never lost between two of them.

use std::sync::Arc;
use std::time::Duration;

use gorgon_core::run::RunStatus;
use gorgon_engine::Engine;
use gorgon_store_sqlite::SqliteStore;
use serde_json::json;

use crate::support::{Bench, TokioClock, World, approve, completed, ended, options, patiently, signal, start, tell, until, value};

const SIGNALS: &str = "name: signals\noutputs: [second]\nsteps:\n  - {id: a, type: signal, params: {name: one}, outputs: [first]}\n  - {id: b, type: signal, params: {name: two}, outputs: [second]}\n";

async fn quiet(engine: &Engine) {
    let mut activity = engine.activity();
    patiently("all owners leave", activity.wait_for(|activity| activity.active_runs == 0)).await.expect("the engine lasts");
}

#[tokio::test(start_paused = true)]
async fn an_owner_leaves_when_nothing_moves_and_comes_back_for_a_message() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = start(&engine, SIGNALS).await;
    quiet(&engine).await;
    tell(&engine, run, signal("one", json!(1))).await;
    quiet(&engine).await;
    assert_eq!(engine.state(run).await.expect("it can be read").status, RunStatus::Waiting);
    tell(&engine, run, signal("two", json!(2))).await;
    completed(&*ended(&engine, run).await);
    quiet(&engine).await;
}

#[test]
fn a_message_that_meets_an_owner_on_its_way_out_is_not_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Bench::new();
        let engine = bench.engine().await;
        for _ in 0..1_000 {
            let run = start(&engine, SIGNALS).await;
            let (one, two) = (engine.clone(), engine.clone());
            let one = tokio::spawn(async move { one.command(run, signal("one", json!(1))).await });
            let two = tokio::spawn(async move { two.command(run, signal("two", json!(2))).await });
            for told in [one, two] {
                patiently("a signal is answered", told).await.expect("it is told").expect("it is taken");
            }
            completed(&*ended(&engine, run).await);
        }
    });
}

#[test]
fn a_state_that_is_asked_for_after_a_command_has_it_whether_an_owner_is_there_or_not() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bench = Bench::new();
        let engine = bench.engine().await;
        let run = start(&engine, "name: kept\nsteps:\n  - {id: a, type: signal, params: {name: never}}\n").await;
        for n in 1..=500_usize {
            tell(&engine, run, signal("other", json!(n))).await;
            assert_eq!(engine.state(run).await.expect("it can be read").signals.len(), n);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_created_while_nobody_waits_for_the_answer_has_an_owner() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    for polls in 0..6 {
        let mut creating = Box::pin(engine.create(crate::support::new_run("name: gone\nsteps:\n  - {id: a, type: noop}\n", json!({}))));
        for _ in 0..polls {
            // Whoever asked is gone at any moment, as a client whose connection breaks.
            if futures_util::poll!(creating.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(creating);
        quiet(&engine).await;
    }
    let runs = engine.list(&gorgon_ports::RunFilter { limit: 100, ..gorgon_ports::RunFilter::default() }).await.expect("the store answers");
    assert!(!runs.is_empty());
    for row in runs {
        completed(&*ended(&engine, row.id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_whose_process_died_is_recovered() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("a");
    let run =
        start(&engine, "name: paused\nsteps:\n  - {id: a, type: http, url: 'https://example.invalid/', method: GET}\n  - {id: b, type: noop}\n")
            .await;
    bench.world.until_in_flight("a", 1).await;
    tell(&engine, run, crate::support::pause()).await;
    bench.world.crash();
    bench.world.let_go("a");
    let next = bench.engine().await;
    until(&next, run, "its call is in doubt", |state| state.open.is_empty()).await;
    tell(&next, run, crate::support::resume(gorgon_core::budget::Limits::default())).await;
    completed(&*ended(&next, run).await);
    assert_eq!(bench.world.seen_of("a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_goes_on_commands_are_recorded_and_nothing_starts() {
    let bench = Bench::new();
    let text = "name: asks\nsteps:\n  - {id: ok, type: approval, params: {prompt: 'Go?'}}\n  - {id: a, type: noop}\n";
    let engine = bench.engine().await;
    let run = start(&engine, text).await;
    quiet(&engine).await;
    let still = bench.engine_with(|options| options.run = false).await;
    tell(&still, run, approve(None, None)).await;
    quiet(&still).await;
    assert_eq!(bench.world.seen().len(), 0);
    let next = bench.engine().await;
    completed(&*ended(&next, run).await);
    assert_eq!(bench.world.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_engine_takes_over_and_the_first_one_stops() {
    let bench = Bench::new();
    let first = bench.engine().await;
    for step in ["a", "other"] {
        bench.world.hold(step);
    }
    let run =
        start(&first, "name: two\nsteps:\n  - {id: a, type: http, url: 'https://example.invalid/', method: GET}\n  - {id: b, type: noop}\n").await;
    let other = start(&first, "name: other\nsteps:\n  - {id: other, type: http, url: 'https://example.invalid/', method: GET}\n").await;
    bench.world.until_in_flight("a", 1).await;
    bench.world.until_in_flight("other", 1).await;
    let second = bench.engine().await;
    // Recovered and ordered anew by the second.
    bench.world.until_in_flight("a", 2).await;
    let refused = patiently("the first one answers", first.command(run, crate::support::pause())).await;
    assert!(matches!(refused, Err(gorgon_engine::CommandError::Store(gorgon_ports::StoreError::Closed(_)))), "{refused:?}");
    assert!(first.activity().borrow().broken.is_some());
    // Nothing of the first goes on, not even of runs that nobody asked it about.
    let cancelled = |world: &World| world.seen().iter().filter(|seen| seen.cancelled).count();
    bench.world.until("the calls of the first are stopped", |world| cancelled(world) == 2).await;
    for step in ["a", "other"] {
        bench.world.let_go(step);
    }
    completed(&*ended(&second, run).await);
    completed(&*ended(&second, other).await);
    assert_eq!(bench.world.seen_of("b").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_panics_leaves_its_call_in_doubt_and_the_engine_alive() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let first = std::sync::atomic::AtomicBool::new(true);
    bench.world.answer("a", move |_| {
        assert!(!first.swap(false, std::sync::atomic::Ordering::SeqCst), "a bug");
        value(&json!({ "exit_code": 0, "stdout": "", "stderr": "", "truncated": false }))
    });
    let run = start(&engine, "name: bug\nsteps:\n  - {id: a, type: shell, argv: [echo]}\n").await;
    let state = until(&engine, run, "it asks", |state| state.status == RunStatus::Waiting).await;
    assert_eq!(crate::support::answers(&state).len(), 1);
    assert_eq!(engine.activity().borrow().calls_in_flight, 0);
    tell(&engine, run, crate::support::redo("a", 0)).await;
    completed(&*ended(&engine, run).await);
    completed(&*crate::support::run(&engine, "name: other\nsteps:\n  - {id: b, type: noop}\n").await);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_calls_in_flight_and_starts_nothing_new() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.delay("a", Duration::from_secs(5));
    let run = start(&engine, "name: chain\nsteps:\n  - {id: a, type: shell, argv: [echo]}\n  - {id: b, type: shell, argv: [echo]}\n").await;
    bench.world.until_in_flight("a", 1).await;
    // The store goes on without this engine, as a file does.
    let before = tokio::time::Instant::now();
    engine.drain();
    let mut activity = engine.activity();
    patiently("it falls quiet", activity.wait_for(|activity| activity.active_runs == 0 && activity.calls_in_flight == 0))
        .await
        .expect("the engine lasts");
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(bench.world.seen().len(), 1);
    let next = bench.engine().await;
    completed(&*ended(&next, run).await);
    assert_eq!((bench.world.seen_of("a").len(), bench.world.seen_of("b").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_those_in_line_or_near_a_timer() {
    let bench = Bench::new();
    let engine = bench.engine_with(|options| options.permits = crate::support::permits(gorgon_core::call::Family::Process, 0)).await;
    start(&engine, "name: line\nsteps:\n  - {id: a, type: shell, argv: [echo]}\n").await;
    start(&engine, "name: near\nsteps:\n  - {id: nap, type: wait, seconds: 1.5}\n").await;
    let before = tokio::time::Instant::now();
    engine.shutdown(Duration::from_secs(60)).await;
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

/// On a real file, with a real clock: what is in flight when the grace is over is in doubt for the next.
#[tokio::test]
async fn a_shutdown_returns_within_its_grace_and_the_next_holder_finds_the_call_in_doubt() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::new();
    world.hold("a");
    world.deafen("a");
    let open = || async {
        let store = Arc::new(SqliteStore::open(gorgon_store_sqlite::Options::new(folder.path().join("state.db"))).expect("the store opens"));
        Engine::open(options(store.clone(), store.clone(), store, &world, TokioClock::start())).await.expect("the engine opens")
    };
    let engine = open().await;
    let run = start(&engine, "name: slow\nsteps:\n  - {id: a, type: shell, argv: [echo]}\n  - {id: b, type: noop}\n").await;
    world.until_in_flight("a", 1).await;
    let mut watch = engine.watch(run, u64::MAX).await.expect("it can be watched");
    patiently("it shuts down", engine.shutdown(Duration::from_millis(20))).await;
    assert!(patiently("the watch ends", watch.next()).await.expect("nothing is read").is_none());
    drop((engine, watch));
    world.crash();
    world.let_go("a");
    let next = open().await;
    let state = until(&next, run, "it asks", |state| state.status == RunStatus::Waiting).await;
    assert_eq!(crate::support::answers(&state).len(), 1);
    tell(&next, run, crate::support::redo("a", 0)).await;
    completed(&*ended(&next, run).await);
    next.shutdown(Duration::from_secs(1)).await;
}
