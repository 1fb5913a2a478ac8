//! Who is asked where who was asked before fails.

use gorgon_core::call::{Failure, FailureClass, Metering, ModelRequest, Outcome, Request};
use gorgon_core::definition::{OnFailure, Step};
use gorgon_core::plan;
use gorgon_core::run::RunStatus;
use gorgon_core::step::ModelChoice;
use serde_json::json;

use crate::build::{Say, agent, program, workflow};
use crate::conversations::{gave, says, wants};
use crate::harness::{Harness, prices};

fn asks() -> Step {
    agent("a", "say").param("tools", json!(["files"])).param("fallbacks", json!(["spare/m", "last/big/m"]))
}

fn fails(class: FailureClass) -> Outcome {
    Outcome::Failed { failure: Failure::new(class, "it broke"), metering: Metering::None }
}

fn asked(run: &Harness) -> ModelRequest {
    let calls: Vec<_> = run.state.due().collect();
    let [call] = calls.as_slice() else { panic!("not one call: {:?}", run.open()) };
    let Request::Model(request) = Request::clone(&run.state.whole_request(call)) else { panic!("no model is asked") };
    request
}

fn who(run: &Harness) -> (String, String) {
    let request = asked(run);
    (request.provider, request.model)
}

fn pair(provider: &str, model: &str) -> (String, String) {
    (provider.to_owned(), model.to_owned())
}

#[test]
fn the_next_one_is_asked_when_the_retries_are_used_up() {
    let mut run = Harness::start(workflow(vec![asks()]));
    for _ in 0..3 {
        assert_eq!(who(&run), pair("lab", "m"));
        run.settle("a", 0, fails(FailureClass::Overloaded));
        run.pass(60_000);
    }
    assert_eq!(who(&run), pair("spare", "m"), "at once: there is nothing to wait for");
    run.crash();
    assert_eq!(who(&run), pair("spare", "m"));
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed, "and with nothing left out");
}

#[test]
fn what_no_retry_cures_is_asked_of_the_next_one_at_once_and_the_last_failure_is_the_steps() {
    let mut run = Harness::start(workflow(vec![asks()]));
    run.settle("a", 0, fails(FailureClass::Denied));
    assert_eq!(who(&run), pair("spare", "m"));
    run.settle("a", 0, fails(FailureClass::Denied));
    assert_eq!(who(&run), pair("last", "big/m"));
    run.settle("a", 0, fails(FailureClass::Denied));
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Denied));
}

#[test]
fn what_makes_no_sense_is_asked_of_nobody_else() {
    for class in [FailureClass::Invalid, FailureClass::Budget, FailureClass::Rejected] {
        let mut run = Harness::start(workflow(vec![asks()]));
        run.settle("a", 0, fails(class));
        assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, class));
    }
}

#[test]
fn a_conversation_goes_on_with_the_next_one_where_it_was() {
    let mut run = Harness::start(workflow(vec![asks()]));
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#)]));
    run.settle("a", 0, gave(json!({ "content": "text" })));
    let before = asked(&run);
    for _ in 0..3 {
        assert_eq!(who(&run), pair("lab", "m"));
        run.settle("a", 0, fails(FailureClass::Transport));
        run.pass(60_000);
    }
    assert_eq!(asked(&run), ModelRequest { provider: "spare".to_owned(), ..before }, "the same conversation, and no turn of it is paid for again");
    // Its own failures count anew.
    for _ in 0..2 {
        run.settle("a", 0, fails(FailureClass::Transport));
        run.pass(60_000);
        assert_eq!(who(&run), pair("spare", "m"));
    }
    run.crash();
    run.settle("a", 0, fails(FailureClass::Transport));
    assert_eq!(who(&run), pair("last", "big/m"));
    run.settle("a", 0, wants(&[("t2", "files_read", r#"{"path":"y"}"#)]));
    run.settle("a", 0, gave(json!({ "content": "more" })));
    assert_eq!(who(&run), pair("last", "big/m"), "who answered goes on");
    let (fork, _) = crate::forks::at(&run, run.log.len());
    assert_eq!(who(&fork), pair("last", "big/m"), "in a fork as well");
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_answer_that_does_not_hold_is_no_reason_to_ask_another_one() {
    let schema = json!({ "type": "object", "required": ["x"] });
    let mut run = Harness::start(workflow(vec![agent("a", "say").param("fallbacks", json!(["spare/m"])).param("output_schema", schema)]));
    for _ in 0..3 {
        assert_eq!(who(&run).0, "lab");
        run.settle("a", 0, says("prose"));
    }
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Refused));
}

#[test]
fn elements_of_a_fan_out_hop_by_themselves_and_fallbacks_of_the_step_come_after() {
    let each = agent("a", "say ${item}").param("fallbacks", json!(["spare/m"])).over(json!([1, 2]), 2);
    let mut run = Harness::start(workflow(vec![each]));
    run.settle("a", 0, fails(FailureClass::Denied));
    let providers: Vec<String> =
        run.state.open.values().map(|call| if let Request::Model(model) = &*call.request { model.provider.clone() } else { String::new() }).collect();
    assert_eq!(providers, ["spare", "lab"]);
    run.settle("a", 0, says("one"));
    run.settle("a", 1, says("two"));
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = Harness::start(workflow(vec![agent("a", "say").param("fallbacks", json!(["spare/m"])).on_failure(OnFailure::Skip)]));
    run.settle("a", 0, fails(FailureClass::Denied));
    run.settle("a", 0, fails(FailureClass::Denied));
    assert_eq!(run.status(), RunStatus::Partial);
}

#[test]
fn whoever_says_who_answers_means_it_and_a_plan_knows_all_of_them() {
    let mut run = Harness::start_with(workflow(vec![asks()]), |_, created| created.start.models.provider_override = Some("lab".to_owned()));
    run.settle("a", 0, fails(FailureClass::Denied));
    assert_eq!(run.status(), RunStatus::Failed);
    let cost = |fallbacks: serde_json::Value| {
        let step = agent("a", "say").param("max_tokens", json!(100)).param("fallbacks", fallbacks);
        plan::cost(&program(workflow(vec![step])), &[].into(), &ModelChoice::default(), &prices())
    };
    let (none, one) = (cost(json!([])), cost(json!(["spare/m"])));
    assert_eq!(one.upper.unwrap().calls, 2 * none.upper.unwrap().calls);
    assert_eq!(one.lower, none.lower, "one of them answers");
    assert_eq!(cost(json!(["spare/unknown"])).unpriced.len(), 1);
}
