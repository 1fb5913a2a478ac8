//! Why the engine did not do what it was asked.

use gorgon_core::command::Rejection;
use gorgon_core::diagnostic::Diagnostic;
use gorgon_ports::StoreError;

/// A run was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// What was asked for cannot run. Nothing was written.
    #[error("the run cannot start")]
    Invalid(Vec<Diagnostic>),
    /// The core refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run was not made out of another.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// No run has this id.
    #[error("no run has this id")]
    UnknownRun,
    /// What was asked for cannot start.
    #[error(transparent)]
    Create(#[from] CreateError),
}

impl From<ReadError> for ForkError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownRun => Self::UnknownRun,
            ReadError::Store(error) => Self::Create(CreateError::Store(error)),
        }
    }
}

impl From<StoreError> for ForkError {
    fn from(error: StoreError) -> Self {
        Self::Create(CreateError::Store(error))
    }
}

/// A command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No run has this id.
    #[error("no run has this id")]
    UnknownRun,
    /// The core refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No run has this id.
    #[error("no run has this id")]
    UnknownRun,
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownRun => Self::UnknownRun,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}
