//! `Recover`: a new owner has taken the run over.

use super::Rejection;
use super::call::Cause;
use super::decider::Decider;
use crate::run::OpenCall;

impl Decider<'_> {
    /// Every call ordered under an earlier epoch is in doubt: its process died, and what it asked may or may not have been done.
    pub(super) fn recover(&mut self) -> Result<(), Rejection> {
        let stale: Vec<OpenCall> = self.state.open.values().filter(|call| call.epoch < self.facts.epoch).cloned().collect();
        for call in stale {
            self.doubt(&call, "it was in flight when the process that made it ended".to_owned(), Cause::Crash);
        }
        Ok(())
    }
}
