//! `Cancel`: the run is to end. An event first; then what is in flight is stopped, and settled.

use super::Rejection;
use super::decider::Decider;
use crate::event::{Event, HaltReason};

impl Decider<'_> {
    pub(super) fn cancel(&mut self, by: String, reason: Option<String>) -> Result<(), Rejection> {
        if self.state.status.is_terminal() {
            return Err(Rejection::state(format!("the run is {} already", self.state.status.word())));
        }
        if self.state.halt.as_ref().is_some_and(HaltReason::stops_calls) {
            return Err(Rejection::state("the run is ending already"));
        }
        self.emit(Event::Halted { reason: HaltReason::Cancelled { by, reason } });
        Ok(())
    }
}
