//! `parallel`: steps side by side.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::OnFailure;
use gorgon_core::event::SkipReason;
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, noop, noop_of, parallel, workflow};
use crate::harness::{Harness, approve, reject, retry};

#[test]
fn steps_inside_run_side_by_side_and_the_group_ends_with_the_last() {
    let mut run = Harness::start(workflow(vec![parallel("p", vec![noop_of("a", json!(1)), noop_of("b", json!(2))]), noop("after")]));
    assert_eq!(run.open(), ["a/0/1/0", "b/0/1/0"]);
    run.done("b");
    assert_eq!(run.step("after"), StepStatus::Pending);
    run.done("a");
    assert_eq!(run.step("p"), StepStatus::Succeeded);
    assert_eq!(run.value("p")["successful"], json!(["a", "b"]));
    assert_eq!(run.value("p")["parallel_results"]["b"]["result"], 2);
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn dependencies_inside_hold() {
    let mut run = Harness::start(workflow(vec![parallel("p", vec![noop("a"), noop("b").after(&["a"]), noop("c")])]));
    assert_eq!(run.open(), ["a/0/1/0", "c/0/1/0"]);
    run.done("a");
    assert_eq!(run.open(), ["b/0/1/0", "c/0/1/0"]);
}

#[test]
fn no_more_steps_are_in_flight_than_max_workers() {
    let inside = (0..6).map(|n| noop(&format!("s{n}"))).collect();
    let mut run = Harness::start(workflow(vec![parallel("p", inside).param("max_workers", json!(2))]));
    let mut most = 0;
    while let Some(call) = run.state.open.keys().next().cloned() {
        most = most.max(run.open().len());
        run.done(call.step.as_str());
    }
    assert_eq!((most, run.status()), (2, RunStatus::Completed));
}

#[test]
fn a_failed_step_inside_fails_the_group_after_the_others_have_ended() {
    let mut run = Harness::start(workflow(vec![parallel("p", vec![noop("a"), noop("b")]), noop("after")]));
    run.fails("a", FailureClass::Refused);
    assert_eq!(run.status(), RunStatus::Running);
    run.done("b");
    assert_eq!((run.step("p"), run.step("after"), run.status()), (StepStatus::Failed, StepStatus::Pending, RunStatus::Failed));
}

#[test]
fn what_depends_on_a_failed_step_inside_never_runs() {
    let inside = vec![noop("a"), noop("b").after(&["a"]), noop("c").after(&["b"]), noop("d")];
    let mut run = Harness::start(workflow(vec![parallel("p", inside)]));
    run.fails("a", FailureClass::Refused);
    assert_eq!(run.open(), ["d/0/1/0"]);
    assert_eq!(run.state.steps[run.ix("b")].skipped, Some(SkipReason::GroupFailed));
    assert_eq!(run.state.steps[run.ix("c")].skipped, Some(SkipReason::GroupFailed));
    run.done("d");
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/2/0"]);
    run.done("a");
    run.done("b");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_tolerated_failure_inside_leaves_the_group_successful_and_the_run_partial() {
    let inside = vec![noop("a").on_failure(OnFailure::Skip), noop("b").after(&["a"])];
    let mut run = Harness::start(workflow(vec![parallel("p", inside)]));
    run.fails("a", FailureClass::Refused);
    run.done("b");
    assert_eq!((run.step("p"), run.status()), (StepStatus::Succeeded, RunStatus::Partial));
    assert_eq!(run.value("p")["failed"], json!(["a"]));
}

#[test]
fn the_first_failure_keeps_the_rest_from_starting_if_it_is_to() {
    let inside = (0..5).map(|n| noop(&format!("s{n}"))).collect();
    let mut run = Harness::start(workflow(vec![parallel("p", inside).param("max_workers", json!(2)).fails_fast()]));
    run.fails("s0", FailureClass::Refused);
    assert_eq!(run.open(), ["s1/0/1/0"]);
    run.done("s1");
    assert_eq!(run.status(), RunStatus::Failed);
    assert_eq!(run.step("s4"), StepStatus::Skipped);
}

#[test]
fn a_fallback_takes_the_place_of_a_whole_group() {
    let mut run = Harness::start(workflow(vec![parallel("p", vec![noop("a"), noop("b")]).or_value(json!({ "x": 1 })), noop("after")]));
    run.fails("a", FailureClass::Refused);
    run.done("b");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!(run.value("p"), json!({ "x": 1 }));
}

#[test]
fn a_group_can_be_a_fallback() {
    let definition = workflow(vec![noop("a").or_step("p"), parallel("p", vec![noop("x"), noop("y")]), noop("after").after(&["a"])]);
    let mut run = Harness::start(definition.clone());
    run.fails("a", FailureClass::Refused);
    run.done("x");
    run.done("y");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = Harness::start(definition);
    run.fails("a", FailureClass::Refused);
    run.done("x");
    run.fails("y", FailureClass::Refused);
    assert_eq!((run.step("a"), run.status()), (StepStatus::Failed, RunStatus::Failed));
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/2/0"]);
    run.done("a");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn groups_stand_in_groups() {
    let inner = parallel("q", vec![noop("b"), noop("c").after(&["b"])]);
    let mut run = Harness::start(workflow(vec![parallel("p", vec![noop("a"), inner, noop("d").after(&["q"])]), noop("after")]));
    assert_eq!(run.open(), ["a/0/1/0", "b/0/1/0"]);
    run.done("b");
    run.fails("c", FailureClass::Refused);
    run.done("a");
    assert_eq!((run.step("q"), run.step("d"), run.status()), (StepStatus::Failed, StepStatus::Skipped, RunStatus::Failed));
    run.ok(retry(Some("q")));
    assert_eq!(run.open(), ["c/0/2/0"]);
    run.done("c");
    run.done("d");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_group_can_ask_before_it_opens() {
    let definition = workflow(vec![parallel("p", vec![noop("a"), noop("b")]).asks("go on?"), noop("after")]);
    let mut run = Harness::start(definition.clone());
    assert_eq!((run.open().len(), run.status()), (0, RunStatus::Waiting));
    assert_eq!(run.pending()[0].preview, json!({ "steps": ["a", "b"] }));
    run.ok(approve("p", None, None));
    run.done("a");
    run.done("b");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = Harness::start(definition);
    run.ok(reject("p", None));
    assert_eq!((run.step("a"), run.status()), (StepStatus::Pending, RunStatus::Failed));
    run.ok(retry(None));
    assert_eq!(run.open().len(), 0, "it asks again");
    run.ok(approve("p", None, None));
    run.done("a");
    run.done("b");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}
