//! From a definition and goals to a plan: which steps run, in which order, and why.
//!
//! A [`Plan`] is data: immutable, stored with the run, shown to people. A [`Program`] is the same thing made ready to run: templates parsed, names
//! bound, edges counted. Compiling is pure, so a program is never stored.

mod compile;
mod cost;
mod edges;
mod program;
mod select;

use serde::{Deserialize, Serialize};

pub use self::compile::compile;
pub use self::cost::{Cost, Verdict, cost, cost_of_rest};
pub use self::edges::{file_order_inside, find_cycle, names_for, names_in, names_inside, names_of, order_inside, sibling_edges};
pub use self::program::{Code, GuardCode, ItemsCode, Node, NodeIx, Program};
use crate::ids::{ContentHash, StepId};

/// Which steps of a definition run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The definition that it is for.
    pub definition: ContentHash,
    /// What is to be reached; empty: everything.
    pub goals: Vec<String>,
    /// Steps that run, in file order, parents before the steps inside of them.
    pub included: Vec<Included>,
    /// Steps that do not.
    pub excluded: Vec<Excluded>,
}

/// A step that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Included {
    /// The step.
    pub step: StepId,
    /// What has to be done before it, each with the reason.
    pub after: Vec<After>,
    /// Why it runs.
    pub reason: Reason,
}

/// One reason to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The step that comes first.
    pub step: StepId,
    /// Why.
    pub because: EdgeKind,
}

/// Why one step waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// It refers to its outputs.
    Reference,
    /// It says `depends_on`.
    DependsOn,
    /// A branch decides whether it runs.
    Branch,
    /// It stands after it in the file.
    FileOrder,
}

impl EdgeKind {
    /// Whether a step that a branch left out takes this one with it.
    #[must_use]
    pub fn carries_exclusion(self) -> bool {
        matches!(self, Self::Reference | Self::DependsOn)
    }
}

/// Why a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No goals were named, so every step runs.
    Everything,
    /// It is a goal, or gives one.
    Goal(String),
    /// This step needs it.
    NeededBy(StepId),
    /// It stands inside of this step.
    Inside(StepId),
    /// It takes the place of this step if that fails.
    FallbackOf(StepId),
}

/// A step that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The step.
    pub step: StepId,
    /// Why.
    pub reason: ExcludedReason,
}

/// Why a step does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExcludedReason {
    /// No goal needs it.
    NotNeeded,
}

impl Plan {
    /// The canonical text: what is hashed and stored.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
