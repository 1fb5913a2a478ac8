//! Tried again: when, how often, and when not.

use gorgon_core::call::{Failure, FailureClass, Metering, Outcome};
use gorgon_core::definition::{Backoff, EffectClass};
use gorgon_core::event::Event;
use gorgon_core::run::{RunStatus, StepStatus};

use crate::build::{Say, noop, shell, workflow};
use crate::harness::Harness;

/// Fails a step as often as it is tried, and says how long it waited in between, in seconds.
fn delays(backoff: Backoff, attempts: u32, class: FailureClass, retry_after_ms: Option<u64>) -> Vec<u64> {
    let mut run = Harness::start(workflow(vec![noop("a").tries(attempts).with(|step| step.retry.backoff = backoff)]));
    let mut delays = Vec::new();
    while run.status() != RunStatus::Failed {
        let failure = Failure { retry_after_ms, ..Failure::new(class, "no") };
        run.settle("a", 0, Outcome::Failed { failure, metering: Metering::None });
        if let Some(at) = run.state.wake() {
            let ms = at.since_ms(run.now);
            if ms > 0 {
                run.pass(ms - 1);
                assert_eq!(run.step("a"), StepStatus::Waiting, "not before its time");
            }
            delays.push(ms / 1_000);
            run.pass(1.min(ms));
        }
    }
    delays
}

#[test]
fn the_pauses_follow_the_table_up_to_the_cap() {
    use Backoff::{Adaptive, Exponential, Fibonacci, Fixed, Linear};
    use FailureClass::{Overloaded, RateLimited, Refused, TimedOut, Transport};
    assert_eq!(delays(Fixed, 6, Refused, None), [1, 1, 1, 1, 1]);
    assert_eq!(delays(Linear, 6, Refused, None), [1, 2, 3, 4, 5]);
    assert_eq!(delays(Linear, 64, Refused, None)[58..], [59, 60, 60, 60, 60], "the cap holds for this form, too");
    assert_eq!(delays(Exponential, 9, Refused, None), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(delays(Fibonacci, 13, Refused, None), [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 60, 60]);
    assert_eq!(delays(Adaptive, 5, RateLimited, Some(7_000)), [7, 7, 7, 7]);
    assert_eq!(delays(Adaptive, 3, RateLimited, Some(700_000)), [60, 60]);
    assert_eq!(delays(Adaptive, 9, Overloaded, None), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(delays(Adaptive, 5, Transport, None), [1, 1, 1, 1]);
    assert_eq!(delays(Adaptive, 5, TimedOut, None), [1, 1, 1, 1]);
}

#[test]
fn without_a_number_only_transient_failures_are_tried_again_and_only_twice() {
    let tries = |class, effect| {
        let mut run = Harness::start(workflow(vec![noop("a").effect(effect)]));
        let mut attempts = 0;
        while run.status() != RunStatus::Failed {
            attempts += 1;
            run.fails("a", class);
            run.pass(60_000);
        }
        attempts
    };
    for class in [FailureClass::Transport, FailureClass::RateLimited, FailureClass::Overloaded, FailureClass::TimedOut] {
        for effect in [EffectClass::Pure, EffectClass::Repeatable, EffectClass::Idempotent] {
            assert_eq!(tries(class, effect), 3, "{class:?} {effect:?}");
        }
        for effect in [EffectClass::AtMostOnce, EffectClass::Irreversible] {
            assert_eq!(tries(class, effect), 1, "{class:?} {effect:?}");
        }
    }
    for class in
        [FailureClass::Refused, FailureClass::Invalid, FailureClass::Denied, FailureClass::Budget, FailureClass::Rejected, FailureClass::Cancelled]
    {
        assert_eq!(tries(class, EffectClass::Repeatable), 1, "{class:?}");
    }
}

#[test]
fn a_number_covers_every_failure_that_trying_again_could_mend() {
    for (class, wanted) in [
        (FailureClass::Refused, 4),
        (FailureClass::Transport, 4),
        (FailureClass::Invalid, 1),
        (FailureClass::Denied, 1),
        (FailureClass::Cancelled, 1),
    ] {
        let mut run = Harness::start(workflow(vec![shell("a", "false").tries(4)]));
        let mut attempts = 0;
        while run.status() != RunStatus::Failed {
            attempts += 1;
            run.fails("a", class);
            run.pass(60_000);
        }
        assert_eq!(attempts, wanted, "{class:?}");
    }
}

#[test]
fn a_later_attempt_that_succeeds_makes_the_step_succeed() {
    let mut run = Harness::start(workflow(vec![noop("a"), noop("b")]));
    let events = run.fails("a", FailureClass::Transport);
    assert_eq!(Harness::names(&events), ["call_settled", "attempt_failed", "status_changed"]);
    assert_eq!((run.status(), run.step("a")), (RunStatus::Waiting, StepStatus::Waiting));
    let events = run.pass(1_000);
    assert_eq!(Harness::names(&events), ["backoff_ended", "attempt_started", "call_started", "status_changed"]);
    run.done("a");
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_command_that_ends_badly_is_a_failure_of_the_step() {
    let mut run = Harness::start(workflow(vec![shell("a", "exit 3")]));
    let value = serde_json::json!({ "exit_code": 3, "stdout": "", "stderr": "no such file\n", "truncated": false });
    let events = run.settle("a", 0, Outcome::Succeeded { value: gorgon_core::payload::Payload::of(&value), metering: Metering::None });
    assert_eq!((run.status(), run.failure("a").detail.as_deref().map(str::trim)), (RunStatus::Failed, Some("no such file")));
    assert!(events.iter().any(|event| matches!(event, Event::StepFailed { tolerated: false, .. })));
}

#[test]
fn jitter_only_shortens_and_depends_on_the_seed_alone() {
    let jittered = || {
        let mut run = Harness::start(workflow(vec![noop("a").tries(5).with(|step| step.retry.jitter = true)]));
        run.fails("a", FailureClass::Transport);
        run.state.wake().unwrap().since_ms(run.now)
    };
    assert_eq!(jittered(), jittered());
    assert!((500..=1_000).contains(&jittered()));
}
