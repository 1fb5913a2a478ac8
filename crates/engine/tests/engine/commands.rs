//! What is said to a run while it runs.

use gorgon_core::budget::Limits;
use gorgon_core::call::{FailureClass, Metering};
use gorgon_core::money::Meter;
use gorgon_core::run::{RunStatus, StepStatus};
use gorgon_engine::CommandError;
use serde_json::json;

use crate::support::{
    Bench, PRICE, approve, cancel, completed, ended, events, failed, pause, reject, resume, retry, run, signal, start, step, tell, until, value,
};

#[tokio::test(start_paused = true)]
async fn an_approval_lets_go_on_what_waits_for_it_and_nothing_else_stands_still() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = "name: asks\nsteps:\n  - {id: beside, type: noop}\n  - {id: ok, type: approval, depends_on: [], params: {prompt: 'Go?'}}\n  - {id: after, type: noop, depends_on: [ok]}\n";
    let id = start(&engine, text).await;
    let state = until(&engine, id, "it asks", |state| state.status == RunStatus::Waiting).await;
    assert_eq!((step(&state, "beside"), step(&state, "after")), (StepStatus::Succeeded, StepStatus::Pending));
    tell(&engine, id, approve(Some("ok"), None)).await;
    completed(&*ended(&engine, id).await);
    let again = engine.command(id, approve(Some("ok"), None)).await;
    assert!(matches!(again, Err(CommandError::Rejected(_))), "{again:?}");
}

/// Item 3 of 5 asks, two at a time: the others finish, what depends on them does not start, and the same decision does not count twice.
#[tokio::test(start_paused = true)]
async fn one_element_that_waits_for_approval_does_not_hold_up_the_others() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let text = "name: items\nsteps:\n  - {id: fan, type: fan_out, items: [1, 2, 3, 4, 5], max_concurrent: 2, approval: {prompt: 'Do ${item}?', per: item}, step_template: {type: shell, argv: [echo, '${item}']}}\n  - {id: after, type: noop}\n";
    let id = start(&engine, text).await;
    let state = until(&engine, id, "it asks", |state| state.pending_approvals().len() == 5).await;
    let third = state.pending_approvals()[2].clone();
    for item in [0, 1, 3, 4] {
        tell(&engine, id, approve(Some("fan"), Some(item))).await;
    }
    let others = until(&engine, id, "the others are done", |state| state.open.is_empty() && state.pending_approvals().len() == 1).await;
    assert_eq!(others.pending_approvals()[0].item, 2);
    assert_eq!((bench.world.seen_of("fan").len(), bench.world.seen_of("after").len()), (4, 0));
    let decision = gorgon_core::command::Decision {
        step: Some("fan".into()),
        item: Some(2),
        hash: Some(third.hash),
        approved: true,
        by: "ann".to_owned(),
        comment: None,
    };
    tell(&engine, id, gorgon_core::command::Command::Approve(decision.clone())).await;
    let second = engine.command(id, gorgon_core::command::Command::Approve(decision)).await;
    assert!(matches!(second, Err(CommandError::Rejected(_))), "{second:?}");
    completed(&*ended(&engine, id).await);
}

#[tokio::test(start_paused = true)]
async fn two_decisions_at_once_count_once() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    for _ in 0..50 {
        let id = start(&engine, "name: asks\nsteps:\n  - {id: ok, type: approval, params: {prompt: 'Go?'}}\n  - {id: a, type: noop}\n").await;
        until(&engine, id, "it asks", |state| state.status == RunStatus::Waiting).await;
        let (yes, no) = tokio::join!(engine.command(id, approve(None, None)), engine.command(id, reject(None)));
        assert!(yes.is_ok() != no.is_ok(), "{yes:?} {no:?}");
        let state = ended(&engine, id).await;
        assert_eq!(state.status == RunStatus::Completed, yes.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_step() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let id = start(&engine, "name: asks\nsteps:\n  - {id: a, type: shell, argv: [echo], approval: 'Do it?'}\n").await;
    until(&engine, id, "it asks", |state| state.status == RunStatus::Waiting).await;
    tell(&engine, id, reject(Some("a"))).await;
    assert_eq!(ended(&engine, id).await.status, RunStatus::Failed);
    assert_eq!(bench.world.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_comes_too_early_is_kept() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("a");
    let id = start(
        &engine,
        "name: early\noutputs: [word]\nsteps:\n  - {id: a, type: noop}\n  - {id: b, type: signal, params: {name: go}, outputs: [word]}\n",
    )
    .await;
    bench.world.until_in_flight("a", 1).await;
    tell(&engine, id, signal("go", json!("now"))).await;
    bench.world.let_go("a");
    let state = ended(&engine, id).await;
    completed(&state);
    assert_eq!(crate::support::outputs(&state), json!({ "word": "now" }));
}

#[tokio::test(start_paused = true)]
async fn a_pause_lets_what_is_in_flight_end_and_starts_nothing() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("a");
    let id = start(&engine, "name: two\nsteps:\n  - {id: a, type: noop}\n  - {id: b, type: noop}\n").await;
    bench.world.until_in_flight("a", 1).await;
    tell(&engine, id, pause()).await;
    bench.world.let_go("a");
    let state = until(&engine, id, "what is in flight ends", |state| state.open.is_empty()).await;
    assert_eq!((state.status, bench.world.seen_of("b").len()), (RunStatus::Paused, 0));
    tell(&engine, id, resume(Limits::default())).await;
    completed(&*ended(&engine, id).await);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_stops_calls_in_flight_and_settles_what_they_held() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    engine.set_limit(None, Meter::Usd, 1_000_000_000).await.expect("the limit is set");
    for name in ["ask", "sh"] {
        bench.world.hold(name);
    }
    let text = "name: both\nbudget: {max_cost_usd: 1}\nsteps:\n  - {id: ask, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 100}\n  - {id: sh, type: shell, argv: [echo], depends_on: []}\n";
    let id = start(&engine, text).await;
    bench.world.until_in_flight("ask", 1).await;
    bench.world.until_in_flight("sh", 1).await;
    tell(&engine, id, cancel()).await;
    let state = ended(&engine, id).await;
    assert_eq!(state.status, RunStatus::Cancelled);
    assert!(bench.world.seen().iter().all(|seen| seen.cancelled));
    // Nobody knows what the model had done by then: it is charged in full.
    let full = PRICE.worst_nano_usd(69, 100);
    let row = bench.tenant_row(Meter::Usd).await.expect("there is a row");
    assert_eq!((row.spent, row.reserved, state.charged.cost_nano_usd), (full, 0, full));
    let again = engine.command(id, cancel()).await;
    assert!(matches!(again, Err(CommandError::Rejected(_))), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_waits_for_a_call_that_does_not_hear_it() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.hold("a");
    bench.world.deafen("a");
    let id = start(&engine, "name: deaf\nsteps:\n  - {id: a, type: shell, argv: [echo]}\n  - {id: b, type: noop}\n").await;
    bench.world.until_in_flight("a", 1).await;
    tell(&engine, id, cancel()).await;
    assert_eq!(engine.state(id).await.expect("it can be read").status, RunStatus::Cancelling);
    bench.world.let_go("a");
    assert_eq!(ended(&engine, id).await.status, RunStatus::Cancelled);
    assert_eq!(bench.world.seen_of("b").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_runs_what_failed_again_and_nothing_else() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    bench.world.answer("b", |_| failed(FailureClass::Refused, Metering::None));
    let state = run(&engine, "name: three\nsteps:\n  - {id: a, type: noop}\n  - {id: b, type: noop}\n  - {id: c, type: noop}\n").await;
    assert_eq!(state.status, RunStatus::Failed);
    let id = state.created.as_ref().expect("it was created").id;
    bench.world.answer("b", |_| value(&json!(null)));
    tell(&engine, id, retry()).await;
    completed(&*ended(&engine, id).await);
    let times = |step: &str| bench.world.seen_of(step).len();
    assert_eq!((times("a"), times("b"), times("c")), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_to_a_run_that_is_not_there_says_so() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let answer = engine.command(gorgon_core::ids::RunId(7), cancel()).await;
    assert!(matches!(answer, Err(CommandError::UnknownRun)), "{answer:?}");
}

#[test]
fn what_was_ordered_and_stopped_in_one_append_is_not_made_and_the_run_ends() {
    const TRIES: usize = 200;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let each = "{id: it, type: agent, provider: lab, model: m, prompt: Hello, max_tokens: 100}";
    let items: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let text = format!("name: w\nsteps:\n  - {{id: f, type: fan_out, items: [{}], max_concurrent: 6, step_template: {each}}}\n", items.join(", "));
    let mut in_one = 0;
    runtime.block_on(async {
        let bench = Bench::new();
        let engine = bench.engine().await;
        engine.set_limit(None, Meter::Usd, 1_000_000_000_000).await.expect("the limit is set");
        for n in 0..TRIES {
            let before = bench.world.seen().len();
            let id = start(&engine, &text).await;
            // Wherever it is by then: now and then answers, which lead to further orders, and the command wait for the owner together.
            for _ in 0..n % 40 {
                tokio::task::yield_now().await;
            }
            // Too late, where it has completed by then.
            let _ = engine.command(id, cancel()).await;
            let state = ended(&engine, id).await;
            assert!(state.open.is_empty(), "{n}");
            let row = bench.tenant_row(Meter::Usd).await.expect("there is a row");
            assert_eq!(row.reserved, 0, "{n}: nothing is held for what was never made");
            let ordered = events(&engine, id).await.iter().filter(|event| event.name() == "call_started").count();
            in_one += usize::from(ordered > bench.world.seen().len() - before);
            if in_one > 2 {
                break;
            }
        }
        // The permits are there again.
        let next = start(&engine, &text).await;
        completed(&*ended(&engine, next).await);
    });
    assert!(in_one > 0, "it never came to that, so nothing was shown");
}
