//! A store in memory: nothing outlives the process.
//!
//! It is the simplest code that keeps the contract, so it serves as the oracle that the other stores are compared with, and as the store of runs that
//! nobody wants to keep. It never touches a disk, and never answers `Unknown` or `Full`.
#![warn(missing_docs)]

mod commit;
mod ledger;
mod ports;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gorgon_ports::StoreError;

use self::state::State;

/// The store. Clones are handles of the same one.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed(state::CLOSED.to_owned())) } else { Ok(state) }
    }
}
