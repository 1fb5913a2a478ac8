//! One step for each element of a list.

use gorgon_core::call::{FailureClass, Outcome};
use gorgon_core::definition::OnFailure;
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, noop, noop_of, step, transform, workflow};
use crate::harness::{Harness, retry};

fn each(items: serde_json::Value, max_concurrent: u32) -> gorgon_core::definition::Step {
    noop_of("f", json!("${index}:${item}")).over(items, max_concurrent)
}

#[test]
fn results_stand_where_their_elements_stand_whatever_ends_first() {
    let mut run = Harness::start(workflow(vec![each(json!("${inputs.list}"), 10), transform("t", "steps.f.results | join(',')")]));
    assert_eq!(run.open(), ["f/0/1/0", "f/1/1/0", "f/2/1/0"]);
    for n in [2, 0, 1] {
        run.done_item("f", n);
    }
    assert_eq!(run.value("f")["results"], json!(["0:1", "1:2", "2:3"]));
    assert_eq!(run.value("t")["result"], "0:1,1:2,2:3");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn failed_elements_are_null_with_their_error_and_fail_the_step() {
    let mut run = Harness::start(workflow(vec![each(json!(["a", "b", "c"]), 10), noop("after")]));
    run.done_item("f", 0);
    run.fails_item("f", 1, FailureClass::Refused);
    run.done_item("f", 2);
    assert_eq!((run.step("f"), run.step("after"), run.status()), (StepStatus::Failed, StepStatus::Pending, RunStatus::Failed));
    assert!(run.failure("f").message.contains("1 of 3 elements failed; element 1: it broke"));
}

#[test]
fn allowed_failures_leave_null_and_an_error_and_the_run_is_partial() {
    let mut run = Harness::start(workflow(vec![
        each(json!(["a", "b", "c"]), 10).allows_failures().gives(&["all"]),
        noop_of("after", json!("${steps.f.results}")),
    ]));
    run.done_item("f", 0);
    run.fails_item("f", 1, FailureClass::Refused);
    run.done_item("f", 2);
    assert_eq!(
        run.value("f"),
        json!({ "successful": 2, "failed": 1, "errors": [{ "index": 1, "error": "it broke" }], "all": ["0:a", null, "2:c"], "results": ["0:a", null, "2:c"] })
    );
    run.done("after");
    assert_eq!(run.value("after")["result"], json!(["0:a", null, "2:c"]));
    assert_eq!(run.status(), RunStatus::Partial);
    // The failed element is tried again; what was computed from the old list is computed anew.
    run.ok(retry(None));
    assert_eq!(run.open(), ["f/1/2/0"]);
    run.done_item("f", 1);
    run.done("after");
    assert_eq!(run.value("after")["result"], json!(["0:a", "1:b", "2:c"]));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn if_every_element_failed_the_step_failed_even_where_failures_are_allowed() {
    let mut run = Harness::start(workflow(vec![each(json!(["a", "b"]), 10).allows_failures()]));
    run.fails_item("f", 0, FailureClass::Refused);
    run.fails_item("f", 1, FailureClass::Refused);
    assert_eq!(run.status(), RunStatus::Failed);
}

#[test]
fn no_more_elements_are_in_flight_than_max_concurrent() {
    let mut run = Harness::start(workflow(vec![each(json!((0..9).collect::<Vec<_>>()), 3)]));
    let mut ended = 0;
    while let Some(call) = run.state.open.keys().next_back().cloned() {
        assert!(run.open().len() <= 3);
        if ended < 6 {
            assert_eq!(run.open().len(), 3);
        }
        run.done_item("f", call.item);
        ended += 1;
    }
    assert_eq!((ended, run.status()), (9, RunStatus::Completed));
}

#[test]
fn the_first_failure_keeps_the_rest_from_starting_if_it_is_to() {
    let mut run = Harness::start(workflow(vec![each(json!([1, 2, 3, 4, 5]), 2).fails_fast()]));
    run.fails_item("f", 0, FailureClass::Refused);
    assert_eq!(run.open(), ["f/1/1/0"]);
    run.done_item("f", 1);
    assert_eq!((run.step("f"), run.status()), (StepStatus::Failed, RunStatus::Failed));
    run.ok(retry(None));
    assert_eq!(run.open(), ["f/0/2/0", "f/2/1/0"], "what succeeded stays");
    for n in [0, 2, 3, 4] {
        run.done_item("f", n);
    }
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_empty_list_is_a_success_with_nothing_in_it() {
    let mut run = Harness::start(workflow(vec![each(json!([]), 2), noop_of("after", json!("${steps.f.results}"))]));
    assert_eq!(run.value("f"), json!({ "successful": 0, "failed": 0, "errors": [], "results": [] }));
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn what_is_not_a_list_fails_the_step() {
    let run = Harness::start(workflow(vec![each(json!("${inputs.yes}"), 2)]));
    assert_eq!((run.status(), run.failure("f").class), (RunStatus::Failed, FailureClass::Invalid));
    let run = Harness::start(workflow(vec![each(json!("${inputs.yes}"), 2).on_failure(OnFailure::Skip)]));
    assert_eq!(run.status(), RunStatus::Partial);
}

#[test]
fn computed_elements_need_no_call() {
    let run = Harness::start(workflow(vec![transform("f", "item * 10").over(json!([1, 2, 3]), 1)]));
    assert_eq!(run.value("f")["results"], json!([10, 20, 30]));
    assert_eq!((run.status(), run.appends), (RunStatus::Completed, 1));
}

#[test]
fn an_element_that_cannot_be_rendered_fails_alone() {
    let mut run =
        Harness::start(workflow(vec![noop_of("f", json!("${item.name}")).over(json!([{ "name": "a" }, {}, { "name": "c" }]), 1).allows_failures()]));
    run.done_item("f", 0);
    run.done_item("f", 2);
    assert_eq!(run.value("f")["results"], json!(["a", null, "c"]));
    assert_eq!(run.status(), RunStatus::Partial);
}

#[test]
fn an_element_in_its_pause_between_attempts_leaves_its_place_to_others() {
    let mut run = Harness::start(workflow(vec![each(json!([1, 2]), 1).tries(2)]));
    run.fails_item("f", 0, FailureClass::Transport);
    assert_eq!(run.open(), ["f/1/1/0"]);
    run.done_item("f", 1);
    run.pass(1_000);
    run.done_item("f", 0);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_fan_out_that_starts_anew_uses_no_call_id_twice() {
    let mut run = Harness::start(workflow(vec![noop("a").on_failure(OnFailure::Skip), each(json!([1, 2]), 5)]));
    run.fails("a", FailureClass::Refused);
    run.done_item("f", 0);
    run.done_item("f", 1);
    assert_eq!(run.status(), RunStatus::Partial);
    run.ok(retry(None));
    run.done("a");
    assert_eq!(run.open(), ["f/0/2/0", "f/1/2/0"]);
    run.done_item("f", 0);
    run.done_item("f", 1);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn many_become_one() {
    let gather = |aggregation: &str| step("g", "fan_in", json!({ "input": "${steps.f.results}", "aggregation": aggregation }));
    for (aggregation, wanted) in [("concat", json!("1\n2\n3")), ("list", json!([1, 2, 3])), ("sum", json!(6)), ("count", json!(3))] {
        let run = Harness::start(workflow(vec![transform("f", "item").over(json!([1, 2, 3]), 1), gather(aggregation)]));
        assert_eq!(run.value("g")["response"], wanted);
    }
    let run = Harness::start(workflow(vec![transform("f", "'x'").over(json!([1]), 1), gather("sum")]));
    assert_eq!(run.failure("g").class, FailureClass::Invalid);
}

#[test]
fn a_late_answer_to_an_element_that_has_ended_is_refused() {
    let mut run = Harness::start(workflow(vec![each(json!([1, 2]), 5)]));
    let call = run.call("f", 0);
    run.done_item("f", 0);
    let late = gorgon_core::command::Command::CompleteCall { call, outcome: Outcome::InDoubt { evidence: "late".to_owned() } };
    run.no(late);
    run.done_item("f", 1);
    assert_eq!(run.status(), RunStatus::Completed);
}
