//! Ways on past a failure, and the status they lead to.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{Fallback, OnFailure};
use gorgon_core::event::{Instead, SkipReason};
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::{Map, json};

use crate::build::{Say, noop, noop_of, transform, workflow};
use crate::harness::{Harness, retry};

#[test]
fn a_failure_ends_the_run_and_lets_finish_what_is_in_flight() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), noop("b").after(&[]), noop("c").after(&["b"])]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.status(), run.open()), (RunStatus::Running, vec!["b/0/1/0".to_owned()]));
    run.done("b");
    assert_eq!((run.status(), run.step("b"), run.step("c")), (RunStatus::Failed, StepStatus::Succeeded, StepStatus::Ready));
    assert!(run.state.failure.as_ref().unwrap().message.contains("step `a` failed: it broke"));
}

#[test]
fn a_skipped_failure_shows_in_the_status() {
    let mut run = Harness::start(workflow(vec![noop("a").on_failure(OnFailure::Skip), noop("b")]));
    run.fails("a", FailureClass::Refused);
    run.done("b");
    assert_eq!((run.status(), run.step("a")), (RunStatus::Partial, StepStatus::Failed));
}

#[test]
fn a_default_output_takes_the_place_of_the_result_and_the_run_is_partial() {
    let outputs = Map::from_iter([("result".to_owned(), json!(7))]);
    let mut run = Harness::start(workflow(vec![noop("a").on_failure(OnFailure::ContinueWithDefault(outputs)), transform("b", "steps.a.result + 1")]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.status(), run.value("b")["result"].clone()), (RunStatus::Partial, json!(8)));
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/2/0"], "what made the run partial is what is tried again");
}

#[test]
fn a_fallback_value_is_a_success_and_marked() {
    let mut run = Harness::start(workflow(vec![noop("a").gives(&["x"]).or_value(json!(7)), transform("b", "steps.a.x + 1")]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.status(), run.value("b")["result"].clone()), (RunStatus::Completed, json!(8)));
    assert!(matches!(run.state.steps[run.ix("a")].instead, Some(Instead::FallbackValue { .. })));
}

#[test]
fn a_fallback_step_runs_only_then_and_gives_the_outputs() {
    let definition =
        workflow(vec![noop_of("a", json!(1)).gives(&["x"]).or_step("b"), noop_of("b", json!(2)), transform("c", "steps.a.x").after(&["a"])]);
    let mut run = Harness::start(definition.clone());
    run.done("a");
    assert_eq!((run.status(), run.value("c")["result"].clone()), (RunStatus::Completed, json!(1)));
    assert_eq!(run.state.steps[run.ix("b")].skipped, Some(SkipReason::NotNeeded));
    let mut run = Harness::start(definition);
    run.fails("a", FailureClass::Refused);
    run.done("b");
    assert_eq!((run.status(), run.value("c")["result"].clone()), (RunStatus::Completed, json!(2)));
    assert!(matches!(run.state.steps[run.ix("a")].instead, Some(Instead::FallbackStep { .. })));
}

#[test]
fn if_the_fallback_fails_the_step_has_failed() {
    let mut run = Harness::start(workflow(vec![noop("a").or_step("b"), noop("b"), noop("c").after(&["a"])]));
    run.fails("a", FailureClass::Refused);
    run.fails("b", FailureClass::Refused);
    assert_eq!((run.status(), run.step("a"), run.step("c")), (RunStatus::Failed, StepStatus::Failed, StepStatus::Pending));
    assert!(run.failure("a").message.contains("then its fallback `b` failed"));
    run.ok(retry(Some("a")));
    run.done("a");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_fallback_may_have_a_fallback() {
    for (ways, wanted) in [
        (OnFailure::Fallback(Fallback::Step("c".into())), RunStatus::Completed),
        (OnFailure::Fallback(Fallback::Value(json!(3))), RunStatus::Completed),
        (OnFailure::ContinueWithDefault(Map::from_iter([("result".to_owned(), json!(3))])), RunStatus::Partial),
        (OnFailure::Skip, RunStatus::Failed),
        (OnFailure::Abort, RunStatus::Failed),
    ] {
        let mut run = Harness::start(workflow(vec![noop("a").or_step("b"), noop("b").on_failure(ways.clone()), noop("c"), noop("d").after(&["a"])]));
        run.fails("a", FailureClass::Refused);
        run.fails("b", FailureClass::Refused);
        let chained = matches!(ways, OnFailure::Fallback(Fallback::Step(_)));
        if run.open().iter().any(|call| call.starts_with("c/")) {
            run.done("c");
        }
        if run.open().iter().any(|call| call.starts_with("d/")) {
            run.done("d");
        }
        assert_eq!(run.status(), wanted, "{ways:?} {chained}");
    }
}

#[test]
fn a_fallback_that_is_left_out_leaves_the_step_failed() {
    let mut run = Harness::start(workflow(vec![noop("a").or_step("b"), noop("b").when("inputs.no"), noop("c").after(&["a"])]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.status(), run.step("a")), (RunStatus::Failed, StepStatus::Failed));
}

#[test]
fn what_waits_for_a_fallback_waits_for_the_step_that_it_stands_in_for() {
    let mut run = Harness::start(workflow(vec![noop("a").or_step("b"), noop("b"), noop("c").after(&["b"])]));
    run.done("a");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_fan_out_can_be_a_fallback() {
    let mut run = Harness::start(workflow(vec![noop("a").or_step("f"), noop("f").over(json!([1, 2]), 2), noop("c").after(&["a"])]));
    run.fails("a", FailureClass::Refused);
    run.done_item("f", 0);
    run.done_item("f", 1);
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_missing_declared_output_is_a_failure() {
    let mut run = Harness::start(workflow(vec![noop("a").gives(&["x", "y"])]));
    run.done("a");
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Invalid));
}

#[test]
fn the_outputs_of_a_failed_run_are_there_as_far_as_they_go() {
    let mut definition = workflow(vec![noop_of("a", json!(1)).gives(&["x"]), noop("b").gives(&["y"])]);
    for name in ["x", "y", "a"] {
        definition.outputs.insert(name.to_owned(), String::new());
    }
    let mut run = Harness::start(definition);
    run.done("a");
    run.fails("b", FailureClass::Refused);
    assert_eq!(run.state.outputs.as_ref().unwrap().value(), json!({ "x": 1, "y": null, "a": { "result": 1, "x": 1 } }));
}
