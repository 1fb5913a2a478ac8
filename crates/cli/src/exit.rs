//! What the process ends with.

use std::process::ExitCode;

use gorgon_core::run::RunStatus;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked; a run is completed.
    Done,
    /// A run is failed, partial or cancelled.
    Failed,
    /// The call or what it names makes no sense.
    Invalid,
    /// A fault of Gorgon itself.
    Internal,
    /// A run waits for somebody.
    Waiting,
    /// A disk, a permission, a store that is held or damaged.
    Environment,
    /// Interrupted; the run can be resumed.
    Interrupted,
}

impl Exit {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::Internal => 3,
            Self::Waiting => 4,
            Self::Environment => 5,
            Self::Interrupted => 130,
        }
    }

    /// For a run that this command followed as far as it goes.
    pub(crate) fn of_status(status: RunStatus) -> Self {
        match status {
            RunStatus::Completed => Self::Done,
            RunStatus::Partial | RunStatus::Failed | RunStatus::Cancelled => Self::Failed,
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused | RunStatus::Cancelling | RunStatus::Compensating => {
                Self::Waiting
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
