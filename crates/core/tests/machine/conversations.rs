//! Agents with tools: each turn and each tool is a call of its own, settled once.

use gorgon_core::call::{Failure, FailureClass, Message, Metering, ModelRequest, Outcome, Part, Request, Speaker};
use gorgon_core::command::ResolveVerdict;
use gorgon_core::definition::{EffectClass, Step};
use gorgon_core::event::Event;
use gorgon_core::payload::Payload;
use gorgon_core::run::{RunStatus, StepStatus, WaitingFor};
use serde_json::{Value, json};

use crate::build::{Say, agent, transform, workflow};
use crate::harness::{Harness, resolve, used};

pub(crate) fn worker() -> Step {
    agent("a", "do it").param("tools", json!(["files", "shell"]))
}

/// An answer that asks for tools: id, name, arguments.
pub(crate) fn wants(tools: &[(&str, &str, &str)]) -> Outcome {
    let parts: Vec<Value> =
        tools.iter().map(|(id, name, arguments)| json!({ "tool_call": { "id": id, "name": name, "arguments": arguments } })).collect();
    answered(json!({ "text": "", "model": "m", "finish_reason": "tool_calls", "parts": parts }))
}

pub(crate) fn says(text: &str) -> Outcome {
    answered(json!({ "text": text, "model": "m", "finish_reason": "stop" }))
}

pub(crate) fn answered(value: Value) -> Outcome {
    Outcome::Succeeded { value: Payload::of(&value), metering: Metering::Reported(used(10, 5)) }
}

pub(crate) fn gave(value: Value) -> Outcome {
    Outcome::Succeeded { value: Payload::of(&value), metering: Metering::None }
}

pub(crate) fn busy() -> Outcome {
    Outcome::Failed { failure: Failure::new(FailureClass::Overloaded, "busy"), metering: Metering::None }
}

/// The only call that is due, whole.
pub(crate) fn due(run: &Harness) -> Request {
    let calls: Vec<_> = run.state.due().collect();
    let [call] = calls.as_slice() else { panic!("not one call: {:?}", run.open()) };
    Request::clone(&run.state.whole_request(call))
}

pub(crate) fn model(run: &Harness) -> ModelRequest {
    let Request::Model(request) = due(run) else { panic!("no model is asked: {:?}", run.open()) };
    request
}

pub(crate) fn results(run: &Harness) -> Vec<(String, String, bool)> {
    let request = model(run);
    let last = request.messages.last().expect("a message").clone();
    assert_eq!(last.by, Speaker::User);
    last.parts
        .iter()
        .map(|part| match part {
            Part::ToolResult { id, content, is_error, .. } => (id.clone(), content.clone(), *is_error),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_conversation_is_one_call_after_the_other_and_each_request_holds_all_that_was_said() {
    let mut run = Harness::start(workflow(vec![worker()]));
    let opening = model(&run);
    assert_eq!((opening.prompt.as_str(), opening.messages.len(), opening.follows), ("do it", 0, false));
    let names: Vec<&str> = opening.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["files_append", "files_glob", "files_list", "files_read", "files_write", "shell"]);
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#), ("t2", "shell", r#"{"command":"ls"}"#)]));
    assert!(matches!(due(&run), Request::File(_)), "{:?}", due(&run));
    assert_eq!(run.open(), ["a/0/1/1"]);
    run.settle("a", 0, gave(json!({ "content": "the text" })));
    let Request::Process(process) = due(&run) else { panic!("{:?}", due(&run)) };
    assert_eq!(process.argv, ["/bin/sh", "-c", "ls"]);
    run.settle("a", 0, gave(json!({ "exit_code": 1, "stdout": "no\n", "stderr": "", "truncated": false })));
    let found = results(&run);
    assert_eq!(found[0], ("t1".to_owned(), "the text".to_owned(), false));
    assert_eq!((found[1].0.as_str(), found[1].2), ("t2", false));
    assert!(found[1].1.contains("\"exit_code\":1"), "{found:?}");
    run.settle("a", 0, wants(&[("t3", "files_list", r#"{"path":"."}"#)]));
    run.settle("a", 0, gave(json!({ "entries": [] })));
    let third = model(&run);
    assert_eq!(third.prompt, "do it");
    assert_eq!(third.tools, opening.tools);
    let by: Vec<Speaker> = third.messages.iter().map(|message| message.by).collect();
    assert_eq!(by, [Speaker::Model, Speaker::User, Speaker::Model, Speaker::User]);
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!((&run.value("a")["response"], &run.value("a")["turns"]), (&json!("done"), &json!(3)));
}

#[test]
fn the_log_holds_what_is_new_of_each_turn_and_nothing_twice() {
    let mut run = Harness::start(workflow(vec![worker().param("max_turns", json!(300))]));
    let said = "word ".repeat(40);
    for turn in 0..200 {
        let id = format!("t{turn}");
        let ask = answered(json!({
            "text": said, "model": "m", "finish_reason": "tool_calls",
            "parts": [{ "text": said }, { "tool_call": { "id": id, "name": "files_read", "arguments": "{\"path\":\"x\"}" } }],
        }));
        run.settle("a", 0, ask);
        run.settle("a", 0, gave(json!({ "content": said })));
    }
    assert_eq!(model(&run).messages.len(), 400);
    let first = said.len() * 200;
    let stored: usize = run.log.iter().map(|(_, event)| serde_json::to_string(event).expect("JSON").len()).sum();
    // Twice what the model said (as text and as a part), and the result as the tool gave it and as the model saw it.
    assert!(stored < 4 * first + 200 * 1_600, "{stored} bytes for 400 texts of {} bytes", said.len());
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_crash_in_a_later_turn_goes_on_there_with_the_same_words() {
    let mut run = Harness::start(workflow(vec![worker()]));
    for turn in 1..14 {
        run.settle("a", 0, wants(&[(&format!("t{turn}"), "files_read", r#"{"path":"x"}"#)]));
        run.settle("a", 0, gave(json!({ "content": turn.to_string() })));
    }
    let before = model(&run);
    let open = run.open();
    let events = run.crash();
    assert!(events.iter().any(|event| matches!(event, Event::CallDoubted { .. })));
    assert_eq!(run.open(), [format!("{}+1", open[0])], "the fourteenth turn, made again");
    assert_eq!(model(&run), before);
    let charged = run.state.charged;
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
    assert_eq!(run.state.charged.calls, charged.calls + 1, "turns 1 to 13 were paid for once");
}

#[test]
fn a_model_that_fails_in_a_later_turn_is_asked_that_turn_again_and_no_other() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#)]));
    run.settle("a", 0, gave(json!({ "content": "text" })));
    let asked = model(&run);
    run.settle("a", 0, busy());
    assert_eq!(run.open(), Vec::<String>::new());
    assert!(matches!(run.waits()[..], [WaitingFor::Timer { .. }]), "{:?}", run.waits());
    run.pass(60_000);
    assert_eq!(model(&run), asked, "the same request");
    run.settle("a", 0, busy());
    run.pass(60_000);
    run.settle("a", 0, busy());
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Overloaded));
    assert_eq!(run.state.steps[run.ix("a")].items[0].attempt, 1, "no attempt that pays for the first turn again");
}

#[test]
fn a_failure_of_the_first_turn_is_a_failed_attempt() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, busy());
    run.pass(60_000);
    assert_eq!(run.open(), ["a/0/2/0"]);
    run.settle("a", 0, says("done"));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn what_makes_no_sense_is_answered_and_costs_a_turn_but_no_call() {
    let mut run = Harness::start(workflow(vec![worker()]));
    let asked = [
        ("t1", "no_such_tool", "{}"),
        ("t2", "files_read", "{\"path\":"),
        ("t3", "files_read", "{}"),
        ("t4", "files_read", "{\"path\":1}"),
        ("t5", "files_read", "[]"),
        ("t6", "shell", "{\"command\":\"ls\",\"cwd\":\"/\"}"),
        ("t7", "http", "{\"url\":\"http://x\"}"),
    ];
    run.settle("a", 0, wants(&asked));
    let found = results(&run);
    assert_eq!(found.len(), asked.len());
    for ((id, ..), (answered, why, is_error)) in asked.iter().zip(&found) {
        assert_eq!((id, *is_error), (&answered.as_str(), true), "{why}");
        assert!(why.len() > 20, "{why}");
    }
    assert!(found[0].1.contains("files_read") && found[6].1.contains("no tool `http`"), "it says what there is: {found:?}");
}

#[test]
fn an_endless_loop_of_tools_ends() {
    let mut run = Harness::start(workflow(vec![worker().param("max_turns", json!(3))]));
    for _ in 0..3 {
        run.settle("a", 0, wants(&[("t", "files_read", r#"{"path":"x"}"#)]));
        run.settle("a", 0, gave(json!({ "content": "text" })));
    }
    assert_eq!(run.status(), RunStatus::Failed);
    assert!(run.failure("a").message.contains("`max_turns`"), "{:?}", run.failure("a"));
    assert_eq!(run.state.charged.calls, 3);
}

#[test]
fn a_conversation_has_a_limit_of_its_own_on_tokens() {
    let mut run = Harness::start(workflow(vec![worker().param("max_total_tokens", json!(20))]));
    for _ in 0..2 {
        run.settle("a", 0, wants(&[("t", "files_read", r#"{"path":"x"}"#)]));
        run.settle("a", 0, gave(json!({ "content": "text" })));
    }
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Budget));
    assert!(run.failure("a").message.contains("30 tokens of its 20"), "{:?}", run.failure("a"));
}

#[test]
fn what_nobody_told_counts_against_the_limit_of_a_conversation_too() {
    let mut run = Harness::start(workflow(vec![worker().param("max_total_tokens", json!(1_000))]));
    let Outcome::Succeeded { value, .. } = wants(&[("t", "files_read", r#"{"path":"x"}"#)]) else { panic!("it succeeded") };
    run.settle("a", 0, Outcome::Succeeded { value, metering: Metering::Unknown });
    run.settle("a", 0, gave(json!({ "content": "text" })));
    assert!(run.state.charged.tokens > 4_000, "its hold, for as much as it may have answered: {:?}", run.state.charged);
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Budget));
}

#[test]
fn a_model_hears_what_somebody_says_of_its_tool() {
    for (said, heard) in [
        (None, "what it gave is not known"),
        (Some(json!("version 7 is out")), "version 7 is out"),
        (Some(json!({ "version": 7 })), r#"{"version":7}"#),
        (Some(json!({ "exit_code": 0, "stdout": "out", "stderr": "", "truncated": false })), r#""stdout":"out""#),
    ] {
        for (tool, arguments) in [("shell", r#"{"command":"deploy"}"#), ("files_append", r#"{"path":"log","content":"x"}"#)] {
            let mut run = Harness::start(workflow(vec![worker()]));
            run.settle("a", 0, wants(&[("t1", tool, arguments)]));
            run.crash();
            run.ok(resolve("a", ResolveVerdict::Done(said.clone())));
            let found = results(&run);
            assert!(found[0].1.contains(heard) && !found[0].2, "{tool} {said:?}: {found:?}");
        }
    }
}

#[test]
fn a_tool_that_may_do_harm_is_in_doubt_after_a_crash_and_somebody_says_what_it_gave() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"deploy"}"#)]));
    assert_eq!(run.state.due().map(|call| call.class).collect::<Vec<_>>(), [EffectClass::AtMostOnce]);
    run.crash();
    assert_eq!((run.status(), run.step("a")), (RunStatus::Waiting, StepStatus::InDoubt));
    run.ok(resolve("a", ResolveVerdict::Done(Some(json!({ "exit_code": 0, "stdout": "deployed", "stderr": "", "truncated": false })))));
    assert!(results(&run)[0].1.contains("deployed"), "{:?}", results(&run));
    run.settle("a", 0, says("it is out"));
    assert_eq!((run.status(), run.value("a")["response"].clone()), (RunStatus::Completed, json!("it is out")));
}

#[test]
fn a_tool_that_reads_is_done_again_after_a_crash() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#)]));
    run.crash();
    assert_eq!(run.open(), ["a/0/1/1+1"]);
    run.settle("a", 0, gave(json!({ "content": "text" })));
    assert_eq!(results(&run)[0].1, "text");
}

#[test]
fn a_refusal_fails_and_a_pause_goes_on() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, answered(json!({ "text": "part one", "model": "m", "finish_reason": "pause" })));
    assert_eq!(model(&run).messages.last().map(|message| message.by), Some(Speaker::Model), "it goes on from its own words");
    run.settle("a", 0, answered(json!({ "text": "I will not", "model": "m", "finish_reason": "refusal" })));
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Refused));
    assert_eq!(run.failure("a").detail.as_deref(), Some("I will not"));
}

#[test]
fn what_is_held_for_a_turn_covers_all_that_is_sent() {
    let mut run = Harness::start(workflow(vec![worker()]));
    run.settle("a", 0, wants(&[("t1", "files_read", r#"{"path":"x"}"#)]));
    run.settle("a", 0, gave(json!({ "content": "word ".repeat(500) })));
    let call = run.state.due().next().expect("a call");
    let held = call.hold.expect("a hold").amounts.tokens;
    let request = model(&run);
    let sent = request.input_tokens_bound() + request.output_tokens_max;
    assert!(held >= sent.min(10_100), "held {held}, sent {sent}");
    let Request::Model(stored) = &*call.request else { panic!("no model") };
    assert!(stored.follows && stored.prompt.is_empty() && stored.tools.is_empty(), "{stored:?}");
}

#[test]
fn opaque_parts_go_back_as_they_came() {
    let mut run = Harness::start(workflow(vec![worker()]));
    let thinking = json!({ "type": "thinking", "thinking": "…", "signature": "abc" });
    run.settle(
        "a",
        0,
        answered(json!({
            "text": "", "model": "m", "finish_reason": "tool_calls",
            "parts": [{ "opaque": { "provider": "anthropic", "block": thinking } }, { "tool_call": { "id": "t", "name": "files_list", "arguments": "{\"path\":\".\"}" } }],
        })),
    );
    run.settle("a", 0, gave(json!({ "entries": [] })));
    let request = model(&run);
    let Message { parts, .. } = &**request.messages.first().expect("a message");
    assert_eq!(parts[0], Part::Opaque { provider: "anthropic".to_owned(), block: thinking });
}

#[test]
fn a_conversation_that_is_longer_than_its_model_takes_is_not_gone_on_with() {
    let mut run = Harness::start(workflow(vec![worker()]));
    let window = crate::harness::prices().find("p", "m").unwrap().input_tokens_max.unwrap();
    let Outcome::Succeeded { value, .. } = wants(&[("t1", "shell", r#"{"command":"ls"}"#)]) else { panic!() };
    let asked = |tokens: u64| Outcome::Succeeded { value: value.clone(), metering: Metering::Reported(used(tokens, 5)) };
    run.settle("a", 0, asked(window - 6));
    run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
    assert_eq!(run.open(), ["a/0/1/2"], "it is below what the model takes");
    run.settle("a", 0, asked(window - 5));
    run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
    assert_eq!((run.status(), run.open().len()), (RunStatus::Failed, 0));
    assert!(run.failure("a").message.contains(&format!("come to {window} tokens")), "{:?}", run.failure("a"));
    // Another model may take more.
    let mut run = Harness::start(workflow(vec![worker().param("fallbacks", json!(["p/n"]))]));
    run.settle("a", 0, asked(window));
    run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
    assert_eq!((run.status(), model(&run).model), (RunStatus::Running, "n".to_owned()));
}

#[test]
fn an_agent_is_told_what_it_depends_on_and_does_not_refer_to() {
    let plan = || transform("plan", "'three steps'").after(&[]).gives(&["plan"]);
    let facts = || transform("facts", "[1, 2]").after(&[]).gives(&["facts"]);
    let asked = |step: Step| model(&Harness::start(workflow(vec![plan(), facts(), step]))).prompt;
    let told = asked(agent("a", "build it").after(&["plan", "facts"]));
    assert_eq!(told, "Results of the steps before this one:\n\n## plan\nplan: three steps\n\n## facts\nfacts: [1,2]\n\n---\n\nbuild it");
    assert_eq!(asked(agent("a", "build ${plan}").after(&["plan"])), "build three steps", "what it refers to is not told twice");
    let told = asked(agent("a", "build ${plan}").after(&["plan", "facts"]));
    assert!(told.contains("## facts") && !told.contains("## plan") && told.ends_with("build three steps"), "{told}");
    assert_eq!(asked(agent("a", "build it").after(&["plan"]).param("context", json!("none"))), "build it");
    assert_eq!(asked(agent("a", "build it").after(&[])), "build it");
}

#[test]
fn what_an_agent_is_told_is_data_and_bounded_and_stored() {
    let long = transform("long", "'${inputs.yes} {{ x }} ' * 2000").after(&[]).gives(&["long"]);
    let mut run = Harness::start(workflow(vec![long, agent("a", "go").after(&["long"])]));
    let before = model(&run).prompt;
    assert!(before.contains("${inputs.yes} {{ x }}"), "never read as a template again");
    assert!(before.len() < 34_000 && before.contains("[cut here: "), "{} bytes", before.len());
    run.crash();
    assert_eq!(model(&run).prompt, before);
}

#[test]
fn long_results_leave_room_for_the_short_ones() {
    let long = |id: &str| transform(id, &format!("'{id}-' * 20000")).after(&[]).gives(&[id]);
    let short = transform("short", "'a few words'").after(&[]).gives(&["short"]);
    let told = model(&Harness::start(workflow(vec![long("a"), short, long("z"), agent("go", "go").after(&["a", "short", "z"])]))).prompt;
    assert!(told.contains("## short\nshort: a few words\n\n## z\nz: z-z-"), "what is short is told whole, wherever it stands");
    let of = |letter: &str| told.matches(letter).count();
    assert_eq!(of("a-"), of("z-"), "the long ones share what is left");
    assert_eq!(told.matches("[cut here: ").count(), 2);
    assert!((32_000..33_000).contains(&told.len()), "{} bytes", told.len());
}

#[test]
fn a_first_question_in_doubt_counts_against_the_tokens_of_the_conversation() {
    let mut run = Harness::start(workflow(vec![worker().param("max_tokens", json!(500)).param("max_total_tokens", json!(400))]));
    run.crash();
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
    run.settle("a", 0, gave(json!({ "stdout": "x", "stderr": "", "exit_code": 0 })));
    assert_eq!(run.status(), RunStatus::Failed);
    assert!(run.failure("a").message.contains("max_total_tokens"), "{:?}", run.failure("a"));
}
