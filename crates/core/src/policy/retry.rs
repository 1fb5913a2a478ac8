//! Whether to try again.

use crate::call::Failure;
use crate::definition::Step;

/// Attempts in all, if the file gives no number: and then only transient failures are tried again.
pub const ATTEMPTS_DEFAULT: u32 = 3;

/// Whether a step that has failed `failures` times, the last time so, is tried again.
#[must_use]
pub fn tries_again(step: &Step, failures: u32, failure: &Failure) -> bool {
    if !failure.class.may_be_retried() {
        return false;
    }
    match step.retry.max_attempts {
        Some(attempts) => failures < attempts,
        // What may do harm a second time is repeated only where somebody asked for it, by a number or by what is to happen in doubt.
        None => failures < ATTEMPTS_DEFAULT && failure.class.is_transient() && step.effect.bears_another(step.on_in_doubt),
    }
}
