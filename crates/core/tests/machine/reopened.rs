//! A failed run is opened again: what succeeded stays.

use gorgon_core::call::FailureClass;
use gorgon_core::command::Command;
use gorgon_core::definition::OnFailure;
use gorgon_core::diagnostic::Code;
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, agent, noop, noop_of, parallel, wait, workflow};
use crate::harness::{Harness, retry, send};

#[test]
fn steps_that_succeeded_are_kept_and_not_paid_for_again() {
    let mut run = Harness::start(workflow(vec![agent("a", "hi"), noop("b"), noop("c")]));
    run.done("a");
    let paid = run.state.charged;
    run.fails("b", FailureClass::Refused);
    run.ok(retry(Some("b")));
    assert_eq!((run.status(), run.open()), (RunStatus::Running, vec!["b/0/2/0".to_owned()]));
    run.done("b");
    run.done("c");
    assert_eq!((run.status(), run.state.charged), (RunStatus::Completed, paid));
    assert_eq!(run.state.failure, None);
}

#[test]
fn a_failed_step_has_all_its_attempts_again() {
    let mut run = Harness::start(workflow(vec![noop("a").tries(2)]));
    for round in 0..3 {
        for _ in 0..2 {
            run.fails("a", FailureClass::Transport);
            run.pass(60_000);
        }
        assert_eq!(run.status(), RunStatus::Failed, "round {round}");
        run.ok(retry(None));
    }
    assert_eq!(run.open(), ["a/0/7/0"]);
}

#[test]
fn what_went_on_past_the_failure_runs_again_with_what_comes_of_it() {
    let mut run = Harness::start(workflow(vec![
        noop_of("a", json!(1)).after(&[]).on_failure(OnFailure::Skip),
        noop_of("b", json!("${steps.a.result | default('none')}")).after(&["a"]),
        noop_of("c", json!("${steps.b.result}")).after(&["b"]),
        noop("d").after(&[]),
    ]));
    run.fails("a", FailureClass::Refused);
    run.done("b");
    run.done("c");
    run.done("d");
    assert_eq!((run.status(), run.value("c")["result"].clone()), (RunStatus::Partial, json!("none")));
    assert_eq!(run.state.repeated_by_retry().iter().map(|step| step.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    run.ok(retry(None));
    assert_eq!(run.state.repeated_by_retry(), []);
    assert_eq!((run.open(), run.step("b"), run.step("d")), (vec!["a/0/2/0".to_owned()], StepStatus::Pending, StepStatus::Succeeded));
    run.done("a");
    run.done("b");
    run.done("c");
    assert_eq!((run.status(), run.value("c")["result"].clone()), (RunStatus::Completed, json!(1)));
}

#[test]
fn a_step_that_waited_for_two_waits_for_both_again() {
    let mut run =
        Harness::start(workflow(vec![noop("a").after(&[]).on_failure(OnFailure::Skip), noop("b").after(&[]), noop("join").after(&["a", "b"])]));
    run.fails("a", FailureClass::Refused);
    run.fails("b", FailureClass::Refused);
    run.ok(retry(None));
    run.done("b");
    assert_eq!(run.step("join"), StepStatus::Pending);
    run.done("a");
    assert_eq!(run.open(), ["join/0/1/0"]);
}

#[test]
fn what_waited_when_the_run_failed_goes_on_waiting() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), wait("w", 10).after(&[]), crate::build::signal("s", "go").after(&[])]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.status(), run.state.wake()), (RunStatus::Failed, None));
    run.no(send("go", json!(1)));
    run.ok(retry(None));
    run.done("a");
    run.ok(send("go", json!(1)));
    run.pass(10_000);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_run_that_ran_out_of_time_goes_on_where_it_was() {
    let inside = vec![noop("x"), noop("y").after(&["x"]), noop("z").after(&["y"])];
    let mut definition = workflow(vec![
        noop("f").after(&[]).over(json!([1, 2, 3, 4]), 2),
        parallel("p", inside).after(&[]).param("max_workers", json!(1)),
        wait("w", 500).after(&[]),
        noop("full").after(&[]),
    ]);
    definition.timeout_ms = Some(1_000);
    definition.concurrency = 4;
    let mut run = Harness::start(definition);
    run.done_item("f", 0);
    run.done("x");
    assert_eq!(run.open(), ["f/1/1/0", "f/2/1/0", "full/0/1/0", "y/0/1/0"]);
    run.pass(1_000);
    for (step, item) in [("f", 1), ("f", 2), ("full", 0), ("y", 0)] {
        run.fails_item(step, item, FailureClass::Cancelled);
    }
    assert_eq!(run.status(), RunStatus::Failed);
    assert_eq!(
        (run.step("f"), run.step("p"), run.step("w"), run.step("z")),
        (StepStatus::Cancelled, StepStatus::Cancelled, StepStatus::Cancelled, StepStatus::Pending)
    );
    run.ok(retry(None));
    assert_eq!(run.open(), ["f/1/2/0", "f/3/1/0", "full/0/2/0", "y/0/2/0"]);
    for (step, item) in [("f", 1), ("f", 3), ("f", 2), ("full", 0), ("y", 0), ("z", 0)] {
        run.done_item(step, item);
    }
    run.pass(500_000);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_step_that_was_ready_when_the_time_ran_out_starts_then() {
    let mut definition = workflow(vec![noop("a").after(&[]), noop("b").after(&[])]);
    definition.timeout_ms = Some(1_000);
    definition.concurrency = 1;
    let mut run = Harness::start(definition);
    run.pass(1_000);
    run.fails("a", FailureClass::Cancelled);
    run.ok(retry(None));
    run.done("a");
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn nested_groups_start_anew_whole_when_what_they_stand_on_does() {
    let deep = parallel("p", vec![parallel("q", vec![noop("x"), noop("y").after(&["x"])])]);
    let mut run = Harness::start(workflow(vec![noop("a").on_failure(OnFailure::Skip), deep]));
    run.fails("a", FailureClass::Refused);
    run.done("x");
    run.done("y");
    assert_eq!(run.status(), RunStatus::Partial);
    run.ok(retry(None));
    run.done("a");
    assert_eq!(run.open(), ["x/0/2/0"]);
    run.done("x");
    run.done("y");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn only_what_failed_can_be_named() {
    let mut run = Harness::start(workflow(vec![noop("a"), noop("b")]));
    run.done("a");
    run.fails("b", FailureClass::Refused);
    assert_eq!(run.no(retry(Some("a"))).code, Code::NotInThisState);
    assert_eq!(run.no(retry(Some("nobody"))).code, Code::UnknownStep);
    run.ok(retry(Some("b")));
    run.no(retry(Some("b")));
    run.done("b");
    run.no(retry(None));
    assert_eq!(run.ok(Command::Tick), []);
}
