//! Events in any order, of steps that are not there, with numbers that make no sense: nothing breaks.

use gorgon_core::event::Event;
use gorgon_core::run::RunState;
use gorgon_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::build::{Say, branch, noop, parallel, program, signal, workflow};
use crate::rng::Rng;

fn any_number(rng: &mut Rng) -> u64 {
    *rng.pick(&[0, 1, 2, 3, 7, 90, u64::from(u32::MAX)]).unwrap()
}

fn any_event(rng: &mut Rng) -> Event {
    let step = *rng.pick(&["a", "f", "p", "x", "y", "way", "s", "nobody"]).unwrap();
    let item = any_number(rng);
    let at = json!({ "step": step, "item": item });
    let call = json!({ "step": step, "item": item, "attempt": any_number(rng), "call": any_number(rng), "redo": any_number(rng) });
    let failure = json!({ "class": "refused", "message": "no" });
    let outcome = [json!({ "succeeded": { "value": 1 } }), json!({ "failed": { "failure": failure } }), json!({ "in_doubt": { "evidence": "" } })]
        [rng.below(3) as usize]
        .clone();
    let amounts = json!({ "cost_nano_usd": rng.next() >> rng.below(60), "tokens": rng.next() >> rng.below(60), "calls": any_number(rng) });
    let settlement = if rng.chance(50) { json!({ "held": amounts, "charged": amounts, "source": "reported" }) } else { Value::Null };
    let wait = [json!({ "timer": { "ms": 5 } }), json!({ "signal": { "name": "go" } }), json!({ "approval": { "prompt": "?", "preview": 1 } })]
        [rng.below(3) as usize]
        .clone();
    let hash = "0".repeat(64);
    let until = rng.chance(50).then(|| any_number(rng));
    let status = *rng.pick(&["queued", "running", "waiting", "paused", "cancelling", "completed", "failed"]).unwrap();
    let reason = [
        json!({ "step_failed": { "step": step, "failure": failure } }),
        json!({ "budget": { "key": { "scope": "run", "meter": "usd" }, "step": step, "needed": 1, "available": 0, "frozen": false } }),
        json!({ "timed_out": { "limit_ms": 1 } }),
        json!({ "cancelled": { "by": "x" } }),
    ][rng.below(4) as usize]
        .clone();
    let instead = [Value::Null, json!("resolved"), json!({ "failed_items": { "failed": 1 } }), json!({ "default_output": { "failure": failure } })]
        [rng.below(4) as usize]
        .clone();
    let event = match rng.below(28) {
        0 => {
            json!({ "run_created": { "edition": 1, "id": "run_00000000000000000000000007", "definition": hash, "plan": hash, "inputs": { "yes": 1 }, "start": { "tenant": "", "by": "", "folder": "" }, "limits": { "cost_nano_usd": rng.next() } } })
        }
        1 => json!({ "status_changed": { "status": status } }),
        2 => json!({ "step_skipped": { "step": step, "reason": "branch" } }),
        3 => json!({ "group_opened": { "step": step } }),
        4 => json!({ "fanned_out": { "step": step, "items": [1, 2, 3], "count": any_number(rng) } }),
        5 => json!({ "attempt_started": { "at": at, "attempt": any_number(rng), "input": {} } }),
        6 => {
            json!({ "call_started": { "call": call, "request": { "noop": {} }, "class": "pure", "epoch": any_number(rng), "timeout_ms": 1, "hold": { "amounts": amounts, "table": hash } } })
        }
        7 => json!({ "call_settled": { "call": call, "outcome": outcome, "settlement": settlement } }),
        8 => {
            json!({ "call_doubted": { "call": call, "evidence": "", "verdict": *rng.pick(&["redo", "fail", "ask", "leave"]).unwrap(), "settlement": settlement } })
        }
        9 => json!({ "doubt_resolved": { "at": at, "resolution": *rng.pick(&["redo", "fail"]).unwrap(), "by": "" } }),
        10 | 26 => {
            json!({ "wait_started": { "at": at, "attempt": any_number(rng), "wait": wait, "until": until, "gate": rng.chance(50), "hash": hash } })
        }
        11 => json!({ "approval_decided": { "at": at, "hash": hash, "approved": rng.chance(50), "by": "" } }),
        12 => json!({ "signal_received": { "name": "go", "payload": 1 } }),
        13 => json!({ "wait_ended": { "at": at, "outcome": outcome, "signal": "go" } }),
        14 => json!({ "attempt_failed": { "at": at, "attempt": 1, "failure": failure, "retry_at": until } }),
        15 => json!({ "backoff_ended": { "at": at } }),
        16 => json!({ "item_succeeded": { "step": step, "item": item, "outputs": {} } }),
        17 => json!({ "item_failed": { "step": step, "item": item, "failure": failure } }),
        18 => json!({ "step_succeeded": { "step": step, "outputs": {}, "instead": instead } }),
        19 => json!({ "step_failed": { "step": step, "failure": failure, "tolerated": rng.chance(50) } }),
        20 => json!({ "fallback_chosen": { "step": step, "fallback": *rng.pick(&["a", "f", "p"]).unwrap(), "failure": failure } }),
        21 => json!({ "halted": { "reason": reason } }),
        22 => json!({ "paused": { "by": "" } }),
        23 => json!({ "resumed": { "by": "" } }),
        27 => json!({ "taken_over": { "idle_ms": any_number(rng) } }),
        24 => json!({ "reopened": { "steps": [step, "f"], "keep": [*rng.pick(&["a", "f", "p"]).unwrap()], "by": "" } }),
        _ => json!({ "run_finished": { "status": status, "outputs": {} } }),
    };
    serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_events_in_any_order_can_be_applied(seed: u64, count in 1_usize..60) {
        let mut rng = Rng::new(seed);
        let mut state = RunState::new(program(workflow(vec![
            noop("a"),
            noop("f").over(json!([1, 2]), 2).allows_failures(),
            parallel("p", vec![noop("x"), noop("y").after(&["x"])]),
            branch("way", "inputs.yes", &["s"], &[]),
            signal("s", "go").after(&["way"]),
        ])));
        for _ in 0..count {
            let at = Timestamp(*rng.pick(&[0, 5, i64::MAX, i64::MIN]).unwrap());
            let event = any_event(&mut rng);
            state.evolve(at, &event);
            let _ = (state.due().count(), state.wake(), state.waiting_for(), state.held());
            for ix in 0..state.steps.len() {
                let _ = state.step_value(ix);
            }
        }
    }
}
