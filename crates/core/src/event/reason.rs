//! Why something happened otherwise than by the plain way: left out, in doubt, replaced, stopped.

use serde::{Deserialize, Serialize};

use crate::budget::BudgetKey;
use crate::call::Failure;
use crate::ids::StepId;
use crate::payload::Payload;

/// Why a step is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its condition is false.
    Condition,
    /// A branch chose another way.
    Branch,
    /// It depends only on steps that a branch left out.
    NotReached,
    /// It was a fallback that was not needed.
    NotNeeded,
    /// The group that it stands in failed before it started.
    GroupFailed,
    /// The loop that it stands in had no round.
    NoRound,
}

impl SkipReason {
    /// Whether the workflow left it out by itself: not because of a failure, and not at the end because nobody needed it.
    #[must_use]
    pub fn is_a_choice(self) -> bool {
        matches!(self, Self::Condition | Self::Branch | Self::NotReached | Self::NoRound)
    }

    /// In words.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Condition => "its condition is false",
            Self::Branch => "the branch chose another way",
            Self::NotReached => "everything it depends on was left out by a branch",
            Self::NotNeeded => "a fallback that was not needed",
            Self::GroupFailed => "its group failed before it started",
            Self::NoRound => "its loop had no round",
        }
    }
}

/// What happens with a call in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtVerdict {
    /// It is done again.
    Redo,
    /// Its attempt failed.
    Fail,
    /// Somebody has to say.
    Ask,
    /// Nothing: the run is ending.
    Leave,
}

/// What somebody says about a call in doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Do it again.
    Redo,
    /// It was done, with these outputs.
    Done {
        /// The outputs of the step.
        outputs: Payload,
    },
    /// It failed.
    Fail,
}

/// What took the place of a failed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// The value of its `fallback`.
    FallbackValue {
        /// Why the step failed.
        failure: Failure,
    },
    /// The step of its `fallback`.
    FallbackStep {
        /// Which.
        step: StepId,
    },
    /// Its `default_output`; the run ends `partial`.
    DefaultOutput {
        /// Why the step failed.
        failure: Failure,
    },
    /// Elements failed and were allowed to; the run ends `partial`.
    FailedItems {
        /// How many.
        failed: u32,
    },
    /// Somebody said what it gave.
    Resolved,
}

/// Why nothing new starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltReason {
    /// A step failed and its failure is not tolerated. What is in flight is let finish: it is paid for.
    StepFailed {
        /// Which.
        step: StepId,
        /// Why.
        failure: Failure,
    },
    /// A budget is exhausted or frozen. What is in flight is let finish.
    Budget {
        /// Which.
        key: BudgetKey,
        /// The step that wanted more.
        step: StepId,
        /// What its call would have needed.
        needed: u64,
        /// What the budget could still give.
        available: u64,
        /// Whether it is frozen.
        frozen: bool,
    },
    /// The run took too long. What is in flight is stopped.
    TimedOut {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// Somebody ended it. What is in flight is stopped.
    Cancelled {
        /// Who.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl HaltReason {
    /// Whether what is in flight is stopped.
    #[must_use]
    pub fn stops_calls(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Cancelled { .. })
    }
}
