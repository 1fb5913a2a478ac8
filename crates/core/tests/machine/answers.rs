//! What becomes of an answer: it holds, is asked for again, or fails its step.

use gorgon_core::call::{Failure, FailureClass, Metering, Outcome, Part, Request};
use gorgon_core::definition::Step;
use gorgon_core::run::RunStatus;
use serde_json::{Value, json};

use crate::build::{Say, agent, workflow};
use crate::conversations::{answered, due, gave, model, results, says, wants, worker};
use crate::harness::Harness;

fn scorer() -> Step {
    let schema = json!({"type": "object", "required": ["score"], "properties": {"score": {"type": "integer"}}});
    agent("a", "score it").param("output_schema", schema).param("rules", json!(["output.score > 3"]))
}

#[test]
fn an_answer_that_does_not_hold_is_asked_for_again_with_what_is_wrong_and_nothing_else() {
    let mut run = Harness::start(workflow(vec![scorer()]));
    assert_eq!(model(&run).answer.expect("a schema").schema["required"], json!(["score"]));
    run.settle("a", 0, says("seven"));
    let again = model(&run);
    assert_eq!(again.messages.len(), 2, "the answer, and what is wrong with it");
    run.settle("a", 0, says("{\"score\": 2}"));
    let again = model(&run);
    let Part::Text(told) = &again.messages.last().expect("a message").parts[0] else { panic!("no text") };
    assert!(told.contains("`output.score > 3` does not hold") && !told.contains("score it"), "{told}");
    run.settle("a", 0, says("```json\n{\"score\": \"7\",}\n```"));
    assert_eq!(run.status(), RunStatus::Completed);
    let value = run.value("a");
    assert_eq!((&value["score"], &value["value"], &value["turns"]), (&json!(7), &json!({"score": 7}), &json!(3)));
    assert_eq!(value["mends"].as_array().map(Vec::len), Some(2), "{value}");
    assert_eq!(run.state.charged.calls, 3, "each answer has its cost");
}

#[test]
fn no_key_of_an_answer_takes_the_place_of_what_is_known_of_it() {
    let keys = ["response", "model", "finish_reason", "turns", "value", "mends"];
    let answer = json!({"response": 1, "model": 1, "finish_reason": 1, "turns": 9, "value": 1, "mends": 1, "score": 7});
    let mut run = Harness::start(workflow(vec![agent("a", "score it").param("output_schema", json!({"type": "object"}))]));
    run.settle("a", 0, says(&answer.to_string()));
    let value = run.value("a");
    assert_eq!(keys.map(|key| &value[key]), [&json!(answer.to_string()), &json!("m"), &json!("stop"), &json!(1), &answer, &json!([])]);
    assert_eq!(value["score"], 7);
}

/// What the script of a rule gives.
fn verdict(value: Value) -> Outcome {
    gave(value)
}

fn judged() -> Step {
    let schema = json!({"type": "object", "required": ["score"]});
    let rules = json!(["script: -- rules/high.lua\nreturn output.score > 3", "output.score > 0", "script: return true"]);
    agent("a", "score it").param("output_schema", schema).param("rules", rules)
}

#[test]
fn scripts_judge_an_answer_that_holds_otherwise_and_each_is_a_call() {
    let mut run = Harness::start(workflow(vec![judged()]));
    run.settle("a", 0, says("{\"score\": 2}"));
    let Request::Script(script) = due(&run) else { panic!("no script is asked") };
    assert_eq!((script.source.as_str(), &script.inputs["output"]), ("-- rules/high.lua\nreturn output.score > 3", &json!({"score": 2})));
    run.crash();
    assert_eq!(run.open(), ["a/0/1/1+1"], "it does no harm a second time");
    run.settle("a", 0, verdict(json!({"valid": false, "message": "too low"})));
    run.settle("a", 0, verdict(json!(true)));
    let again = model(&run);
    let Part::Text(told) = &again.messages.last().expect("a message").parts[0] else { panic!("no text") };
    assert!(told.contains("too low") && !told.contains("score it"), "{told}");
    run.settle("a", 0, says("{\"score\": 7}"));
    run.settle("a", 0, verdict(json!({"result": true})));
    run.settle("a", 0, verdict(json!(true)));
    assert_eq!((run.status(), &run.value("a")["score"]), (RunStatus::Completed, &json!(7)));
    assert_eq!(run.state.charged.calls, 2, "only answers cost");
}

#[test]
fn scripts_cannot_make_a_model_be_asked_for_ever_and_must_say_something() {
    let mut run = Harness::start(workflow(vec![judged()]));
    for _ in 0..3 {
        run.settle("a", 0, says("{\"score\": 2}"));
        run.settle("a", 0, verdict(json!(false)));
        run.settle("a", 0, verdict(json!(true)));
    }
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Refused));
    assert!(run.failure("a").message.contains("`rules/high.lua` does not hold"), "{:?}", run.failure("a"));
    for said in [json!(null), json!("yes"), json!({"ok": true}), json!(1)] {
        let mut run = Harness::start(workflow(vec![judged()]));
        run.settle("a", 0, says("{\"score\": 2}"));
        run.settle("a", 0, verdict(said.clone()));
        assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Invalid), "{said}");
    }
    let mut run = Harness::start(workflow(vec![judged()]));
    run.settle("a", 0, says("{\"score\": 2}"));
    run.settle("a", 0, Outcome::Failed { failure: Failure::new(FailureClass::Refused, "attempt to index nil"), metering: Metering::None });
    assert!(run.failure("a").message.contains("`rules/high.lua` cannot be judged: attempt to index nil"), "{:?}", run.failure("a"));
}

#[test]
fn a_tool_called_script_is_no_verdict() {
    let step = judged().param("tools", json!(["script"]));
    let mut run = Harness::start(workflow(vec![step]));
    run.settle("a", 0, wants(&[("t", "script", r#"{"script":"return 1"}"#)]));
    run.settle("a", 0, gave(json!(1)));
    assert_eq!(results(&run)[0].0, "t");
    for _ in 0..2 {
        run.settle("a", 0, says("{\"score\": 2}"));
        run.settle("a", 0, verdict(json!(false)));
        run.settle("a", 0, verdict(json!(true)));
    }
    run.settle("a", 0, says("{\"score\": 4}"));
    run.settle("a", 0, verdict(json!(true)));
    run.settle("a", 0, verdict(json!(true)));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn one_that_never_holds_fails_after_so_many_questions() {
    for (reasks, calls) in [(0, 1), (1, 2), (2, 3)] {
        let mut run = Harness::start(workflow(vec![scorer().param("max_reasks", json!(reasks))]));
        for _ in 0..calls {
            run.settle("a", 0, says("no"));
        }
        assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Refused), "{reasks}");
        assert_eq!((run.state.charged.calls, run.failure("a").detail.as_deref()), (calls, Some("no")));
        assert_eq!(run.state.steps[run.ix("a")].items[0].attempt, 1, "no attempt from the beginning");
    }
}

#[test]
fn an_answer_that_was_cut_off_is_not_asked_for_again() {
    let mut run = Harness::start(workflow(vec![scorer()]));
    run.settle("a", 0, answered(json!({ "text": "{\"score\": 9", "model": "m", "finish_reason": "length" })));
    assert_eq!(run.status(), RunStatus::Failed);
    assert!(run.failure("a").message.contains("`max_tokens`"), "{:?}", run.failure("a"));
}

#[test]
fn a_call_that_was_cut_off_is_neither_made_nor_passed_over() {
    let call = json!({ "tool_call": { "id": "t1", "name": "shell", "arguments": "{\"command\": \"rm" } });
    let cut = |reason: &str, parts: &Value| answered(json!({ "text": "Now it goes.", "model": "m", "finish_reason": reason, "parts": parts }));
    for (reason, why) in [("length", "`max_tokens` were used up"), ("model_context_window_exceeded", "context window was full")] {
        for parts in [json!([call]), json!([{ "text": "Now it goes." }, call]), json!([call, call])] {
            let mut run = Harness::start(workflow(vec![worker()]));
            run.settle("a", 0, cut(reason, &parts));
            let failure = run.failure("a");
            assert_eq!((run.status(), run.open().len()), (RunStatus::Failed, 0), "{reason} {parts}");
            assert!(failure.message.contains("within its call of `shell`, which was not made") && failure.message.contains(why), "{failure:?}");
        }
    }
}

#[test]
fn several_outputs_are_keys_of_the_answer() {
    let mut run = Harness::start(workflow(vec![agent("a", "do it").gives(&["title", "body", "model"])]));
    let asked = model(&run);
    assert!(asked.answer.is_none() && asked.system.expect("instructions").contains("\"title\", \"body\""));
    run.settle("a", 0, says("{\"title\": \"T\"}"));
    run.settle("a", 0, says("{\"title\": \"T\", \"body\": [1]}"));
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!((&run.value("a")["title"], &run.value("a")["body"], &run.value("a")["model"]), (&json!("T"), &json!([1]), &json!("m")));
}
