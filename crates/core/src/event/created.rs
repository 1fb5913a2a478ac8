//! What a run is pinned to from its first event on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::{Limits, Scope};
use crate::definition::OnExhausted;
use crate::fork::Fork;
use crate::ids::{ContentHash, RunId};
use crate::payload::Payload;
use crate::step::ModelChoice;

/// Everything that a run is pinned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunCreated {
    /// The edition of the core that rules the run.
    pub edition: u16,
    /// The public id.
    pub id: RunId,
    /// The hash of the definition, which lies beside the log.
    pub definition: ContentHash,
    /// The hash of the plan, which lies beside the log.
    pub plan: ContentHash,
    /// The hash of the text that the definition was loaded from, which lies beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ContentHash>,
    /// The inputs, defaults filled in.
    pub inputs: Payload,
    /// Where and with what it was started.
    pub start: Start,
    /// Limits of the run's own budget.
    pub limits: Limits,
    /// What happens when a budget is exhausted.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    /// Budgets above the run that it draws on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// The run that it was made out of, and what it keeps of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Box<Fork>>,
}

/// Where and with what a run was started. Later processes see these, not their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Start {
    /// Whose run it is.
    pub tenant: String,
    /// Who started it.
    pub by: String,
    /// The starter's folder, absolute.
    pub folder: String,
    /// The file that it was started from, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the settings let through of the starter's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Which models answer.
    #[serde(default)]
    pub models: ModelChoice,
}
