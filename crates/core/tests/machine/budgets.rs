//! Holds, settlements, and what happens when there is no more.

use gorgon_core::budget::{BudgetKey, Limits, Scope};
use gorgon_core::call::{Failure, FailureClass, Metering, Outcome};
use gorgon_core::definition::{Definition, OnExhausted};
use gorgon_core::event::{ChargeSource, Event, HaltReason, Settlement};
use gorgon_core::facts::Refused;
use gorgon_core::money::{Amounts, Meter};
use gorgon_core::payload::Payload;
use gorgon_core::run::{RunStatus, StepStatus, WaitingFor};
use serde_json::json;

use crate::build::{Say, agent, noop, workflow};
use crate::harness::{Harness, cancel, pause, resume, retry, used};

/// What one call of `agent(_, "hi")` holds: 66 tokens in, 100 out.
const HOLD: Amounts = Amounts { cost_nano_usd: 266_000, tokens: 166, calls: 1 };
/// What it costs by the answer that tests give: 10 tokens in, 5 out.
const COST: Amounts = Amounts { cost_nano_usd: 20_000, tokens: 15, calls: 1 };

fn dollars(nano_usd: u64) -> Limits {
    Limits { cost_nano_usd: Some(nano_usd), ..Limits::default() }
}

fn limited(mut definition: Definition, limits: Limits, on_exhausted: OnExhausted) -> Definition {
    definition.budget.limits = limits;
    definition.budget.on_exhausted = on_exhausted;
    definition
}

fn twenty(limit: u64, on_exhausted: OnExhausted) -> Harness {
    let items: Vec<u32> = (0..20).collect();
    Harness::start(limited(workflow(vec![agent("f", "hi").over(json!(items), 20), noop("after")]), dollars(limit), on_exhausted))
}

#[test]
fn a_call_is_held_for_before_it_starts_and_settled_by_what_it_used() {
    let mut run = Harness::start(workflow(vec![agent("a", "hi")]));
    assert_eq!(run.state.held(), HOLD);
    let events = run.done("a");
    let Event::CallSettled { settlement: Some(settlement), .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(*settlement, Settlement { held: HOLD, charged: COST, source: ChargeSource::Reported });
    assert_eq!((run.state.held(), run.state.charged), (Amounts::ZERO, COST));
}

#[test]
fn an_answer_of_another_model_costs_what_the_dearer_one_does() {
    let said = |model: &str| {
        let value = Payload::of(&json!({ "text": "x", "model": model, "finish_reason": "stop" }));
        Outcome::Succeeded { value, metering: Metering::Reported(used(10, 5)) }
    };
    for (asked, answered, cost) in [("m", "m", 1), ("m", "dear", 10), ("dear", "m", 10), ("m", "nobody-knows", 1)] {
        let mut run = Harness::start(workflow(vec![agent("a", "hi").param("model", json!(asked))]));
        run.settle("a", 0, said(answered));
        assert_eq!((run.status(), run.state.charged.cost_nano_usd), (RunStatus::Completed, cost * COST.cost_nano_usd), "{asked} {answered}");
    }
}

#[test]
fn what_a_call_is_charged_follows_one_table() {
    use ChargeSource::{AssumedMax, Nothing, Reported};
    let succeeded = |metering| Outcome::Succeeded { value: Payload::of(&json!({ "text": "x" })), metering };
    let failed = |metering| Outcome::Failed { failure: Failure::new(FailureClass::Refused, "no"), metering };
    let doubt = Outcome::InDoubt { evidence: String::new() };
    let beyond = Amounts { cost_nano_usd: 1_000_000, tokens: 1_000, calls: 1 };
    for (outcome, charged, source) in [
        (succeeded(Metering::Reported(used(10, 5))), COST, Reported),
        (succeeded(Metering::Unknown), HOLD, AssumedMax),
        (succeeded(Metering::None), HOLD, AssumedMax),
        (failed(Metering::Reported(used(10, 5))), COST, Reported),
        (failed(Metering::Unknown), HOLD, AssumedMax),
        (failed(Metering::None), Amounts::ZERO, Nothing),
        (doubt, HOLD, AssumedMax),
        (succeeded(Metering::Reported(used(1_000, 0))), beyond, Reported),
    ] {
        let mut run = Harness::start(workflow(vec![agent("a", "hi")]));
        let events = run.settle("a", 0, outcome.clone());
        let settlement = events.iter().find_map(|event| match event {
            Event::CallSettled { settlement, .. } | Event::CallDoubted { settlement, .. } => *settlement,
            _ => None,
        });
        assert_eq!(settlement, Some(Settlement { held: HOLD, charged, source }), "{outcome:?}");
    }
}

#[test]
fn twenty_at_once_on_a_small_budget_wait_in_line_and_never_exceed() {
    let mut run = twenty(800_000, OnExhausted::Fail);
    assert_eq!(run.open().len(), 3, "three worst cases fit");
    assert_eq!(run.blocked.budgets.iter().next(), Some(&BudgetKey { scope: Scope::Run, meter: Meter::Usd }));
    let mut ended = 0;
    while let Some(call) = run.state.open.keys().next().cloned().filter(|call| call.step.as_str() == "f") {
        run.done_item("f", call.item);
        ended += 1;
    }
    assert_eq!((ended, run.step("f"), run.state.charged), (20, StepStatus::Succeeded, COST.times(20)));
    run.done("after");
    assert_eq!(run.status(), RunStatus::Completed);
}

fn exhaust(run: &mut Harness) -> usize {
    let mut ended = 0;
    while let Some(call) = run.state.open.keys().next().cloned() {
        run.done_item("f", call.item);
        ended += 1;
    }
    ended
}

#[test]
fn when_it_is_exhausted_the_run_stops_as_the_file_says_and_goes_on_where_it_stopped() {
    for (rule, status) in [(OnExhausted::Fail, RunStatus::Failed), (OnExhausted::Pause, RunStatus::Paused), (OnExhausted::Ask, RunStatus::Waiting)] {
        let mut run = twenty(500_000, rule);
        assert_eq!(exhaust(&mut run), 12, "one more worst case does not fit after twelve");
        assert_eq!(run.status(), status, "{rule:?}");
        let Some(HaltReason::Budget { key, step, needed, available, frozen }) = run.state.halt.clone() else { panic!("{:?}", run.state.halt) };
        assert_eq!((key.meter, step.as_str(), needed, available, frozen), (Meter::Usd, "f", 266_000, 260_000, false));
        if status == RunStatus::Waiting {
            assert!(matches!(&run.waits()[..], [WaitingFor::Budget { .. }]));
        }
        run.no(retry(None));
        run.no(resume(dollars(239_999)));
        // Without more money it stops at the same place again.
        run.ok(resume(Limits::default()));
        assert_eq!((run.status(), run.open().len()), (status, 0));
        run.ok(resume(dollars(600_000)));
        assert_eq!(run.open(), ["f/12/1/0"], "what succeeded is not paid for again");
        exhaust(&mut run);
        run.ok(resume(dollars(10_000_000)));
        exhaust_all(&mut run);
        assert_eq!((run.status(), run.state.charged), (RunStatus::Completed, COST.times(20)), "{rule:?}");
    }
}

fn exhaust_all(run: &mut Harness) {
    while let Some(call) = run.state.open.keys().next().cloned() {
        run.done_item(call.step.as_str(), call.item);
    }
}

#[test]
fn what_is_in_flight_when_the_budget_is_exhausted_is_let_finish() {
    let steps = vec![agent("a", "hi").after(&[]), noop("b").after(&[]), agent("c", "hi").after(&["a"])];
    let mut run = Harness::start(limited(workflow(steps), dollars(270_000), OnExhausted::Fail));
    run.done("a");
    assert_eq!((run.status(), run.open()), (RunStatus::Running, vec!["b/0/1/0".to_owned()]));
    run.done("b");
    assert_eq!((run.status(), run.step("b")), (RunStatus::Failed, StepStatus::Succeeded));
    run.ok(resume(dollars(1_000_000)));
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_run_that_was_stopped_for_money_and_then_failed_has_failed() {
    let steps = vec![agent("a", "hi").after(&[]), noop("b").after(&[]), agent("c", "hi").after(&["a"])];
    let mut run = Harness::start(limited(workflow(steps), dollars(270_000), OnExhausted::Fail));
    run.done("a");
    run.fails("b", FailureClass::Refused);
    assert!(matches!(run.state.halt, Some(HaltReason::StepFailed { .. })));
    run.no(resume(dollars(1_000_000)));
    run.ok(retry(None));
    assert_eq!(run.open(), ["b/0/2/0"]);
    run.done("b");
    assert_eq!(run.status(), RunStatus::Failed);
    run.ok(resume(dollars(1_000_000)));
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_retry_of_one_failed_step_does_not_forget_another() {
    let mut run = Harness::start(workflow(vec![noop("a").after(&[]), noop("b").after(&[]), noop("c").after(&["b"])]));
    run.fails("a", FailureClass::Refused);
    run.fails("b", FailureClass::Refused);
    assert!(run.no(retry(Some("a"))).message.contains("step `b` failed, too"));
    run.ok(retry(None));
    run.done("a");
    run.done("b");
    run.done("c");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn every_attempt_and_every_meter_counts() {
    let limits = Limits { calls: Some(2), ..Limits::default() };
    let mut run = Harness::start(limited(workflow(vec![agent("a", "hi").tries(5)]), limits, OnExhausted::Fail));
    for _ in 0..2 {
        run.settle("a", 0, Outcome::Failed { failure: Failure::new(FailureClass::Overloaded, "busy"), metering: Metering::Unknown });
        run.pass(60_000);
    }
    assert!(matches!(&run.state.halt, Some(HaltReason::Budget { key, .. }) if key.meter == Meter::Calls));
    assert_eq!(run.state.charged.calls, 2);
    let limits = Limits { tokens: Some(165), ..Limits::default() };
    let run = Harness::start(limited(workflow(vec![agent("a", "hi")]), limits, OnExhausted::Fail));
    assert!(matches!(&run.state.halt, Some(HaltReason::Budget { key, .. }) if key.meter == Meter::Tokens));
    let limits = Limits { tokens: Some(166), ..Limits::default() };
    let run = Harness::start(limited(workflow(vec![agent("a", "hi")]), limits, OnExhausted::Fail));
    assert_eq!(run.open(), ["a/0/1/0"]);
}

#[test]
fn a_charge_beyond_the_hold_is_recorded_and_freezes_the_budget() {
    let mut run = Harness::start(limited(workflow(vec![agent("a", "hi"), agent("b", "hi")]), dollars(2_000_000), OnExhausted::Ask));
    run.settle("a", 0, Outcome::Succeeded { value: Payload::of(&json!({ "text": "x" })), metering: Metering::Reported(used(1_000, 0)) });
    assert_eq!((run.state.charged.cost_nano_usd, run.state.overage.cost_nano_usd), (1_000_000, 734_000));
    assert!(run.state.budget[&Meter::Usd].frozen);
    assert!(matches!(run.state.halt, Some(HaltReason::Budget { frozen: true, .. })));
    assert_eq!(run.status(), RunStatus::Waiting);
    let no = run.no(resume(dollars(900_000)));
    assert_eq!(no.message, "a limit of $0.0009 is below the $0.001 that are spent");
    // The new limit is for all that is paid, that which was beyond the hold included: another hold has no room in it.
    run.ok(resume(dollars(1_200_000)));
    assert_eq!((run.state.budget[&Meter::Usd].available(), run.status()), (200_000, RunStatus::Waiting));
    assert!(matches!(run.state.halt, Some(HaltReason::Budget { frozen: false, needed: 266_000, available: 200_000, .. })), "{:?}", run.state.halt);
    run.ok(resume(dollars(2_000_000)));
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_model_without_a_price_may_not_be_asked_where_dollars_are_limited() {
    let unknown = || agent("a", "hi").param("model", json!("unheard-of"));
    let run = Harness::start(limited(workflow(vec![unknown()]), dollars(u64::MAX), OnExhausted::Fail));
    assert_eq!((run.status(), run.failure("a").class), (RunStatus::Failed, FailureClass::Denied));
    let run = Harness::start_with(workflow(vec![unknown()]), |run, _| run.dollars_limited = true);
    assert_eq!(run.status(), RunStatus::Failed);
    let run = Harness::start(workflow(vec![unknown()]));
    assert_eq!((run.open().len(), run.state.held().cost_nano_usd, run.state.held().tokens), (1, 0, 166));
    // The simulator is free, unless somebody says what it costs.
    let simulated = unknown().param("provider", json!("simulated"));
    let run = Harness::start(limited(workflow(vec![simulated]), dollars(0), OnExhausted::Fail));
    assert_eq!(run.open().len(), 1);
}

#[test]
fn a_prompt_is_held_for_up_to_the_window_of_its_model() {
    let run = Harness::start(workflow(vec![agent("a", &"x".repeat(50_000))]));
    assert_eq!(run.state.held().tokens, 10_100);
}

#[test]
fn a_budget_above_the_run_that_says_no_is_believed() {
    let key = BudgetKey { scope: Scope::Tenant("t".to_owned()), meter: Meter::Usd };
    let refused = |available, available_at_rest, frozen| Refused { available, available_at_rest, frozen };
    let start = |refused| {
        Harness::start_with(workflow(vec![agent("f", "hi").over(json!([1, 2, 3]), 5)]), |run, _| {
            run.refused.insert(key.clone(), refused);
        })
    };
    // What it can still give is given once.
    let mut run = start(refused(600_000, 900_000, false));
    assert_eq!((run.open().len(), run.status()), (2, RunStatus::Running));
    assert!(run.blocked.budgets.contains(&key));
    run.refused.clear();
    run.done_item("f", 0);
    assert_eq!(run.open().len(), 2);
    // It would fit later: it waits, although nothing of this run is in flight.
    let run = start(refused(0, 900_000, false));
    assert_eq!((run.open().len(), run.status(), run.state.halt.is_some()), (0, RunStatus::Running, false));
    // It never fits.
    let mut run = start(refused(100_000, 200_000, false));
    assert!(matches!(&run.state.halt, Some(HaltReason::Budget { key: k, needed: 266_000, available: 100_000, frozen: false, .. }) if *k == key));
    assert_eq!(run.status(), RunStatus::Failed);
    run.refused.clear();
    run.ok(resume(Limits::default()));
    assert_eq!(run.open().len(), 3);
    let run = start(refused(900_000, 900_000, true));
    assert!(matches!(&run.state.halt, Some(HaltReason::Budget { frozen: true, .. })));
}

#[test]
fn money_plays_no_part_where_none_is_asked_for() {
    let mut run = Harness::start(limited(workflow(vec![noop("a")]), dollars(0), OnExhausted::Fail));
    run.done("a");
    assert_eq!((run.status(), run.state.charged), (RunStatus::Completed, Amounts::ZERO));
}

#[test]
fn a_limit_can_be_set_at_any_time_but_never_below_what_is_spent() {
    let mut run = Harness::start(workflow(vec![agent("a", "hi"), agent("b", "hi")]));
    run.done("a");
    let before = crate::harness::digest(&run.state);
    run.no(resume(Limits { cost_nano_usd: Some(5_000_000), tokens: Some(14), calls: None }));
    assert_eq!(before, crate::harness::digest(&run.state), "of a command that is refused nothing happens");
    run.ok(resume(dollars(100_000)));
    let balance = run.state.budget[&Meter::Usd];
    assert_eq!((balance.spent, balance.reserved, balance.ceiling, balance.limit), (20_000, 266_000, 286_000, 100_000));
    assert!(balance.is_closed());
    run.done("b");
    assert_eq!(run.status(), RunStatus::Completed);
}

#[test]
fn a_pause_or_the_end_of_a_run_that_waits_for_money() {
    let start = || {
        let mut run = twenty(500_000, OnExhausted::Ask);
        exhaust(&mut run);
        run
    };
    let mut run = start();
    run.ok(cancel());
    assert_eq!(run.status(), RunStatus::Cancelled);
    let mut run = start();
    run.ok(pause());
    run.ok(resume(dollars(10_000_000)));
    assert_eq!(run.open().len(), 8);
}
