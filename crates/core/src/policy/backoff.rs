//! How long to wait before trying again.

use crate::call::{Failure, FailureClass};
use crate::definition::{Backoff, Retry};

/// The delay after the `failures`-th failure (from 1), in milliseconds: never above the cap, jitter included. Where the other side said how long to wait, it
/// is not asked before, whatever the form.
#[must_use]
pub fn delay_ms(retry: &Retry, failures: u32, failure: &Failure, seed: u64) -> u64 {
    let before = failures.saturating_sub(1);
    let first = retry.initial_delay_ms;
    let plain = match retry.backoff {
        Backoff::Fixed => first,
        Backoff::Linear => first.saturating_mul(u64::from(before) + 1),
        Backoff::Exponential => exponential(retry, before),
        Backoff::Fibonacci => first.saturating_mul(fibonacci(before)),
        Backoff::Adaptive => match (failure.retry_after_ms, failure.class) {
            (Some(asked), _) => asked,
            (None, FailureClass::RateLimited | FailureClass::Overloaded) => exponential(retry, before),
            (None, _) => first,
        },
    };
    let capped = plain.min(retry.max_delay_ms);
    let delay = if retry.jitter { capped - scramble(seed) % (capped / 2 + 1) } else { capped };
    delay.max(failure.retry_after_ms.unwrap_or(0).min(retry.max_delay_ms))
}

fn exponential(retry: &Retry, before: u32) -> u64 {
    let mut delay = u128::from(retry.initial_delay_ms) * 1_000;
    let cap = u128::from(retry.max_delay_ms) * 1_000;
    for _ in 0..before {
        if delay >= cap {
            break;
        }
        delay = delay * u128::from(retry.multiplier_thousandths) / 1_000;
        // A multiplier of 1 or less never reaches the cap; it does not grow either, so the result is final.
        if retry.multiplier_thousandths <= 1_000 && delay == 0 {
            break;
        }
    }
    u64::try_from(delay.min(cap) / 1_000).unwrap_or(u64::MAX)
}

/// 1, 1, 2, 3, 5, 8 …
fn fibonacci(place: u32) -> u64 {
    let (mut a, mut b) = (1_u64, 1_u64);
    for _ in 0..place.min(92) {
        (a, b) = (b, a.saturating_add(b));
    }
    a
}

/// One step of splitmix64: equal seeds give equal jitter, neighbouring seeds do not.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delays(backoff: Backoff, failure: &Failure) -> Vec<u64> {
        let retry = Retry { backoff, jitter: false, ..Retry::default() };
        (1..=9).map(|n| delay_ms(&retry, n, failure, 0) / 1_000).collect()
    }

    #[test]
    fn delays_follow_the_table_up_to_the_cap() {
        let refused = Failure::new(FailureClass::Refused, "no");
        assert_eq!(delays(Backoff::Fixed, &refused), [1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(delays(Backoff::Linear, &refused), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(delays(Backoff::Exponential, &refused), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(delays(Backoff::Fibonacci, &refused), [1, 1, 2, 3, 5, 8, 13, 21, 34]);
        assert_eq!(delays(Backoff::Fibonacci, &refused).len(), 9);
        let retry = Retry { backoff: Backoff::Fibonacci, jitter: false, ..Retry::default() };
        assert_eq!(delay_ms(&retry, 11, &refused, 0), 60_000, "the cap holds for every form");
        let retry = Retry { backoff: Backoff::Linear, jitter: false, ..Retry::default() };
        assert_eq!(delay_ms(&retry, 61, &refused, 0), 60_000, "the cap holds for every form");
    }

    #[test]
    fn adaptive_listens_to_the_other_side() {
        let asked = Failure { retry_after_ms: Some(7_000), ..Failure::new(FailureClass::RateLimited, "slow down") };
        assert_eq!(delays(Backoff::Adaptive, &asked), [7; 9]);
        for form in [Backoff::Fixed, Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci] {
            assert!(delays(form, &asked).iter().all(|delay| *delay >= 7), "{form:?} does not ask before the time that it was told");
        }
        let jitter = Retry { jitter: true, ..Retry::default() };
        assert!((0..99).all(|seed| delay_ms(&jitter, 1, &asked, seed) == 7_000), "nor does chance make it shorter");
        let overloaded = Failure::new(FailureClass::Overloaded, "busy");
        assert_eq!(delays(Backoff::Adaptive, &overloaded), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let unreachable = Failure::new(FailureClass::Transport, "gone");
        assert_eq!(delays(Backoff::Adaptive, &unreachable), [1; 9]);
    }

    proptest! {
        #[test]
        fn no_delay_passes_the_cap(
            form in 0_usize..5, first in 0_u64..1_000_000, cap in 0_u64..1_000_000, times in 0_u64..10_000, failures in 0_u32..10_000,
            asked in proptest::option::of(0_u64..u64::MAX), seed: u64, jitter: bool,
        ) {
            let backoff = [Backoff::Fixed, Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci, Backoff::Adaptive][form];
            let retry = Retry { max_attempts: None, backoff, initial_delay_ms: first, max_delay_ms: cap, multiplier_thousandths: times, jitter };
            let failure = Failure { retry_after_ms: asked, ..Failure::new(FailureClass::RateLimited, "slow down") };
            prop_assert!(delay_ms(&retry, failures, &failure, seed) <= cap);
        }
    }
}
