//! `Pause`: nothing new starts. What is in flight goes on; it is paid for.

use super::Rejection;
use super::decider::Decider;
use crate::event::Event;

impl Decider<'_> {
    pub(super) fn pause(&mut self, by: String, interrupt: bool) -> Result<(), Rejection> {
        if self.state.status.is_terminal() {
            return Err(Rejection::state(format!("the run is {}; it cannot be paused", self.state.status.word())));
        }
        if self.state.halt.as_ref().is_some_and(crate::event::HaltReason::stops_calls) {
            return Err(Rejection::state("the run is ending; it cannot be paused"));
        }
        if self.state.paused.is_some() {
            return Err(Rejection::state("the run is paused already").help("`gorgon resume` lets it go on"));
        }
        self.emit(Event::Paused { by, interrupt });
        Ok(())
    }
}
