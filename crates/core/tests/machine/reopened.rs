//! A failed run is opened again: what succeeded stays.

use gorgon_core::call::{FailureClass, ModelRequest, Request};
use gorgon_core::command::{Command, ResolveVerdict};
use gorgon_core::definition::{OnFailure, Step};
use gorgon_core::diagnostic::Code;
use gorgon_core::event::Event;
use gorgon_core::ids::StepId;
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, agent, noop, noop_of, parallel, repeat, wait, workflow};
use crate::conversations::{busy, gave, model, results, says, wants, worker};
use crate::harness::{Harness, resolve, retry, send};

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
    assert_eq!(repeated(&run, None), ["b", "c"]);
    run.ok(retry(None));
    assert_eq!(run.state.repeated_by_retry(None), []);
    assert_eq!((run.open(), run.step("b"), run.step("d")), (vec!["a/0/2/0".to_owned()], StepStatus::Pending, StepStatus::Succeeded));
    run.done("a");
    run.done("b");
    run.done("c");
    assert_eq!((run.status(), run.value("c")["result"].clone()), (RunStatus::Completed, json!(1)));
}

fn repeated<'r>(run: &'r Harness, step: Option<&str>) -> Vec<&'r str> {
    let again = run.state.repeated_by_retry(step.map(StepId::from).as_ref());
    again.iter().map(|step| run.state.program.nodes[run.ix(step.as_str())].step.id.as_str()).collect()
}

#[test]
fn a_retry_of_one_step_repeats_what_ran_on_past_that_one() {
    let skips = |id: &str| noop(id).after(&[]).tries(1).on_failure(OnFailure::Skip);
    let group = parallel("g", vec![noop("x").tries(1), noop("y")]).after(&[]).on_failure(OnFailure::Skip);
    let steps = vec![skips("a"), noop("after_a").after(&["a"]), skips("b"), noop("after_b").after(&["b"]), group, noop("after_g").after(&["g"])];
    let mut run = Harness::start(workflow(steps));
    ["a", "b", "x"].into_iter().for_each(|step| drop(run.fails(step, FailureClass::Refused)));
    ["y", "after_a", "after_b", "after_g"].into_iter().for_each(|step| drop(run.done(step)));
    let names =
        [(Some("a"), vec!["after_a"]), (Some("b"), vec!["after_b"]), (Some("x"), vec!["after_g"]), (Some("g"), vec!["after_g"]), (Some("?"), vec![])];
    for (step, again) in names.into_iter().chain([(None, vec!["after_a", "after_b", "after_g"])]) {
        assert_eq!(repeated(&run, step), again, "{step:?}");
    }
    run.ok(retry(Some("b")));
    assert_eq!((run.open(), run.step("after_a"), run.step("after_b")), (vec!["b/0/2/0".to_owned()], StepStatus::Succeeded, StepStatus::Pending));
}

#[test]
fn what_had_succeeded_in_part_behind_a_failure_is_named_as_well() {
    let first = || noop("first").tries(1).on_failure(OnFailure::Skip);
    let behind = [
        worker().after(&["first"]),
        noop("a").tries(1).over(json!([1, 2]), 1).after(&["first"]),
        repeat("l", vec![noop("a").tries(1)]).param("count", json!(2)).after(&["first"]),
    ];
    for step in behind {
        let name = step.id.clone();
        let mut run = Harness::start(workflow(vec![first(), step]));
        run.fails("first", FailureClass::Refused);
        if run.state.open.values().any(|call| matches!(*call.request, Request::Model(_))) {
            run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
            run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
            run.fails("a", FailureClass::Refused);
        } else {
            run.done_item("a", 0);
            let item = run.state.open.keys().next().unwrap().item;
            run.fails_item("a", item, FailureClass::Refused);
        }
        assert_eq!((run.status(), repeated(&run, None)), (RunStatus::Failed, vec![name.as_str()]));
        // On its own, the same failure repeats nothing: what succeeded is gone on with.
        if name.as_str() == "a" {
            assert!(repeated(&run, Some("a")).is_empty());
        }
    }
}

#[test]
fn an_element_that_begins_anew_is_named_by_its_fan_out() {
    let asks = || agent("a", "say ${item}").param("output_schema", json!({ "type": "object", "required": ["n"] })).param("max_reasks", json!(0));
    let mut run = Harness::start(workflow(vec![asks().over(json!([1, 2]), 2)]));
    run.settle("a", 0, says("{\"n\": 1}"));
    run.settle("a", 1, says("{}"));
    assert_eq!((run.status(), repeated(&run, None), repeated(&run, Some("a"))), (RunStatus::Failed, vec!["a"], vec!["a"]));
    let mut run = Harness::start(workflow(vec![asks().over(json!([1, 2]), 2).tries(1)]));
    run.settle("a", 0, says("{\"n\": 1}"));
    run.fails_item("a", 1, FailureClass::Refused);
    assert!(repeated(&run, None).is_empty(), "nothing had succeeded of what failed");
}

#[test]
fn the_time_of_a_step_counts_anew_when_its_conversation_is_opened_again() {
    for step in [worker(), worker().over(json!([1]), 1)] {
        let mut run = Harness::start(workflow(vec![Step { total_timeout_ms: Some(10_000), ..step }]));
        run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
        run.pass(8_000);
        run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
        let timeout = |run: &Harness| run.state.open.values().next().unwrap().timeout_ms;
        assert_eq!(timeout(&run), 2_000);
        run.fails("a", FailureClass::Refused);
        run.pass(50_000);
        run.ok(retry(None));
        assert_eq!((timeout(&run), run.open()), (10_000, vec!["a/0/1/4".to_owned()]));
        // What is wrong with a call of it, and tried again, is tried within the time that is left.
        run.pass(4_000);
        run.settle("a", 0, wants(&[("t2", "shell", r#"{"command":"ls"}"#)]));
        assert_eq!(timeout(&run), 6_000);
    }
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

/// A run whose agent failed in its third turn, and what its request said.
fn failed_in_the_third_turn(mut step: Step) -> (Harness, ModelRequest) {
    step.retry.max_attempts = Some(1);
    let mut run = Harness::start(workflow(vec![step]));
    for turn in 0..2 {
        run.settle("a", 0, wants(&[(&format!("t{turn}"), "shell", r#"{"command":"ls"}"#)]));
        run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
    }
    let asked = model(&run);
    run.settle("a", 0, busy());
    assert_eq!(run.status(), RunStatus::Failed);
    (run, asked)
}

#[test]
fn a_retry_of_a_failed_conversation_goes_on_in_the_turn_that_failed() {
    let (mut run, asked) = failed_in_the_third_turn(worker());
    let paid = run.state.charged;
    let events = run.ok(retry(None));
    assert!(events.iter().all(|event| !matches!(event, Event::AttemptStarted { .. })), "{events:?}");
    assert_eq!((model(&run).messages, run.open(), run.state.charged), (asked.messages.clone(), vec!["a/0/1/6".to_owned()], paid));
    run.crash();
    assert_eq!(model(&run).messages, asked.messages);
    // It has all its attempts again, and no more.
    run.settle("a", 0, busy());
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(Some("a")));
    run.settle("a", 0, says("done"));
    assert_eq!((run.status(), &run.value("a")["turns"]), (RunStatus::Completed, &json!(3)));
}

#[test]
fn a_fork_of_a_conversation_that_was_opened_again_says_the_same_words() {
    for step in [worker(), worker().over(json!([1]), 1)] {
        let (mut run, _) = failed_in_the_third_turn(step);
        run.ok(retry(None));
        // Asked in the turn that was opened again, and in the one after it.
        for turn in 0..2 {
            let (fork, _) = crate::forks::at(&run, run.log.len());
            assert_eq!((model(&fork).messages, fork.open()), (model(&run).messages, run.open()), "turn {turn}");
            // So says a fork of the fork.
            let (second, _) = crate::forks::at(&fork, fork.log.len());
            assert_eq!((model(&second).messages, second.open()), (model(&run).messages, run.open()), "turn {turn}, again");
            run.settle("a", 0, wants(&[("again", "shell", r#"{"command":"ls"}"#)]));
            run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
        }
        let (mut fork, _) = crate::forks::at(&run, run.log.len());
        fork.settle("a", 0, says("done"));
        assert_eq!((fork.status(), fork.state.charged.calls), (RunStatus::Completed, 1));
    }
}

#[test]
fn an_element_of_a_fan_out_goes_on_in_its_conversation_as_well() {
    let (mut run, asked) = failed_in_the_third_turn(worker().over(json!([1]), 1));
    run.ok(retry(None));
    assert_eq!((model(&run).messages, run.open()), (asked.messages, vec!["a/0/1/6".to_owned()]));
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_retry_gives_a_conversation_its_turns_and_tokens_again() {
    for (limit, word) in [("max_turns", 2), ("max_total_tokens", 30)] {
        let mut run = Harness::start(workflow(vec![worker().param(limit, json!(word))]));
        let mut ends = 0;
        for turn in 0..4 {
            run.settle("a", 0, wants(&[(&format!("t{turn}"), "shell", r#"{"command":"ls"}"#)]));
            run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
            if run.status() == RunStatus::Failed {
                ends += 1;
                run.ok(retry(None));
            }
        }
        assert_eq!(ends, 2, "{limit}");
        run.settle("a", 0, says("done"));
        assert_eq!((run.status(), &run.value("a")["turns"]), (RunStatus::Completed, &json!(5)), "{limit}");
    }
}

#[test]
fn an_answer_that_was_judged_wrong_for_good_leaves_nothing_to_go_on_with() {
    let step = agent("a", "say").param("output_schema", json!({ "type": "object", "required": ["n"] })).param("max_reasks", json!(0));
    let mut run = Harness::start(workflow(vec![step]));
    run.settle("a", 0, says("{}"));
    assert_eq!((run.status(), repeated(&run, None)), (RunStatus::Failed, vec!["a"]));
    run.ok(retry(None));
    assert_eq!((model(&run).messages.len(), run.open()), (0, vec!["a/0/2/0".to_owned()]));
}

#[test]
fn a_conversation_that_was_stopped_with_its_run_goes_on_with_it() {
    let mut definition = workflow(vec![worker()]);
    definition.timeout_ms = Some(1_000);
    let mut run = Harness::start(definition);
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
    run.pass(1_000);
    run.fails("a", FailureClass::Cancelled);
    assert_eq!((run.status(), run.step("a")), (RunStatus::Failed, StepStatus::Cancelled));
    run.ok(retry(None));
    // The model hears that its tool was stopped.
    assert_eq!((model(&run).messages.len(), run.open()), (2, vec!["a/0/1/3".to_owned()]));
    assert!(results(&run)[0].2);
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_fork_of_a_conversation_whose_doubt_was_left_open_says_the_same_words() {
    let mut definition = workflow(vec![worker()]);
    definition.timeout_ms = Some(1_000);
    let mut run = Harness::start(definition);
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
    run.pass(1_000);
    run.crash();
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(None));
    assert_eq!(run.step("a"), StepStatus::InDoubt);
    run.ok(resolve("a", ResolveVerdict::Done(Some(json!({ "stdout": "x", "stderr": "", "exit_code": 0, "truncated": false })))));
    let (fork, _) = crate::forks::at(&run, run.log.len());
    assert_eq!((model(&fork).messages, fork.open()), (model(&run).messages, run.open()));
}
