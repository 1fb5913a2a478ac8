//! Calls that were in flight when their process died.

use gorgon_core::call::{FailureClass, Outcome};
use gorgon_core::command::{Command, ResolveVerdict};
use gorgon_core::definition::{EffectClass, OnInDoubt};
use gorgon_core::event::{ChargeSource, DoubtVerdict, Event, Instead};
use gorgon_core::money::Amounts;
use gorgon_core::run::{RunStatus, StepStatus, WaitingFor};
use serde_json::json;

use crate::build::{Say, agent, noop, transform, wait, workflow};
use crate::conversations::{wants, worker};
use crate::harness::{Harness, cancel, resolve, retry};

fn verdict(events: &[Event]) -> Vec<DoubtVerdict> {
    events.iter().filter_map(|event| if let Event::CallDoubted { verdict, .. } = event { Some(*verdict) } else { None }).collect()
}

#[test]
fn each_class_is_treated_as_the_file_says() {
    use DoubtVerdict::{Ask, Fail, Redo};
    use EffectClass::{AtMostOnce, Idempotent, Irreversible, Pure, Repeatable};
    for class in [Pure, Repeatable, Idempotent, AtMostOnce, Irreversible] {
        for rule in [OnInDoubt::Retry, OnInDoubt::Fail, OnInDoubt::Ask] {
            let mut run = Harness::start(workflow(vec![noop("a").effect(class).in_doubt(rule)]));
            let events = run.crash();
            let wanted = match (class, rule) {
                (Pure | Repeatable | Idempotent, _) | (_, OnInDoubt::Retry) => Redo,
                (_, OnInDoubt::Fail) => Fail,
                (_, OnInDoubt::Ask) => Ask,
            };
            assert_eq!(verdict(&events), [wanted], "{class:?} {rule:?}");
            match wanted {
                Redo => {
                    assert_eq!(run.open(), ["a/0/1/0+1"], "the same attempt, made again");
                    run.done("a");
                    assert_eq!(run.status(), RunStatus::Completed);
                }
                Fail => assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Rejected)),
                Ask | DoubtVerdict::Leave => assert_eq!((run.status(), run.step("a")), (RunStatus::Waiting, StepStatus::InDoubt)),
            }
        }
    }
}

#[test]
fn what_an_executor_cannot_tell_is_a_failed_attempt_with_a_count_and_a_delay() {
    let in_doubt = || Outcome::InDoubt { evidence: "the answer broke off".to_owned() };
    for (class, rule, attempts) in [
        (EffectClass::Repeatable, OnInDoubt::Ask, 3),
        (EffectClass::AtMostOnce, OnInDoubt::Retry, 3),
        (EffectClass::Irreversible, OnInDoubt::Retry, 3),
        (EffectClass::AtMostOnce, OnInDoubt::Fail, 1),
    ] {
        let mut run = Harness::start(workflow(vec![noop("a").effect(class).in_doubt(rule)]));
        for attempt in 1..=attempts {
            assert_eq!(run.open(), [format!("a/0/{attempt}/0")], "{class:?} {rule:?}");
            assert_eq!(verdict(&run.settle("a", 0, in_doubt())), [DoubtVerdict::Fail]);
            if attempt < attempts {
                assert_eq!(run.open(), Vec::<String>::new(), "not at once");
                run.pass(600_000);
            }
        }
        assert_eq!((run.status(), run.open().len()), (RunStatus::Failed, 0), "{class:?} {rule:?}");
    }
    // The file has the last word on how often.
    let mut run = Harness::start(workflow(vec![noop("a").effect(EffectClass::AtMostOnce).in_doubt(OnInDoubt::Retry).tries(1)]));
    run.settle("a", 0, in_doubt());
    assert_eq!(run.status(), RunStatus::Failed);
}

#[test]
fn a_tool_that_nobody_can_tell_of_does_not_begin_the_conversation_anew() {
    let mut run = Harness::start(workflow(vec![worker().in_doubt(OnInDoubt::Retry)]));
    run.settle("a", 0, wants(&[("t1", "shell", r#"{"command":"ls"}"#)]));
    run.settle("a", 0, Outcome::InDoubt { evidence: "something outlived it".to_owned() });
    assert_eq!((run.status(), run.open().len()), (RunStatus::Failed, 0));
    run.ok(retry(None));
    assert_eq!(run.open().len(), 1, "{}", run.history());
    assert!(run.open()[0].starts_with("a/0/1/"), "it goes on where it is: {:?}", run.open());
}

#[test]
fn what_was_settled_before_the_crash_is_not_done_again() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), noop("b").after(&["a"]), noop("c").after(&[])]));
    run.done("a");
    run.crash();
    assert_eq!(run.open(), ["b/0/1/0+1", "c/0/1/0+1"]);
    run.crash();
    assert_eq!(run.open(), ["b/0/1/0+2", "c/0/1/0+2"]);
    run.done("b");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_second_recovery_under_the_same_owner_changes_nothing() {
    let mut run = Harness::start(workflow(vec![noop("a")]));
    run.crash();
    assert_eq!(run.ok(Command::Recover), []);
    assert_eq!(run.open(), ["a/0/1/0+1"]);
}

#[test]
fn a_redone_call_sends_the_stored_request_with_the_stored_key() {
    let mut run = Harness::start(workflow(vec![
        transform("t", "'x'"),
        agent("a", "say ${steps.t.result}").with(|step| step.idempotency_key = Some("k-${steps.t.result}".to_owned())),
    ]));
    let before = run.state.open[&run.call("a", 0)].clone();
    assert_eq!(before.key.as_deref(), Some("k-x"));
    run.crash();
    let after = run.state.open[&run.call("a", 0)].clone();
    assert_eq!((before.request, before.key, before.hold), (after.request, after.key, after.hold));
}

#[test]
fn a_model_call_in_doubt_is_charged_in_full_and_held_for_again() {
    let mut run = Harness::start(workflow(vec![agent("a", "hi")]));
    let hold = run.state.open[&run.call("a", 0)].hold.unwrap();
    let events = run.crash();
    let Event::CallDoubted { settlement: Some(settlement), .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!((settlement.held, settlement.charged, settlement.source), (hold.amounts, hold.amounts, ChargeSource::AssumedMax));
    assert_eq!(run.state.held(), hold.amounts);
    run.done("a");
    assert_eq!(run.state.charged, hold.amounts.plus(Amounts { cost_nano_usd: 20_000, tokens: 15, calls: 1 }));
}

#[test]
fn a_late_answer_of_the_dead_process_is_refused() {
    let mut run = Harness::start(workflow(vec![noop("a")]));
    let call = run.call("a", 0);
    run.crash();
    run.no(Command::CompleteCall { call, outcome: Outcome::InDoubt { evidence: "late".to_owned() } });
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

fn asking() -> Harness {
    let mut run = Harness::start(workflow(vec![noop("a").gives(&["x"]).effect(EffectClass::AtMostOnce), transform("b", "steps.a.x")]));
    run.crash();
    assert!(matches!(&run.waits()[0], WaitingFor::Doubt { step, .. } if step.as_str() == "a"));
    run
}

#[test]
fn somebody_says_do_it_again() {
    let mut run = asking();
    run.ok(resolve("a", ResolveVerdict::Redo));
    assert_eq!(run.open(), ["a/0/1/0+1"]);
    run.no(resolve("a", ResolveVerdict::Redo));
    run.done("a");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn somebody_says_it_was_done() {
    let mut run = asking();
    run.ok(resolve("a", ResolveVerdict::Done(Some(json!({ "x": 9 })))));
    assert_eq!((run.status(), run.value("b")["result"].clone()), (RunStatus::Completed, json!(9)));
    assert_eq!(run.state.steps[run.ix("a")].instead, Some(Instead::Resolved));
    let mut run = asking();
    run.ok(resolve("a", ResolveVerdict::Done(Some(json!(9)))));
    assert_eq!(run.value("b")["result"], json!(9), "anything but an object is the main result");
    let mut run = asking();
    run.no(resolve("a", ResolveVerdict::Done(None)));
    assert_eq!(run.step("a"), StepStatus::InDoubt, "without its declared outputs it is not done");
}

#[test]
fn somebody_says_it_failed() {
    let mut run = asking();
    run.ok(resolve("a", ResolveVerdict::Fail));
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Rejected));
    run.no(resolve("a", ResolveVerdict::Redo));
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/2/0"]);
}

#[test]
fn an_element_in_doubt_waits_and_the_others_go_on() {
    let mut run = Harness::start(workflow(vec![noop("f").over(json!([1, 2, 3]), 2).effect(EffectClass::AtMostOnce)]));
    run.done_item("f", 0);
    run.crash();
    assert_eq!(run.status(), RunStatus::Waiting);
    assert_eq!(run.waits().len(), 2);
    let say =
        |item, verdict| Command::Resolve(gorgon_core::command::Resolve { step: Some("f".into()), item: Some(item), verdict, by: "ann".to_owned() });
    run.no(resolve("f", ResolveVerdict::Redo));
    run.ok(say(1, ResolveVerdict::Redo));
    run.ok(say(2, ResolveVerdict::Done(None)));
    run.done_item("f", 1);
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_call_that_could_not_be_stopped_is_in_doubt_and_the_cancelled_run_ends() {
    let mut run = Harness::start(workflow(vec![noop("a").effect(EffectClass::AtMostOnce), wait("w", 1)]));
    run.ok(cancel());
    let events = run.settle("a", 0, Outcome::InDoubt { evidence: "it did not die".to_owned() });
    assert_eq!(verdict(&events), [DoubtVerdict::Leave]);
    assert_eq!((run.status(), run.step("a")), (RunStatus::Cancelled, StepStatus::Cancelled));
    run.no(resolve("a", ResolveVerdict::Redo));
}

#[test]
fn a_crash_while_a_run_is_being_cancelled_ends_it() {
    let mut run = Harness::start(workflow(vec![agent("a", "hi"), noop("b")]));
    run.ok(cancel());
    let events = run.crash();
    assert_eq!(verdict(&events), [DoubtVerdict::Leave]);
    assert_eq!(run.status(), RunStatus::Cancelled);
    assert!(run.state.charged.cost_nano_usd > 0);
}

#[test]
fn what_may_do_harm_is_asked_about_even_when_the_run_was_stopped_in_between() {
    let mut definition = workflow(vec![noop("a").effect(EffectClass::AtMostOnce), noop("b")]);
    definition.timeout_ms = Some(1_000);
    let mut run = Harness::start(definition.clone());
    run.pass(1_000);
    run.settle("a", 0, Outcome::InDoubt { evidence: "it did not die".to_owned() });
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(retry(None));
    assert_eq!((run.status(), run.step("a"), run.open().len()), (RunStatus::Waiting, StepStatus::InDoubt, 0));
    run.ok(resolve("a", ResolveVerdict::Done(None)));
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
    // What does no harm is simply done again.
    definition.steps[0].effect = EffectClass::Repeatable;
    let mut run = Harness::start(definition);
    run.pass(1_000);
    run.settle("a", 0, Outcome::InDoubt { evidence: "it did not die".to_owned() });
    run.ok(retry(None));
    assert_eq!(run.open(), ["a/0/2/0"]);
}

#[test]
fn without_permits_nothing_is_ordered_and_nothing_is_in_doubt() {
    let mut run = Harness::start_with(workflow(vec![noop("a").after(&[]), agent("b", "x").after(&[])]), |run, _| run.permits.clear());
    assert_eq!((run.open().len(), run.step("a"), run.status()), (0, StepStatus::Ready, RunStatus::Running));
    assert_eq!(run.blocked.families.iter().copied().collect::<Vec<_>>(), [gorgon_core::call::Family::Noop, gorgon_core::call::Family::Model]);
    assert_eq!(run.state.held(), Amounts::ZERO);
    assert_eq!(run.crash(), []);
    run.permits.insert(gorgon_core::call::Family::Model, 1);
    run.pass(0);
    assert_eq!(run.open(), ["b/0/1/0"]);
    run.permits.insert(gorgon_core::call::Family::Noop, 1);
    run.pass(0);
    run.done("a");
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn permits_are_used_up_within_one_decision() {
    let run = Harness::start_with(workflow(vec![noop("f").over(json!([1, 2, 3, 4]), 10)]), |run, _| {
        run.permits.insert(gorgon_core::call::Family::Noop, 3);
    });
    assert_eq!(run.open().len(), 3);
    assert!(run.blocked.families.contains(&gorgon_core::call::Family::Noop));
}
