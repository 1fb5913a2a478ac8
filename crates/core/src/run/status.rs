//! The words for how runs and steps stand.

use serde::{Deserialize, Serialize};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Created, not begun.
    Queued,
    /// Something is in flight or about to be.
    Running,
    /// Nothing moves until somebody or something comes: an approval, a signal, a timer, a doubt, a budget.
    Waiting,
    /// Somebody stopped it; nothing new starts until it is resumed.
    Paused,
    /// It is to end; what is in flight is being stopped.
    Cancelling,
    /// Effects are being undone.
    Compensating,
    /// Every included step succeeded or was left out by its condition.
    Completed,
    /// It went on past a failure, and came to its end.
    Partial,
    /// It ended without reaching its end.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Cancelling,
        Self::Compensating,
        Self::Completed,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word on every surface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether nothing will happen any more unless somebody asks for it.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Partial | Self::Failed | Self::Cancelled)
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Something before it is not done.
    #[default]
    Pending,
    /// It may start as soon as there is room for it.
    Ready,
    /// It is being worked on.
    Running,
    /// It waits: for somebody, for a signal, for time, for its next attempt.
    Waiting,
    /// It gave its outputs.
    Succeeded,
    /// It did not.
    Failed,
    /// It was left out.
    Skipped,
    /// It was stopped.
    Cancelled,
    /// A call of it was in flight when the process died, and nobody knows how far it came.
    InDoubt,
}

impl StepStatus {
    /// The word on every surface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::InDoubt => "in_doubt",
        }
    }

    /// How it stands in a run of this status: in one that has ended nothing runs and nothing waits, though what its budget stopped can go on where it is.
    #[must_use]
    pub fn shown_in(self, run: RunStatus) -> Self {
        match self {
            Self::Running | Self::Waiting if run.is_terminal() => Self::Cancelled,
            Self::Ready if run.is_terminal() => Self::Pending,
            other => other,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled)
    }
}
