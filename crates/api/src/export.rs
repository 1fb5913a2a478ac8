//! `GET /v1/runs/{id}/export`.

use gorgon_core::definition::Definition;
use gorgon_core::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::{AppendFrame, Run};

/// Everything about a run in one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// How it stands, with its inputs and outputs.
    pub run: Run,
    /// What it is pinned to.
    pub definition: Definition,
    /// Which steps run, and why.
    pub plan: Plan,
    /// The text that the definition was loaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Everything that happened.
    pub events: Vec<AppendFrame>,
}
