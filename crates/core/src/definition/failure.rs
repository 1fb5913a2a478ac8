//! What happens when a step fails: tries, delays, ways on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::StepId;

/// What happens when all attempts of a step failed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run fails. Calls in flight are let finish, for they are paid for; nothing new starts.
    #[default]
    Abort,
    /// As `abort`: the predecessors' word for a step whose retries are all that can be done.
    Retry,
    /// The run goes on without it and ends `partial`.
    Skip,
    /// Something else takes its place; the step counts as succeeded, marked.
    Fallback(Fallback),
    /// The run goes on with these outputs and ends `partial`.
    ContinueWithDefault(Map<String, Value>),
}

/// What takes the place of a failed step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// This value: of the first output, or an object with the outputs.
    Value(Value),
    /// The outputs of this step, which runs only then.
    Step(StepId),
}

/// How often a step is tried, and how long it waits in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all. `None`: the file gives no number, then only transient failures are tried again, twice.
    pub max_attempts: Option<u32>,
    /// The form of the delays.
    pub backoff: Backoff,
    /// First delay in milliseconds.
    pub initial_delay_ms: u64,
    /// Longest delay in milliseconds, jitter included.
    pub max_delay_ms: u64,
    /// Factor of the exponential form, in thousandths (2000 doubles).
    pub multiplier_thousandths: u64,
    /// Whether each delay is shortened by a random part, up to half of it.
    pub jitter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: None,
            backoff: Backoff::Exponential,
            initial_delay_ms: 1_000,
            max_delay_ms: 60_000,
            multiplier_thousandths: 2_000,
            jitter: true,
        }
    }
}

/// The form of the delays between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always the first delay.
    Fixed,
    /// The first delay times the number of failures.
    Linear,
    /// The first delay times the multiplier for each failure after the first.
    #[default]
    Exponential,
    /// The first delay times 1, 1, 2, 3, 5, 8 …
    Fibonacci,
    /// What the other side asked for; else exponential when it is overloaded, fixed when it was not reached.
    Adaptive,
}
