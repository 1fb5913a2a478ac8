//! A workflow after loading: immutable, every default written out, known by the hash of its content.
//!
//! Loaders of every dialect produce a [`Definition`]; nothing behind them looks at source text again.

mod failure;
mod input;
mod step;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::failure::{Backoff, Fallback, OnFailure, Retry};
pub use self::input::{InputError, InputSpec, InputType};
pub use self::step::{Approval, EffectClass, FanOut, Guard, OnInDoubt, Step};
use crate::budget::Limits;
use crate::ids::ContentHash;
use crate::money::Meter;

/// What a user wrote, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name, as people say it.
    pub name: String,
    /// Version, as the file says it.
    pub version: String,
    /// What the workflow is for.
    pub description: String,
    /// What has to be given, by name, in file order.
    pub inputs: IndexMap<String, InputSpec>,
    /// What comes out, by name: the description.
    pub outputs: IndexMap<String, String>,
    /// Limits on what a run may spend.
    pub budget: Budget,
    /// Longest time that a run may be active (neither waiting for somebody nor paused), in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Outputs or steps that have to be reached; empty: all steps run.
    pub goals: Vec<String>,
    /// Most steps and items that are in flight at once.
    pub concurrency: u32,
    /// Which rule orders steps that say nothing of their order.
    pub order: Order,
    /// Anything; never read.
    pub metadata: Map<String, Value>,
    /// The steps in file order.
    pub steps: Vec<Step>,
}

/// Which rule orders the steps of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other as they stand in the file: no step says `depends_on`, and nobody asked for parallel order.
    File,
    /// By `depends_on` and references; a step with neither follows the one before it.
    Edges,
    /// By `depends_on` and references only (`settings.auto_parallel: true`).
    EdgesOnly,
}

/// What a run may spend, and what happens when it is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Limit of each meter.
    pub limits: Limits,
    /// What happens at the limit.
    pub on_exhausted: OnExhausted,
}

/// What happens when a budget is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The run fails; a top-up and `resume` go on at the step that was stopped.
    #[default]
    Fail,
    /// The run pauses.
    Pause,
    /// The run waits for somebody to raise the limit or to cancel.
    Ask,
}

impl Budget {
    /// Whether a meter is limited.
    #[must_use]
    pub fn limits(&self, meter: Meter) -> bool {
        self.limits.of(meter).is_some()
    }
}

impl Definition {
    /// The canonical text: what is hashed and stored.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of the canonical text.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(self.canonical_json().as_bytes())
    }

    /// Inputs with the defaults of those that were not given.
    #[must_use]
    pub fn with_defaults(&self, mut inputs: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        for (name, spec) in &self.inputs {
            if let Some(default) = spec.default.as_ref().filter(|_| !inputs.contains_key(name)) {
                inputs.insert(name.clone(), default.clone());
            }
        }
        inputs
    }

    /// Every step, nested ones included, parents before children.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().flat_map(Step::with_nested)
    }

    /// The step of this id, nested ones included.
    #[must_use]
    pub fn find_step(&self, id: &str) -> Option<&Step> {
        self.all_steps().find(|step| step.id.as_str() == id)
    }
}

/// Most steps and items in flight at once, if the file does not say.
pub const CONCURRENCY_DEFAULT: u32 = 64;
