//! Which step starts when.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{Guard, Order};
use gorgon_core::run::{RunStatus, StepStatus};
use gorgon_core::template::{Condition, Operator};
use serde_json::json;

use crate::build::{Say, noop, noop_of, transform, workflow};
use crate::harness::Harness;

#[test]
fn a_chain_of_k_steps_costs_k_and_one_appends() {
    let steps: Vec<_> = (0..5).map(|n| noop(&format!("s{n}"))).collect();
    let mut run = Harness::start(workflow(steps));
    assert_eq!(run.open(), ["s0/0/1/0"]);
    for n in 0..4 {
        let events = run.done(&format!("s{n}"));
        assert_eq!(Harness::names(&events), ["call_settled", "step_succeeded", "attempt_started", "call_started"]);
        assert_eq!(run.open(), [format!("s{}/0/1/0", n + 1)]);
    }
    let last = run.done("s4");
    assert_eq!(Harness::names(&last), ["call_settled", "step_succeeded", "run_finished"]);
    assert_eq!(run.appends, 6);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn computations_between_calls_cost_no_append() {
    let mut run =
        Harness::start(workflow(vec![noop_of("a", json!(2)), transform("b", "steps.a.result + 1"), noop_of("c", json!("${steps.b.result}"))]));
    let events = run.done("a");
    assert_eq!(Harness::names(&events), ["call_settled", "step_succeeded", "step_succeeded", "attempt_started", "call_started"]);
    run.done("c");
    assert_eq!(run.value("c")["result"], 3);
    assert_eq!(run.appends, 3);
}

#[test]
fn a_slow_chain_does_not_hold_another() {
    let mut run = Harness::start(workflow(vec![
        noop("a1").after(&[]),
        noop("a2").after(&["a1"]),
        noop("b1").after(&[]),
        noop("b2").after(&["b1"]),
        noop("b3").after(&["b2"]),
    ]));
    assert_eq!(run.open(), ["a1/0/1/0", "b1/0/1/0"]);
    run.done("b1");
    run.done("b2");
    run.done("b3");
    assert_eq!(run.open(), ["a1/0/1/0"]);
    assert_eq!(run.status(), RunStatus::Running);
    run.done("a1");
    run.done("a2");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_join_waits_for_both_sides_whichever_ends_last() {
    for last in ["l", "r"] {
        let first = if last == "l" { "r" } else { "l" };
        let mut run = Harness::start(workflow(vec![
            noop("top").after(&[]),
            noop("l").after(&["top"]),
            noop("r").after(&["top"]),
            noop("join").after(&["l", "r"]),
        ]));
        run.done("top");
        assert_eq!(run.open(), ["l/0/1/0", "r/0/1/0"]);
        run.done(first);
        assert_eq!(run.step("join"), StepStatus::Pending);
        run.done(last);
        assert_eq!(run.open(), ["join/0/1/0"]);
        run.done("join");
        assert_eq!(run.status(), RunStatus::Completed);
    }
}

#[test]
fn no_more_calls_are_in_flight_than_the_file_allows() {
    let mut definition = workflow((0..5).map(|n| noop(&format!("s{n}"))).collect());
    definition.order = Order::EdgesOnly;
    definition.concurrency = 2;
    let mut run = Harness::start(definition);
    let mut ended = 0;
    while let Some(call) = run.state.open.keys().next().cloned() {
        assert!(run.open().len() <= 2);
        run.done(call.step.as_str());
        ended += 1;
    }
    assert_eq!((ended, run.status()), (5, RunStatus::Completed));
}

#[test]
fn a_result_is_taken_in_although_the_run_is_full() {
    let mut definition =
        workflow(vec![noop("a").after(&[]), noop("b").after(&[]), crate::build::signal("s", "go").after(&[]), transform("t", "1").after(&["s"])]);
    definition.concurrency = 1;
    // The signal is asked for once there is room for it, and then the second call fills the run.
    let mut run = Harness::start(definition);
    run.done("a");
    assert_eq!(run.open(), ["b/0/1/0"]);
    if run.step("s") == StepStatus::Waiting {
        run.ok(crate::harness::send("go", json!(1)));
        assert_eq!(run.step("s"), StepStatus::Succeeded);
    }
    run.done("b");
    if run.step("s") == StepStatus::Waiting {
        run.ok(crate::harness::send("go", json!(1)));
    }
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_step_whose_condition_is_false_is_left_out_and_the_run_is_complete() {
    let mut run = Harness::start(workflow(vec![noop("a"), noop("b").when("inputs.no"), noop("c")]));
    run.done("a");
    assert_eq!(run.step("b"), StepStatus::Skipped);
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_short_condition_over_a_missing_field_is_false_and_not_equals_is_true() {
    let guarded = |id: &str, operator| {
        noop(id)
            .after(&["a"])
            .with(|step| step.when = Some(Guard::Condition(Condition::new("inputs.list.name", operator, Some(json!("x"))).unwrap())))
    };
    let definition = workflow(vec![noop("a").after(&[]), guarded("b", Operator::Equals), guarded("c", Operator::NotEquals)]);
    let mut run = Harness::start(definition);
    run.done("a");
    assert_eq!(run.step("b"), StepStatus::Skipped);
    assert_eq!(run.open(), ["c/0/1/0"]);
}

#[test]
fn a_missing_value_in_when_fails_the_step() {
    let mut run = Harness::start(workflow(vec![noop_of("a", json!({})), noop("b").when("steps.a.result.nothing > 1")]));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Failed);
    assert_eq!(run.failure("b").class, FailureClass::Invalid);
    let mut run = Harness::start(workflow(vec![noop_of("a", json!({})), noop("b").when("steps.a.result.nothing | default(0) > 1")]));
    run.done("a");
    assert_eq!((run.step("b"), run.status()), (StepStatus::Skipped, RunStatus::Completed));
}

#[test]
fn a_reference_without_a_value_fails_the_step_and_is_not_tried_again() {
    let mut run = Harness::start(workflow(vec![noop_of("a", json!({})), noop_of("b", json!("${steps.a.result.nothing}")).tries(5)]));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Failed);
    assert_eq!(run.failure("b").class, FailureClass::Invalid);
}

#[test]
fn values_are_never_templates_themselves() {
    let mut run =
        Harness::start(workflow(vec![noop_of("a", json!("$${inputs.list} {{ '{{' }} x }}")), noop_of("b", json!("got ${steps.a.result}"))]));
    run.done("a");
    run.done("b");
    assert_eq!(run.value("b")["result"], "got ${inputs.list} {{ x }}");
}
