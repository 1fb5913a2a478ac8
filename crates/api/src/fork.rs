//! `POST /v1/runs/{id}/fork`: a new run out of an old one.

use std::collections::BTreeMap;

use gorgon_core::budget::Limits;
use gorgon_core::definition::Definition;
use gorgon_core::fork::Repeated;
use gorgon_core::ids::StepId;
use gorgon_core::plan::Cost;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Run;

/// Make a new run out of one. Without `at` and `from`, everything that is unchanged is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// Keep everything up to and with this append.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Keep what is unchanged, but nothing from this step on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StepId>,
    /// Another version of the workflow. Not with `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Values that take the place of the old run's inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Who answers all questions to models from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Which model does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Limits that take the place of the old run's.
    #[serde(default)]
    pub limits: Limits,
    /// Who asks, where the server does not know better.
    #[serde(default)]
    pub by: String,
    /// Say what it would be, and make nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// What to run, normalised.
    pub definition: Definition,
    /// The text that it was loaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Outputs or steps that have to be reached; empty: those of the definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// The new run; absent if it was not to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Steps whose results are kept: they cost nothing.
    pub kept: Vec<StepId>,
    /// Steps of which a part is kept: elements, steps inside of them, turns of a conversation.
    pub begun: Vec<StepId>,
    /// What the old run did to the world and the new one does again.
    pub repeated: Vec<Repeated>,
    /// What the rest can cost.
    pub cost: Cost,
}
