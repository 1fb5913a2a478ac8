//! A run whose first append is on disk, or why it has none.

use gorgon_core::command::Blocked;
use gorgon_core::event::Event;
use gorgon_core::run::RunState;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Receipt, StoreError};

use crate::engine::Deciding;
use crate::history::Head;

/// A run whose first append is on disk.
pub(crate) struct Created {
    pub(super) state: RunState,
    pub(super) head: Head,
    pub(crate) receipt: Receipt,
    pub(super) events: Vec<Event>,
    pub(super) body: bytes::Bytes,
    pub(super) at: Timestamp,
    pub(super) blocked: Blocked,
    pub(super) refunds_seen: u64,
    /// Until its owner has started what it ordered.
    pub(super) _deciding: Deciding,
}

impl Created {
    /// Its state.
    pub(crate) fn state(&self) -> &RunState {
        &self.state
    }

    /// Its state, if nothing more is to happen to it.
    pub(crate) fn into_state(self) -> RunState {
        self.state
    }
}

/// Why a run could not be created.
pub(crate) enum CreateFailed {
    Rejected(gorgon_core::command::Rejection),
    Store(StoreError),
}
