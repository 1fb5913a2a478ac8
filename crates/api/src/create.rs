//! `POST /v1/runs`.

use std::collections::BTreeMap;

use gorgon_core::budget::Limits;
use gorgon_core::definition::Definition;
use gorgon_core::event;
use gorgon_core::step::ModelChoice;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Start a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRun {
    /// What to run, normalised: what a loader made of a file.
    pub definition: Definition,
    /// The text that it was loaded from, to show differences by later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Outputs or steps that have to be reached; empty: those of the definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<String>,
    /// Values of inputs, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Limits that take the place of the file's.
    #[serde(default)]
    pub limits: Limits,
    /// Where and with what it is started.
    pub start: Start,
}

/// Where and with what a run is started: what later processes see instead of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Who starts it, where the server does not know better.
    #[serde(default)]
    pub by: String,
    /// The folder in which its processes run and below which its files lie, absolute.
    pub folder: String,
    /// The file that it is started from, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the starter's settings let through of the starter's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Which models answer.
    #[serde(default)]
    pub models: ModelChoice,
}

impl Start {
    /// As it stands in the history of the run.
    #[must_use]
    pub fn of_tenant(self, tenant: impl Into<String>) -> event::Start {
        let Self { by, folder, file, env, models } = self;
        event::Start { tenant: tenant.into(), by, folder, file, env, models }
    }
}
