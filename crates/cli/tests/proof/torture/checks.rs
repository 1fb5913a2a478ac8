//! The check of a step can fail: what is lost or done twice is seen.

use super::*;

const MS: u64 = 1_000_000;

fn call(n: u64, end: End) -> Call {
    Call {
        id: format!("s000/0/1/0+{n}"),
        step: "s000".to_owned(),
        item: 0,
        kind: "process".to_owned(),
        started_ms: 10 + 10 * n,
        end,
        held: Value::Null,
        settlement: None,
    }
}

fn judge(calls: &[Call], seen: &[u64]) -> u64 {
    check_step("s000", &calls.iter().collect::<Vec<_>>(), seen)
}

fn doubted_then_settled() -> [Call; 2] {
    [call(0, End::Doubted { at_ms: 19 }), call(1, End::Settled { at_ms: 29 })]
}

#[test]
fn a_repeat_after_a_doubt_is_allowed_once() {
    assert_eq!(judge(&doubted_then_settled(), &[12 * MS, 22 * MS]), 1);
    assert_eq!(judge(&doubted_then_settled(), &[22 * MS]), 0);
}

#[test]
#[should_panic(expected = "s000 is lost")]
fn a_lost_step_is_seen() {
    judge(&[call(0, End::Settled { at_ms: 19 })], &[]);
}

#[test]
#[should_panic(expected = "was done 2 times with 0 doubts")]
fn a_repeat_without_a_doubt_is_seen() {
    judge(&[call(0, End::Settled { at_ms: 19 })], &[12 * MS, 13 * MS]);
}

#[test]
#[should_panic(expected = "was done again after it was settled")]
fn a_repeat_of_a_settled_call_is_seen_though_a_doubt_would_pay_for_it() {
    judge(&doubted_then_settled(), &[22 * MS, 31 * MS]);
}

#[test]
#[should_panic(expected = "one call of s000 was made 2 times")]
fn what_was_left_running_is_seen() {
    judge(&doubted_then_settled(), &[22 * MS, 23 * MS]);
}

#[test]
#[should_panic(expected = "was never made")]
fn a_result_out_of_nothing_is_seen() {
    judge(&doubted_then_settled(), &[12 * MS]);
}

#[test]
#[should_panic(expected = "has to be settled once")]
fn a_second_settlement_is_seen() {
    judge(&[call(0, End::Settled { at_ms: 19 }), call(1, End::Settled { at_ms: 29 })], &[12 * MS, 22 * MS]);
}
