//! Somebody has to agree first.

use gorgon_core::call::Request;
use gorgon_core::definition::Approval;
use gorgon_core::diagnostic::Code;
use gorgon_core::event::Event;
use gorgon_core::ids::ContentHash;
use gorgon_core::run::{RunStatus, StepStatus};
use serde_json::json;

use crate::build::{Say, approval, noop, noop_of, parallel, shell, workflow};
use crate::harness::{Harness, approve, reject, retry};

#[test]
fn what_depends_on_it_waits_and_the_rest_goes_on() {
    let mut run = Harness::start(workflow(vec![
        approval("ask", "ship it?").after(&[]),
        noop("a").after(&[]),
        noop("ship").after(&["ask"]),
        noop("b").after(&["a"]),
    ]));
    assert_eq!(run.open(), ["a/0/1/0"]);
    run.done("a");
    run.done("b");
    assert_eq!((run.status(), run.step("ship")), (RunStatus::Waiting, StepStatus::Pending));
    let pending = run.pending().remove(0);
    assert_eq!(pending.prompt, "ship it?");
    run.ok(approve("ask", None, Some(pending.hash)));
    assert_eq!(run.open(), ["ship/0/1/0"]);
    let again = run.no(approve("ask", None, Some(pending.hash)));
    assert_eq!(again.code, Code::NotInThisState);
    run.done("ship");
    assert_eq!(run.value("ask"), json!({ "decision": "approved", "by": "ann", "comment": null }));
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_rejection_fails_the_step_and_is_not_tried_again() {
    let mut run = Harness::start(workflow(vec![approval("ask", "?").tries(5), noop("a")]));
    run.ok(reject("ask", None));
    assert_eq!((run.status(), run.step("a")), (RunStatus::Failed, StepStatus::Pending));
    assert_eq!(run.failure("ask").message, "rejected by ann: no");
    run.no(approve("ask", None, None));
    run.ok(retry(None));
    assert_eq!(run.pending().len(), 1, "a retry asks again");
    run.ok(approve("ask", None, None));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_question_lapses() {
    let ask = |hours: f64| workflow(vec![approval("ask", "?").param("timeout_hours", json!(hours)), noop("a")]);
    let mut run = Harness::start(ask(1.0));
    run.pass(3_599_999);
    assert_eq!(run.status(), RunStatus::Waiting);
    run.pass(1);
    assert_eq!(run.status(), RunStatus::Failed);
    // Nobody gets in between the deadline and the moment at which it is noticed.
    let mut run = Harness::start(ask(1.0));
    run.now = run.now.plus_ms(3_600_000);
    let hash = run.pending()[0].hash;
    assert_eq!(run.no(approve("ask", None, Some(hash))).code, Code::StaleApproval);
    run.pass(0);
    assert_eq!(run.status(), RunStatus::Failed);
}

#[test]
fn exactly_what_was_shown_runs() {
    let mut definition = workflow(vec![noop_of("a", json!("rm -r build")), shell("b", "${steps.a.result}").asks("run it?")]);
    definition.steps[1].params.insert("command".to_owned(), json!("echo \"${steps.a.result}\""));
    let mut run = Harness::start(definition);
    run.done("a");
    assert_eq!(run.status(), RunStatus::Waiting);
    let pending = run.pending().remove(0);
    assert_eq!(pending.preview["command"]["env"].as_object().unwrap().values().next(), Some(&json!("rm -r build")));
    let stored = run
        .log
        .iter()
        .find_map(|(_, event)| if let Event::WaitStarted { input: Some(input), .. } = event { Some(input.value()) } else { None })
        .unwrap();
    assert_eq!(stored, pending.preview);
    run.ok(approve("b", None, Some(pending.hash)));
    let call = run.call("b", 0);
    let Request::Process(process) = Request::clone(&run.state.open[&call].request) else { panic!("a process") };
    assert_eq!(process.argv[2], pending.preview["command"]["command"].as_str().unwrap());
    let ran = run.log.iter().find_map(|(_, event)| match event {
        Event::AttemptStarted { at, input: Some(input), .. } if at.step.as_str() == "b" => Some(input.json().to_owned()),
        _ => None,
    });
    assert_eq!(ran, Some(serde_json::to_string(&stored).unwrap()), "the stored bytes run");
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn what_runs_is_what_was_stored_and_nothing_rendered_anew() {
    let mut run = Harness::start(workflow(vec![noop_of("a", json!("${inputs.yes}")).asks("?")]));
    // As if the inputs rendered to something else by now.
    for (_, event) in &mut run.log {
        if let Event::WaitStarted { input, .. } = event {
            *input = Some(gorgon_core::payload::Payload::of(&json!({ "value": "as it was shown" })));
        }
    }
    run.state = run.replay();
    run.ok(approve("a", None, None));
    run.done("a");
    assert_eq!(run.value("a")["result"], "as it was shown");
}

#[test]
fn an_approved_step_is_tried_again_without_another_question() {
    let mut run = Harness::start(workflow(vec![noop("a").asks("?").tries(2)]));
    run.ok(approve("a", None, None));
    run.fails("a", gorgon_core::call::FailureClass::Transport);
    run.pass(1_000);
    assert_eq!(run.open(), ["a/0/2/0"]);
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn the_hash_is_of_the_arguments_the_step_and_the_prompt() {
    let hash = |command: &str, prompt: &str, id: &str| Harness::start(workflow(vec![shell(id, command).asks(prompt)])).pending()[0].hash;
    let one = hash("ls", "?", "a");
    assert_eq!(one, hash("ls", "?", "a"));
    for other in [hash("ls -l", "?", "a"), hash("ls", "!", "a"), hash("ls", "?", "b")] {
        assert_ne!(one, other);
    }
    // The arguments as rendered, not as written.
    let rendered = |value: &str| {
        let mut run = Harness::start(workflow(vec![noop_of("a", json!(value)), noop_of("b", json!("${steps.a.result}")).asks("?")]));
        run.done("a");
        run.pending()[0].hash
    };
    assert_eq!(rendered("x"), rendered("x"));
    assert_ne!(rendered("x"), rendered("y"));
}

#[test]
fn a_decision_on_another_hash_counts_for_nothing() {
    let mut run = Harness::start(workflow(vec![noop("a").asks("?")]));
    let rejection = run.no(approve("a", None, Some(ContentHash::of(b"something else"))));
    assert_eq!((rejection.code, run.status()), (Code::StaleApproval, RunStatus::Waiting));
}

#[test]
fn each_element_is_asked_for_by_itself() {
    let mut run = Harness::start(workflow(vec![
        noop_of("f", json!("${item}")).over(json!(["a", "b", "c", "d", "e"]), 2).asks_for_each("do ${item}?"),
        noop("after"),
    ]));
    let pending = run.pending();
    assert_eq!(pending.iter().map(|p| p.prompt.as_str()).collect::<Vec<_>>(), ["do a?", "do b?", "do c?", "do d?", "do e?"]);
    for n in [0, 1, 3, 4] {
        run.ok(approve("f", Some(n), Some(pending[n as usize].hash)));
        assert!(run.open().len() <= 2);
    }
    for n in [0, 1, 3, 4] {
        run.done_item("f", n);
    }
    assert_eq!((run.status(), run.step("after")), (RunStatus::Waiting, StepStatus::Pending));
    assert_eq!(run.pending().iter().map(|p| p.item).collect::<Vec<_>>(), [2]);
    run.no(approve("f", Some(1), Some(pending[1].hash)));
    run.no(approve("f", None, Some(pending[1].hash)));
    run.ok(approve("f", Some(2), Some(pending[2].hash)));
    run.no(approve("f", Some(2), Some(pending[2].hash)));
    run.done_item("f", 2);
    assert_eq!(run.value("f")["results"], json!(["a", "b", "c", "d", "e"]));
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_element_that_is_rejected_fails_alone() {
    let mut run = Harness::start(workflow(vec![noop_of("f", json!("${item}")).over(json!(["a", "b"]), 2).asks_for_each("?").allows_failures()]));
    run.ok(reject("f", Some(0)));
    run.ok(approve("f", Some(1), None));
    run.done_item("f", 1);
    assert_eq!((run.status(), run.value("f")["results"].clone()), (RunStatus::Partial, json!([null, "b"])));
}

#[test]
fn a_fan_out_asks_once_over_the_whole_list() {
    let mut run = Harness::start(workflow(vec![noop_of("f", json!("${item}")).over(json!("${inputs.list}"), 2).asks("all of them?")]));
    let pending = run.pending();
    assert_eq!((pending.len(), pending[0].preview.clone()), (1, json!([1, 2, 3])));
    run.ok(approve("f", None, Some(pending[0].hash)));
    for n in 0..3 {
        run.done_item("f", n);
    }
    assert_eq!((run.status(), run.value("f")["results"].clone()), (RunStatus::Completed, json!([1, 2, 3])));
    let mut run = Harness::start(workflow(vec![noop_of("f", json!("${item}")).over(json!("${inputs.list}"), 2).asks("all of them?")]));
    run.ok(reject("f", None));
    assert_eq!(run.status(), RunStatus::Failed);
}

#[test]
fn inside_of_a_group_the_others_finish_and_what_depends_on_it_waits() {
    let inside = vec![noop("a").asks("?"), noop("b").after(&["a"]), noop("c")];
    let mut run = Harness::start(workflow(vec![parallel("p", inside), noop("after")]));
    run.done("c");
    assert_eq!((run.status(), run.step("b"), run.step("after")), (RunStatus::Waiting, StepStatus::Pending, StepStatus::Pending));
    let hash = run.pending()[0].hash;
    run.ok(approve("a", None, Some(hash)));
    run.no(approve("a", None, Some(hash)));
    run.done("a");
    run.done("b");
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn an_approval_is_void_when_what_came_before_runs_again() {
    let mut run = Harness::start(workflow(vec![
        noop("a").after(&[]).on_failure(gorgon_core::definition::OnFailure::Skip),
        noop("b").after(&["a"]).asks("?"),
        noop("c").after(&["b"]).on_failure(gorgon_core::definition::OnFailure::Skip),
    ]));
    run.fails("a", gorgon_core::call::FailureClass::Refused);
    run.ok(approve("b", None, None));
    run.done("b");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Partial);
    run.ok(retry(Some("a")));
    run.done("a");
    assert_eq!((run.status(), run.pending().len()), (RunStatus::Waiting, 1), "it has to be asked again");
}

#[test]
fn a_question_about_results_that_are_computed_anew_is_asked_anew() {
    let mut run = Harness::start(workflow(vec![
        noop_of("a", json!(1)).after(&[]).on_failure(gorgon_core::definition::OnFailure::Skip),
        noop("b").after(&["a"]).asks("?"),
        noop("x").after(&[]),
    ]));
    run.fails("a", gorgon_core::call::FailureClass::Refused);
    run.fails("x", gorgon_core::call::FailureClass::Refused);
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(None));
    assert_eq!(run.pending().len(), 0, "`b` waits for `a` again");
    run.done("a");
    assert_eq!(run.pending().len(), 1);
}

#[test]
fn the_step_has_to_be_named_if_several_wait() {
    let mut run = Harness::start(workflow(vec![approval("a", "?").after(&[]), approval("b", "?").after(&[])]));
    let any = |approved| {
        gorgon_core::command::Command::Approve(gorgon_core::command::Decision {
            step: None,
            item: None,
            hash: None,
            approved,
            by: "ann".to_owned(),
            comment: None,
        })
    };
    assert!(run.no(any(true)).message.contains("2 approvals wait: a, b"));
    run.ok(approve("a", None, None));
    run.ok(any(true));
    assert_eq!(run.status(), RunStatus::Completed);
    run.no(any(true));
}

#[test]
fn a_condition_is_judged_before_anybody_is_asked() {
    let run = Harness::start(workflow(vec![noop("a").when("inputs.no").asks("?")]));
    assert_eq!(run.status(), RunStatus::Completed);
    let mut run = Harness::start(workflow(vec![
        noop("a").with(|step| step.approval = Some(Approval { prompt: "?".to_owned(), per_item: false, timeout_ms: Some(1_000) })),
    ]));
    run.pass(1_000);
    assert_eq!((run.status(), run.failure("a").message.as_str()), (RunStatus::Failed, "nobody decided on its approval in time"));
}

#[test]
fn whoever_names_the_wrong_one_hears_what_waits() {
    let mut run = Harness::start(workflow(vec![shell("f", "echo ${item}").over(json!([1, 2, 3]), 3).asks_for_each("?")]));
    assert!(run.no(approve("f", None, None)).message.contains("3 approvals wait: f --item 0, f --item 1, f --item 2"));
    run.ok(approve("f", Some(1), None));
    let again = run.no(approve("f", Some(1), None));
    assert_eq!(again.message, "element 1 of step `f` does not wait for approval");
    assert_eq!(again.help.as_deref(), Some("what waits: f --item 0, f --item 2"));
}
