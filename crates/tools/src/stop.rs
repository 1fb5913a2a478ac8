//! The two reasons for which a call is ended from outside.

use std::time::Instant;

use gorgon_core::call::{Failure, FailureClass};
use tokio_util::sync::CancellationToken;

/// Why a call is to end before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its time is up.
    Deadline,
    /// Nobody wants its result any more.
    Cancelled,
}

impl Stop {
    /// Whether the call has to end before it begins.
    pub(crate) fn now(deadline: Instant, cancel: &CancellationToken) -> Option<Self> {
        if cancel.is_cancelled() {
            return Some(Self::Cancelled);
        }
        (Instant::now() >= deadline).then_some(Self::Deadline)
    }

    /// Returns when the call has to end.
    pub(crate) async fn wait(deadline: Instant, cancel: &CancellationToken) -> Self {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Self::Cancelled,
            () = tokio::time::sleep_until(deadline.into()) => Self::Deadline,
        }
    }

    /// The failure of work that is known to have ended.
    pub(crate) fn failure(self, what: &str) -> Failure {
        match self {
            Self::Deadline => Failure::new(FailureClass::TimedOut, format!("{what} took too long and was ended")),
            Self::Cancelled => Failure::new(FailureClass::Cancelled, format!("{what} was cancelled")),
        }
    }

    /// The reason as the end of a sentence.
    pub(crate) fn because(self) -> &'static str {
        match self {
            Self::Deadline => "its time was up",
            Self::Cancelled => "it was cancelled",
        }
    }
}
