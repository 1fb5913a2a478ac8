//! `GET /v1/runs/{id}/logs`: what steps wrote.

use serde::{Deserialize, Serialize};

/// The kept output of a run's steps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Logs {
    /// One for each attempt that wrote something, by name.
    pub logs: Vec<Log>,
}

/// What one attempt of a step wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// `STEP.ITEM.ATTEMPT.log`.
    pub name: String,
    /// The text, as far as it was kept.
    pub text: String,
}
