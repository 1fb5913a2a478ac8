//! What reaches the owner of a run.

use std::sync::Arc;

use gorgon_core::call::Outcome;
use gorgon_core::command::Command;
use gorgon_core::ids::CallId;
use gorgon_core::run::RunState;
use gorgon_core::run::RunStatus;
use tokio::sync::{mpsc, oneshot};

use crate::error::CommandError;

/// Most messages that wait in a mailbox. What sends more waits; nothing is dropped.
pub(crate) const MAILBOX_MAX: usize = 1_024;

/// A message to the owner of a run.
pub(crate) enum Message {
    /// A request, with who wants to know what became of it.
    Command(Command, oneshot::Sender<Result<(), CommandError>>),
    /// A call has ended.
    Completed(CallId, Outcome),
    /// Look again: time has passed, a permit or money was given back, an owner has taken over.
    Poke,
    /// Somebody wants to see the state.
    Show(oneshot::Sender<Arc<RunState>>),
    /// Somebody who watches wants to know where the run is, to go on from there.
    Whereabouts(oneshot::Sender<Whereabouts>),
}

/// Where a run is.
pub(crate) struct Whereabouts {
    /// The number of its last append.
    pub(crate) seq: u64,
    /// The position of its last append in the log.
    pub(crate) pos: u64,
    /// How the run stands.
    pub(crate) status: RunStatus,
}

/// The way to the owner of a run.
pub(crate) type Mailbox = mpsc::Sender<Message>;
