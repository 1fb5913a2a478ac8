//! `workflow`: the steps of another file as steps of this run.

use gorgon_core::call::FailureClass;
use gorgon_core::definition::{Definition, InputSpec, InputType, Step};
use gorgon_core::run::{RunStatus, StepStatus};
use gorgon_core::step::sub_workflow::put_inside;
use serde_json::{Value, json};

use crate::build::{Say, approval, noop, noop_of, repeat, step, transform, workflow};
use crate::harness::{Harness, approve, retry};

fn input(ty: InputType, default: Option<Value>) -> InputSpec {
    InputSpec { ty, required: default.is_none(), default, description: String::new() }
}

/// A workflow with the inputs `what` and `n`, which gives `text`.
fn child(steps: Vec<Step>) -> Definition {
    let mut child = workflow(steps);
    child.inputs = [("what".to_owned(), input(InputType::String, None)), ("n".to_owned(), input(InputType::Integer, Some(json!(2))))].into();
    child.outputs = [("text".to_owned(), String::new())].into();
    child
}

fn with(id: &str, inputs: Value, child: Definition) -> Step {
    let mut step = step(id, "workflow", json!({ "workflow": "child.yaml", "inputs": inputs }));
    put_inside(&mut step, child).unwrap_or_else(|misfit| panic!("{misfit:?}"));
    step
}

fn gives(mut step: Step, outputs: &[&str]) -> Step {
    step.outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
    step
}

#[test]
fn steps_inside_see_what_is_given_and_one_another_and_nothing_else() {
    let inner = child(vec![gives(transform("a", "what ~ n ~ inputs.what"), &["text"]), gives(transform("b", "steps.a.text ~ '!'"), &["more"])]);
    // The steps around it have the same ids, outputs and inputs, and mean their own.
    let mut outer = workflow(vec![
        gives(transform("a", "'outer'"), &["text"]),
        with("sub", json!({ "what": "${steps.a.text}" }), inner),
        transform("c", "steps.sub.text ~ text ~ steps.a.text"),
    ]);
    outer.outputs.insert("text".to_owned(), String::new());
    let run = Harness::start(outer);
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!((&run.value("sub.a")["text"], &run.value("sub.b")["more"]), (&json!("outer2outer"), &json!("outer2outer!")));
    assert_eq!(run.value("sub"), json!({ "text": "outer2outer" }));
    assert_eq!(run.value("c")["result"], "outer2outerouterouter");
    assert_eq!(run.state.outputs.as_ref().unwrap().value(), json!({ "text": "outer" }), "the outputs of a run are those of its own steps");
}

#[test]
fn inputs_are_checked_when_it_opens() {
    let sub = |given: Value| with("sub", given, child(vec![gives(transform("a", "what ~ n"), &["text"])]));
    let run = Harness::start(workflow(vec![sub(json!({ "what": "${inputs.list}" }))]));
    assert_eq!((run.status(), run.failure("sub").class), (RunStatus::Failed, FailureClass::Invalid));
    assert!(run.failure("sub").message.contains("the input `what` of `sub` must be a string, but it is an array"), "{:?}", run.failure("sub"));
    let run = Harness::start(workflow(vec![sub(json!({ "what": "x", "n": 7 }))]));
    assert_eq!(run.value("sub")["text"], "x7");
}

#[test]
fn a_failure_inside_fails_it_and_a_retry_goes_on_inside() {
    let inner = child(vec![noop_of("a", json!("${what}")), gives(noop_of("b", json!("${what}")), &["text"])]);
    let mut run = Harness::start(workflow(vec![with("sub", json!({ "what": "x" }), inner), noop("after")]));
    assert_eq!(run.open(), ["sub.a/0/1/0"], "its steps run in the order of its file");
    run.done("sub.a");
    run.fails("sub.b", FailureClass::Refused);
    assert_eq!((run.status(), run.step("sub")), (RunStatus::Failed, StepStatus::Failed));
    run.crash();
    run.ok(retry(None));
    assert_eq!(run.open(), ["sub.b/0/2/0"]);
    run.done("sub.b");
    run.done("after");
    assert_eq!((run.status(), run.value("sub")), (RunStatus::Completed, json!({ "text": "x" })));
}

#[test]
fn approvals_halt_in_it_and_loops_go_round_it() {
    let inner = child(vec![approval("gate", "${what}?"), gives(transform("a", "what ~ n"), &["text"])]);
    let around = repeat("l", vec![with("sub", json!({ "what": "${item}", "n": "${index}" }), inner)]).param("for_each", json!(["x", "y"]));
    let mut run = Harness::start(workflow(vec![around]));
    for prompt in ["x?", "y?"] {
        assert_eq!((run.status(), run.pending()[0].prompt.as_str()), (RunStatus::Waiting, prompt));
        run.ok(approve("sub.gate", None, None));
    }
    assert_eq!((run.status(), &run.value("l")["results"]), (RunStatus::Completed, &json!(["x0", "y1"])));
}

#[test]
fn a_fork_keeps_what_was_given() {
    let inner = || child(vec![noop_of("a", json!("${what}")), gives(noop_of("b", json!("${what} ${steps.a.result}")), &["text"])]);
    let mut run = Harness::start(workflow(vec![with("sub", json!({ "what": "x" }), inner())]));
    run.done("sub.a");
    let (mut fork, kept) = crate::forks::at(&run, run.log.len());
    assert_eq!(kept.steps.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["sub.a"]);
    fork.done("sub.b");
    assert_eq!((fork.status(), fork.value("sub")), (RunStatus::Completed, json!({ "text": "x x" })));
}

#[test]
fn what_does_not_fit_is_no_step() {
    let misfit = |inputs: Value, outputs: &[&str]| {
        let mut step = gives(step("sub", "workflow", json!({ "workflow": "child.yaml", "inputs": inputs })), outputs);
        put_inside(&mut step, child(vec![noop("a")])).err().map(|(code, ..)| code.as_str())
    };
    for (inputs, outputs, code) in [
        (json!({ "what": "x" }), &["any"][..], None),
        (json!({ "what": "${inputs.list}" }), &["any"], None),
        (json!({ "what": 1 }), &["any"], Some("GOR0202")),
        (json!({ "what": "x" }), &["text", "text2"], Some("GOR0108")),
        (json!({}), &[], Some("GOR0201")),
        (json!({ "what": "x", "waht": 1 }), &[], Some("GOR0203")),
    ] {
        assert_eq!(misfit(inputs.clone(), outputs), code, "{inputs} {outputs:?}");
    }
}

#[test]
fn a_loop_inside_is_ordered_as_its_own_file_is() {
    use gorgon_core::definition::Order;
    for (own, outer, at_once) in [(Order::File, Order::EdgesOnly, 1), (Order::EdgesOnly, Order::File, 2)] {
        let mut inner = child(vec![repeat("l", vec![noop("x"), noop("y")]).param("count", json!(1))]);
        (inner.order, inner.outputs) = (own, Default::default());
        let mut around = workflow(vec![with("sub", json!({ "what": "x" }), inner)]);
        (around.order, around.concurrency) = (outer, 4);
        assert_eq!(Harness::start(around).open().len(), at_once, "{own:?}");
    }
}
