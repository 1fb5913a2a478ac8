//! Time, signals, and limits on both.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{OnFailure, Step};
use gorgon_core::event::{Event, HaltReason};
use gorgon_core::run::{RunStatus, StepStatus, WaitingFor};
use gorgon_core::time::Timestamp;
use serde_json::json;

use crate::build::{Say, noop, signal, transform, wait, workflow};
use crate::harness::{Harness, cancel, pause, resume, retry, send};

#[test]
fn a_wait_ends_when_its_time_has_come_and_not_before() {
    let mut run = Harness::start(workflow(vec![wait("w", 10), noop("a")]));
    assert_eq!((run.status(), run.state.wake()), (RunStatus::Waiting, Some(Timestamp(1_010_000))));
    run.pass(9_999);
    assert_eq!(run.status(), RunStatus::Waiting);
    run.pass(1);
    assert_eq!(run.value("w"), json!({ "waited_ms": 10_000 }));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_clock_that_goes_back_takes_nothing_back() {
    let mut run = Harness::start(workflow(vec![noop("a"), wait("w", 10)]));
    run.now = Timestamp(5);
    run.done("a");
    assert_eq!(run.state.last_at, Timestamp(1_000_000));
    assert_eq!(run.state.wake(), Some(Timestamp(1_010_000)));
    run.now = Timestamp(2_000_000);
    run.pass(0);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_signal_is_taken_by_the_step_that_waits_for_it() {
    let mut run = Harness::start(workflow(vec![signal("s", "go"), transform("t", "steps.s.payload.n + 1")]));
    assert!(matches!(&run.waits()[0], WaitingFor::Signal { name, .. } if name == "go"));
    run.ok(send("other", json!(0)));
    assert_eq!(run.status(), RunStatus::Waiting);
    run.ok(send("go", json!({ "n": 1 })));
    assert_eq!((run.status(), run.value("t")["result"].clone()), (RunStatus::Completed, json!(2)));
}

#[test]
fn a_signal_that_came_before_is_kept_and_each_is_used_once() {
    let mut run = Harness::start(workflow(vec![noop("a"), signal("s1", "go"), signal("s2", "go"), signal("s3", "go")]));
    run.ok(send("go", json!(1)));
    run.ok(send("go", json!(2)));
    run.done("a");
    assert_eq!((run.value("s1"), run.value("s2")), (json!({ "payload": 1 }), json!({ "payload": 2 })));
    assert_eq!(run.step("s3"), StepStatus::Waiting);
    run.ok(send("go", json!(3)));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_signal_that_does_not_come_fails_its_step() {
    let mut run = Harness::start(workflow(vec![signal("s", "go").param("wait_seconds", json!(5)), noop("a")]));
    run.pass(5_000);
    assert_eq!((run.status(), run.failure("s").class), (RunStatus::Failed, FailureClass::Rejected));
}

#[test]
fn signals_that_nobody_takes_are_not_kept_without_end() {
    let mut run = Harness::start(workflow(vec![noop("a"), signal("s", "go")]));
    for _ in 0..1_000 {
        run.state.signals.push_back(("x".to_owned(), gorgon_core::payload::Payload::null()));
    }
    let mut full = run.state.clone();
    let prices = crate::harness::prices();
    let facts = gorgon_core::facts::Facts {
        now: run.now,
        seed: 0,
        epoch: 1,
        prices: &prices,
        permits: run.permits.clone(),
        dollars_limited: false,
        refused: std::collections::BTreeMap::new(),
    };
    assert!(gorgon_core::command::decide_in_place(&mut full, send("x", json!(1)), &facts).is_err());
    let call = run.call("a", 0);
    let outcome = crate::harness::answer(&gorgon_core::call::Request::Noop {});
    gorgon_core::command::decide_in_place(&mut full, gorgon_core::command::Command::CompleteCall { call, outcome }, &facts).unwrap();
    gorgon_core::command::decide_in_place(&mut full, send("go", json!(1)), &facts).expect("somebody waits for this one");
    assert_eq!(full.status, RunStatus::Completed);
}

#[test]
fn the_time_limit_of_a_run_counts_only_while_it_is_active() {
    let mut definition = workflow(vec![noop("a"), wait("w", 100), noop("b")]);
    definition.timeout_ms = Some(10_000);
    let mut run = Harness::start(definition);
    run.pass(4_000);
    run.done("a");
    assert_eq!(run.state.wake(), Some(Timestamp(1_104_000)), "while it waits nothing runs out");
    run.pass(100_000);
    assert_eq!(run.status(), RunStatus::Running);
    run.ok(pause());
    run.pass(50_000);
    run.ok(resume(gorgon_core::budget::Limits::default()));
    assert_eq!(run.state.wake(), Some(run.now.plus_ms(6_000)));
    run.pass(5_999);
    assert_eq!(run.status(), RunStatus::Running);
    run.pass(1);
    assert_eq!((run.status(), run.open().len(), run.state.open.len()), (RunStatus::Cancelling, 0, 1));
    assert!(matches!(run.state.halt, Some(HaltReason::TimedOut { limit_ms: 10_000 })));
    assert_eq!(run.state.wake(), None, "nothing is to be done before what is in flight has stopped");
    run.fails("b", FailureClass::Cancelled);
    assert_eq!((run.status(), run.step("b")), (RunStatus::Failed, StepStatus::Cancelled));
    // Opened again, it has its time again.
    run.ok(retry(None));
    assert_eq!(run.open(), ["b/0/2/0"]);
    run.pass(9_000);
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_call_never_gets_more_time_than_is_left_of_the_run() {
    let mut definition = workflow(vec![noop("a"), noop("b")]);
    definition.timeout_ms = Some(10_000);
    let mut run = Harness::start(definition);
    run.pass(4_000);
    run.done("a");
    assert_eq!(run.state.open[&run.call("b", 0)].timeout_ms, 6_000);
}

#[test]
fn the_total_time_of_a_step_ends_its_retries() {
    let stepped = |total| workflow(vec![noop("a").tries(10).with(|step| step.total_timeout_ms = Some(total)).on_failure(OnFailure::Skip)]);
    let mut run = Harness::start(stepped(5_000));
    assert_eq!(run.state.open[&run.call("a", 0)].timeout_ms, 5_000);
    run.pass(2_000);
    run.fails("a", FailureClass::Transport);
    run.pass(1_000);
    assert_eq!(run.state.open[&run.call("a", 0)].timeout_ms, 2_000);
    run.pass(1_000);
    run.fails("a", FailureClass::Transport);
    assert_eq!(run.step("a"), StepStatus::Failed, "the next attempt would begin after the end");
    // A tick that comes late finds no time left.
    let mut run = Harness::start(stepped(5_000));
    run.fails("a", FailureClass::Transport);
    run.pass(60_000);
    assert_eq!((run.step("a"), run.failure("a").class), (StepStatus::Failed, FailureClass::TimedOut));
}

#[test]
fn while_a_run_is_paused_nothing_starts_and_results_are_taken_in() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), wait("w", 1).after(&[]), noop("b").after(&["a"])]));
    run.ok(pause());
    assert_eq!((run.status(), run.open()), (RunStatus::Paused, vec!["a/0/1/0".to_owned()]));
    run.no(pause());
    run.done("a");
    assert_eq!((run.step("a"), run.open().len()), (StepStatus::Succeeded, 0));
    run.pass(5_000);
    assert_eq!((run.step("w"), run.state.wake()), (StepStatus::Waiting, None));
    run.ok(resume(gorgon_core::budget::Limits::default()));
    assert_eq!(run.open(), ["b/0/1/0"]);
    assert_eq!(run.state.wake(), Some(Timestamp(1_001_000)), "what came due meanwhile is due now");
    run.pass(0);
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn the_last_result_ends_a_paused_run() {
    let mut run = Harness::start(workflow(vec![noop("a")]));
    run.ok(pause());
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_cancelled_run_ends_when_what_was_in_flight_has_stopped() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), noop("b").after(&[]), wait("w", 1).after(&[]), noop("c").after(&["a"])]));
    run.ok(cancel());
    assert_eq!((run.status(), run.open().len(), run.state.open.len()), (RunStatus::Cancelling, 0, 2));
    assert_eq!(run.state.wake(), None, "no timer of a run that is ending can be waited for");
    run.no(cancel());
    run.no(pause());
    run.no(resume(gorgon_core::budget::Limits::default()));
    run.no(send("go", json!(1)));
    run.pass(5_000);
    run.done("a");
    assert_eq!(run.step("a"), StepStatus::Running, "nothing new comes of it");
    run.fails("b", FailureClass::Cancelled);
    assert_eq!(run.status(), RunStatus::Cancelled);
    assert_eq!((run.step("b"), run.step("w"), run.step("c")), (StepStatus::Cancelled, StepStatus::Cancelled, StepStatus::Pending));
    run.no(retry(None));
    run.no(resume(gorgon_core::budget::Limits::default()));
}

#[test]
fn a_run_with_nothing_in_flight_is_cancelled_at_once() {
    let mut run = Harness::start(workflow(vec![wait("w", 1)]));
    run.ok(cancel());
    assert_eq!(run.status(), RunStatus::Cancelled);
}

#[test]
fn the_time_in_which_nobody_works_counts_against_no_limit() {
    let limited = |ms| {
        let mut definition = workflow(vec![Step { total_timeout_ms: Some(ms), ..noop("a") }, noop("b")]);
        definition.timeout_ms = Some(ms);
        definition
    };
    let timeout = |run: &Harness| run.state.open.values().next().unwrap().timeout_ms;
    let mut run = Harness::start(limited(10_000));
    run.pass(4_000);
    run.ok(send("go", json!(1)));
    // The process dies here. Somebody goes on in the morning.
    run.now = run.now.plus_ms(43_200_000);
    let events = run.crash();
    assert!(matches!(events[0], Event::TakenOver { idle_ms: 43_200_000 }), "{events:?}");
    assert_eq!((run.status(), run.open(), timeout(&run)), (RunStatus::Running, vec!["a/0/1/0+1".to_owned()], 6_000));
    run.done("a");
    run.pass(5_999);
    assert_eq!((run.status(), run.state.halt.is_none()), (RunStatus::Running, true));
    run.pass(1);
    assert!(matches!(run.state.halt, Some(HaltReason::TimedOut { .. })), "{:?}", run.state.halt);
    // Where nothing limits it, nothing is written of it.
    let mut run = Harness::start(workflow(vec![noop("a")]));
    run.pass(4_000);
    assert!(!Harness::names(&run.crash()).contains(&"taken_over"));
}
