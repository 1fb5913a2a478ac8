//! Workflows from their first step to their last.

use std::fmt::Write as _;

use gorgon_core::run::RunStatus;
use serde_json::{Value, json};

use crate::support::{Bench, completed, ended, outputs, run, start_with};

#[tokio::test(start_paused = true)]
async fn a_chain_of_steps_costs_one_append_a_step_and_one_more() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let steps = (0..10).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "  - {{id: s{n}, type: noop}}");
        text
    });
    let state = run(&engine, &format!("name: chain\nsteps:\n{steps}")).await;
    completed(&state);
    let order: Vec<String> = bench.world.seen().iter().map(|seen| seen.call.step.to_string()).collect();
    assert_eq!(order, (0..10).map(|n| format!("s{n}")).collect::<Vec<_>>());
    let id = state.created.as_ref().expect("it was created").id;
    assert_eq!(engine.history(id).await.expect("it can be read").len(), 11);
}

const WIDE: &str = "
name: wide
concurrency: 1000
inputs: {list: {type: array}}
outputs: [how_many]
steps:
  - {id: fan, type: fan_out, items: '${list}', max_concurrent: 1000, step_template: {type: noop}}
  - {id: all, type: fan_in, input: '${steps.fan.results}', aggregation: count, outputs: [how_many]}
";

#[tokio::test(start_paused = true)]
async fn a_fan_out_of_a_thousand_takes_few_appends() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = start_with(&engine, WIDE, json!({ "list": (0..1000).collect::<Vec<u32>>() })).await;
    let state = ended(&engine, run).await;
    completed(&state);
    assert_eq!(outputs(&state), json!({ "how_many": 1000 }));
    assert_eq!(bench.world.seen().len(), 1000);
    let appends = engine.history(run).await.expect("it can be read").len();
    assert!(appends <= 20, "{appends} appends");
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_too_large_for_the_log_comes_back_whole() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let large = "ä".repeat(100_000);
    let text = "name: large\ninputs: {text: {type: string}}\noutputs: [same]\nsteps:\n  - {id: a, type: noop, value: '${text}', outputs: [kept]}\n  - {id: b, type: shell, argv: [echo, '${kept}'], outputs: [same]}\n";
    let run = start_with(&engine, text, json!({ "text": large })).await;
    let state = ended(&engine, run).await;
    completed(&state);
    assert_eq!(outputs(&state), json!({ "same": large }));
    let again = bench.engine().await;
    assert_eq!(outputs(&again.state(run).await.expect("it can be read")), json!({ "same": large }));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_fails_the_run_and_nothing_after_it_runs() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.answer("b", |_| crate::support::value(&json!({ "exit_code": 3, "stdout": "", "stderr": "no", "truncated": false })));
    let state =
        run(&engine, "name: fails\nsteps:\n  - {id: a, type: noop}\n  - {id: b, type: shell, command: 'false'}\n  - {id: c, type: noop}\n").await;
    assert_eq!(state.status, RunStatus::Failed);
    assert_eq!(bench.world.seen_of("c").len(), 0);
    assert_eq!(outputs(&state), Value::Object(serde_json::Map::new()));
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_call_is_the_same_for_every_try_and_differs_between_items() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let tries = std::sync::atomic::AtomicU32::new(0);
    bench.world.answer("post", move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => crate::support::failed(gorgon_core::call::FailureClass::Overloaded, gorgon_core::call::Metering::None),
        _ => crate::support::value(&json!({ "status": 200, "headers": {}, "body": "ok" })),
    });
    let text = "name: keys\nsteps:\n  - {id: post, type: http, url: 'https://example.invalid/', method: POST, effect: idempotent, retry: {max_attempts: 2}}\n  - {id: fan, type: fan_out, items: [1, 2], step_template: {type: noop}}\n";
    let state = run(&engine, text).await;
    completed(&state);
    let keys: Vec<String> = bench.world.seen_of("post").into_iter().map(|seen| seen.key).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    let items: Vec<String> = bench.world.seen_of("fan").into_iter().map(|seen| seen.key).collect();
    assert_ne!(items[0], items[1]);
}

/// On a real file: what was written is what is read after the file was closed and opened again.
#[tokio::test]
async fn a_wide_run_on_a_real_file_is_read_back_as_it_was() {
    use crate::support::{TokioClock, World, options};
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::new();
    let open = || async {
        let store = std::sync::Arc::new(
            gorgon_store_sqlite::SqliteStore::open(gorgon_store_sqlite::Options::new(folder.path().join("state.db"))).expect("the store opens"),
        );
        gorgon_engine::Engine::open(options(store.clone(), store.clone(), store, &world, TokioClock::start())).await.expect("the engine opens")
    };
    let engine = open().await;
    let run = start_with(&engine, WIDE, json!({ "list": (0..1000).collect::<Vec<u32>>() })).await;
    let before = ended(&engine, run).await;
    completed(&before);
    engine.shutdown(std::time::Duration::from_secs(5)).await;
    drop(engine);
    let engine = open().await;
    let after = engine.state(run).await.expect("it can be read, so its chain is whole");
    assert_eq!((after.status, outputs(&after), after.events), (before.status, outputs(&before), before.events));
    engine.shutdown(std::time::Duration::ZERO).await;
}
