//! `loop`: steps one round after the other.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{Fallback, OnFailure, Step};
use gorgon_core::event::SkipReason;
use gorgon_core::plan::{self, Cost};
use gorgon_core::run::{RunStatus, StepStatus};
use gorgon_core::step::ModelChoice;
use serde_json::{Value, json};

use crate::build::{Say, agent, approval, noop, noop_of, parallel, program, repeat, shell, transform, workflow};
use crate::harness::{Harness, approve, cancel, prices, retry};

fn counted(count: u64, steps: Vec<Step>) -> Step {
    repeat("l", steps).param("count", json!(count))
}

#[test]
fn rounds_follow_one_another_and_so_do_the_steps_in_them() {
    let steps = vec![noop_of("a", json!("${index}")), noop_of("b", json!("${steps.a.result}${index}"))];
    let mut run = Harness::start(workflow(vec![counted(2, steps), noop("after")]));
    for round in 0..2 {
        assert_eq!(run.open(), [format!("a/0/{}/0", round + 1)]);
        run.done("a");
        assert_eq!(run.open(), [format!("b/0/{}/0", round + 1)]);
        assert_eq!(run.step("after"), StepStatus::Pending);
        run.done("b");
    }
    assert_eq!(run.step("l"), StepStatus::Succeeded);
    let value = run.value("l");
    assert_eq!(value["results"], json!(["00", "11"]));
    assert_eq!((&value["last"], &value["iterations"]), (&json!("11"), &json!(2)));
    assert_eq!(value["rounds"][0], json!({ "a": { "result": 0 }, "b": { "result": "00" } }));
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn each_element_has_its_round_and_its_names() {
    let inner = repeat("inner", vec![transform("t", "outer ~ item ~ index")]).param("for_each", json!(["x", "y"]));
    let over = repeat("l", vec![inner]).param("for_each", json!("${inputs.list}")).param("as", json!("outer"));
    let run = Harness::start(workflow(vec![over]));
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!(run.value("l")["results"], json!([["1x0", "1y1"], ["2x0", "2y1"], ["3x0", "3y1"]]));
    assert_eq!(run.value("inner")["results"], json!(["3x0", "3y1"]), "outside of it a step is what it was in the last round");
}

#[test]
fn a_fan_out_inside_has_elements_of_its_own() {
    let each = noop_of("f", json!("${item}")).over(json!("${steps.t.result}"), 5);
    let mut run = Harness::start(workflow(vec![counted(2, vec![transform("t", "[index, index + 10]"), each])]));
    for _ in 0..2 {
        run.done_item("f", 0);
        run.done_item("f", 1);
    }
    assert_eq!(run.value("l")["results"], json!([[0, 10], [1, 11]]));
}

#[test]
fn a_group_that_gives_what_its_last_step_gives_is_the_last_of_a_round_like_any() {
    let group = || parallel("g", vec![transform("t", "index"), transform("u", "index * 10").after(&["t"])]).param("gives", json!("last"));
    let run = Harness::start(workflow(vec![counted(2, vec![group()])]));
    assert_eq!(run.value("l")["results"], json!([0, 10]));
    let around = parallel("h", vec![group()]).param("gives", json!("last"));
    assert_eq!(Harness::start(workflow(vec![counted(2, vec![around])])).value("l")["results"], json!([0, 10]));
}

#[test]
fn conditions_are_judged_between_rounds_and_see_what_the_last_one_gave() {
    let grow = || vec![transform("add", "(previous.add.result | default('')) ~ 'a'")];
    let until = Harness::start(workflow(vec![repeat("l", grow()).param("until", json!("steps.add.result | length >= 3"))]));
    assert_eq!(until.value("l")["last"], "aaa");
    let until = repeat("l", grow()).param("while", json!("index < 2 and (previous.add.result | default('')) != 'aaaa'"));
    assert_eq!(Harness::start(workflow(vec![until])).value("l")["last"], "aa");
    let both = repeat("l", grow()).param("for_each", json!(["x", "y", "z"])).param("until", json!("item == 'z'"));
    assert_eq!(Harness::start(workflow(vec![both])).value("l")["last"], "aaa", "it was the last one whose element is `z`");
    let counted = repeat("l", grow()).param("count", json!(9)).param("until", json!("index == 1"));
    assert_eq!(Harness::start(workflow(vec![counted])).value("l")["last"], "aa");
}

#[test]
fn no_round_is_a_result_too() {
    for nothing in [
        counted(0, vec![noop("a")]),
        repeat("l", vec![noop("a")]).param("while", json!("1 > 2")),
        repeat("l", vec![noop("a")]).param("for_each", json!([])),
    ] {
        let mut run = Harness::start(workflow(vec![nothing, noop("after")]));
        assert_eq!((run.step("l"), run.step("a")), (StepStatus::Succeeded, StepStatus::Skipped));
        assert_eq!(run.state.steps[run.ix("a")].skipped, Some(SkipReason::NoRound));
        assert_eq!((&run.value("l")["results"], &run.value("l")["last"]), (&json!([]), &Value::Null));
        run.done("after");
        assert_eq!(run.status(), RunStatus::Completed);
    }
}

#[test]
fn a_loop_that_is_not_done_after_its_most_rounds_fails_or_stops() {
    let endless = || repeat("l", vec![transform("a", "index")]).param("while", json!("1 < 2"));
    let run = Harness::start(workflow(vec![endless()]));
    assert_eq!((run.status(), run.state.steps[0].rounds.as_ref().unwrap().ended.len()), (RunStatus::Failed, 10));
    assert!(run.failure("l").message.contains("after 10 rounds") && run.failure("l").message.contains("max_iterations"), "{:?}", run.failure("l"));
    let run = Harness::start(workflow(vec![endless().param("max_iterations", json!(3)).param("at_max", json!("stop"))]));
    assert_eq!((run.status(), &run.value("l")["results"]), (RunStatus::Completed, &json!([0, 1, 2])));
    let long = repeat("l", vec![transform("a", "index")]).param("for_each", json!("${inputs.list}")).param("max_iterations", json!(2));
    assert!(Harness::start(workflow(vec![long.clone()])).failure("l").message.contains("3 rounds"));
    let run = Harness::start(workflow(vec![long.param("at_max", json!("stop"))]));
    assert_eq!(run.value("l")["iterations"], 2);
}

#[test]
fn loops_in_one_another_have_so_many_rounds_together_and_no_more() {
    let inner = repeat("i", vec![transform("a", "1")]).param("count", json!(10_000));
    let run = Harness::start(workflow(vec![repeat("o", vec![inner]).param("count", json!(10_000))]));
    assert_eq!(run.status(), RunStatus::Failed);
    assert!(run.failure("i").message.contains("100000 rounds together"), "{:?}", run.failure("i"));
}

#[test]
fn what_cannot_be_judged_fails_the_loop_and_says_so() {
    for (name, value, says) in [
        ("while", json!("steps.a.result == 1"), "steps.a.result"),
        ("until", json!("steps.a.nothing"), "`until` of loop `l`"),
        ("for_each", json!("${inputs.yes}"), "not a list"),
        ("count", json!("${inputs.list}"), "whole number"),
    ] {
        let mut run = Harness::start(workflow(vec![repeat("l", vec![noop_of("a", json!("text"))]).param(name, value)]));
        if name == "until" {
            run.done("a");
        }
        assert_eq!((run.status(), run.step("l")), (RunStatus::Failed, StepStatus::Failed), "{name}");
        assert!(run.failure("l").message.contains(says), "{name}: {:?}", run.failure("l"));
    }
}

#[test]
fn a_failure_in_a_round_ends_the_loop_and_a_retry_goes_on_in_that_round() {
    let mut run = Harness::start(workflow(vec![counted(3, vec![noop("a"), noop("b")]), noop("after")]));
    run.done("a");
    run.done("b");
    run.done("a");
    run.fails("b", FailureClass::Refused);
    assert_eq!((run.status(), run.step("l")), (RunStatus::Failed, StepStatus::Failed));
    assert!(run.failure("l").message.contains("step `b` inside of it failed in round 2"), "{:?}", run.failure("l"));
    run.ok(retry(None));
    assert_eq!(run.open(), ["b/0/3/0"], "what succeeded is not done again, and no call id is used twice");
    run.done("b");
    run.done("a");
    run.done("b");
    assert_eq!((run.step("l"), &run.value("l")["iterations"]), (StepStatus::Succeeded, &json!(3)));
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_loop_that_failed_by_itself_starts_anew() {
    let mut run = Harness::start(workflow(vec![repeat("l", vec![noop("a")]).param("until", json!("1 > 2")).param("max_iterations", json!(2))]));
    run.done("a");
    run.done("a");
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/3/0"]);
}

#[test]
fn a_failure_that_is_tolerated_in_any_round_makes_the_run_partial() {
    let mut run = Harness::start(workflow(vec![counted(2, vec![noop("a").on_failure(OnFailure::Skip), noop("b").after(&[])])]));
    run.fails("a", FailureClass::Refused);
    run.done("b");
    run.done("a");
    run.done("b");
    assert_eq!(run.status(), RunStatus::Partial);
    let rounds = &run.state.steps[run.ix("l")].rounds.as_ref().unwrap().ended;
    assert_eq!((rounds[0].failures.len(), rounds[1].failures.len()), (1, 0), "and it is kept which, and in which round");
    assert_eq!(rounds[0].failures[0].step.as_str(), "a");
    assert!(!run.state.can_be_retried(), "a round that has ended is not opened again");
    assert!(run.no(retry(None)).message.contains("rounds of a loop that have ended"));
    let mut run = Harness::start(workflow(vec![counted(2, vec![noop_of("a", json!(1)), noop_of("b", json!(2)).on_failure(OnFailure::Skip)])]));
    run.done("a");
    run.fails("b", FailureClass::Refused);
    run.done("a");
    run.done("b");
    assert_eq!(run.value("l")["results"], json!([null, 2]), "and its place holds nothing of another step");
    let mut run = Harness::start(workflow(vec![counted(1, vec![noop("a")]).or_value(json!({ "results": [] }))]));
    run.fails("a", FailureClass::Refused);
    assert_eq!((run.step("l"), &run.value("l")["results"]), (StepStatus::Succeeded, &json!([])));
    assert!(matches!(
        workflow(vec![counted(1, vec![noop("a")]).or_step("x"), noop("x")]).steps[0].on_failure,
        OnFailure::Fallback(Fallback::Step(_))
    ));
}

#[test]
fn a_failure_that_was_tolerated_in_the_last_round_can_be_tried_again() {
    let mut run = Harness::start(workflow(vec![counted(2, vec![noop("a").on_failure(OnFailure::Skip), noop("b").after(&[])])]));
    run.done("a");
    run.done("b");
    run.fails("a", FailureClass::Refused);
    run.done("b");
    assert_eq!(run.status(), RunStatus::Partial);
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/3/0"]);
    run.done("a");
    assert_eq!((run.status(), &run.value("l")["iterations"]), (RunStatus::Completed, &json!(2)));
}

#[test]
fn a_fallback_inside_stands_in_in_each_round() {
    let mut run = Harness::start(workflow(vec![counted(
        2,
        vec![noop_of("a", json!("itself")).or_step("x"), noop_of("x", json!("instead")), noop_of("b", json!("${steps.a.result}"))],
    )]));
    run.fails("a", FailureClass::Refused);
    run.done("x");
    run.done("b");
    run.done("a");
    run.done("b");
    assert_eq!((run.status(), &run.value("l")["results"]), (RunStatus::Completed, &json!(["instead", "itself"])));
}

#[test]
fn an_approval_is_asked_in_each_round_and_is_another_question_each_time() {
    let mut run = Harness::start(workflow(vec![counted(2, vec![approval("gate", "go on?"), noop("a")])]));
    assert_eq!(run.status(), RunStatus::Waiting);
    let first = run.pending()[0].hash;
    run.ok(approve("gate", None, Some(first)));
    run.done("a");
    assert_eq!((run.status(), run.step("gate")), (RunStatus::Waiting, StepStatus::Waiting));
    run.no(approve("gate", None, Some(first)));
    run.ok(approve("gate", None, Some(run.pending()[0].hash)));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = Harness::start(workflow(vec![counted(2, vec![noop("a")]).asks("loop?")]));
    assert_eq!((run.status(), run.pending()[0].preview.clone()), (RunStatus::Waiting, json!({ "steps": ["a"] })));
    run.ok(approve("l", None, None));
    run.done("a");
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn groups_and_loops_stand_in_one_another() {
    let inside = parallel("p", vec![noop("a"), counted(2, vec![noop("b")])]);
    let mut run = Harness::start(workflow(vec![repeat("o", vec![inside]).param("count", json!(2))]));
    for _ in 0..2 {
        assert_eq!(run.open().len(), 2);
        run.done("b");
        run.done("a");
        run.done("b");
    }
    assert_eq!((run.status(), &run.value("o")["iterations"]), (RunStatus::Completed, &json!(2)));
}

#[test]
fn a_crash_goes_on_in_the_round_that_it_was_in() {
    let mut run = Harness::start(workflow(vec![counted(3, vec![shell("a", "true").param("x", json!(1)), noop("b")])]));
    run.done("a");
    run.done("b");
    run.crash();
    run.ok(crate::harness::resolve("a", gorgon_core::command::ResolveVerdict::Redo));
    assert_eq!(run.open(), ["a/0/2/0+1"]);
    run.done("a");
    run.done("b");
    run.done("a");
    run.done("b");
    assert_eq!((run.status(), &run.value("l")["iterations"]), (RunStatus::Completed, &json!(3)));
}

#[test]
fn a_cancel_ends_a_loop_between_its_steps() {
    let mut run = Harness::start(workflow(vec![counted(3, vec![noop("a")])]));
    run.done("a");
    run.ok(cancel());
    run.done("a");
    assert_eq!((run.status(), run.step("l")), (RunStatus::Cancelled, StepStatus::Cancelled));
}

#[test]
fn a_plan_counts_the_rounds() {
    let cost = |step: Step| -> Cost {
        let program = program(workflow(vec![step]));
        let inputs = [("list".to_owned(), json!([1, 2, 3])), ("n".to_owned(), json!(4))].into();
        plan::cost(&program, &inputs, &ModelChoice::default(), &prices())
    };
    let asks = || vec![agent("a", "say").param("max_tokens", json!(100))];
    let once = cost(repeat("l", asks()).param("count", json!(1)));
    let one = once.upper.unwrap();
    assert_eq!(once.lower.calls, 1);
    for (step, rounds, least) in [
        (repeat("l", asks()).param("count", json!(5)), 5, 5),
        (repeat("l", asks()).param("count", json!(5)).param("while", json!("1 < 2")), 5, 0),
        (repeat("l", asks()).param("count", json!(5)).param("until", json!("1 < 2")), 5, 1),
        (repeat("l", asks()).param("for_each", json!("${inputs.list}")), 3, 3),
        (repeat("l", asks()).param("while", json!("1 < 2")), 10, 0),
        (repeat("l", asks()).param("until", json!("1 < 2")).param("max_iterations", json!(7)), 7, 1),
        (repeat("l", asks()).param("count", json!(0)), 0, 0),
        (repeat("l", vec![repeat("m", asks()).param("count", json!(2))]).param("count", json!(3)), 6, 6),
        // A default is not what it is in the end.
        (repeat("l", asks()).param("for_each", json!("${env.LIST | default([])}")).param("max_iterations", json!(8)), 8, 0),
        (repeat("l", asks()).param("count", json!("${env.N | default(7)}")).param("max_iterations", json!(8)), 8, 0),
    ] {
        let cost = cost(step);
        assert_eq!(cost.upper.map(|upper| upper.calls), Some(one.calls * rounds), "{rounds}");
        assert_eq!(cost.lower.calls, least, "{rounds}");
    }
}
