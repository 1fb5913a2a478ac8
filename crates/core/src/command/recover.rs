//! `Recover`: a new owner has taken the run over. What passed since the last record counts against no limit on time, and what was in flight is in doubt.

use super::Rejection;
use super::call::Cause;
use super::decider::Decider;
use crate::event::Event;
use crate::run::OpenCall;

impl Decider<'_> {
    /// Every call ordered under an earlier epoch is in doubt: its process died, and what it asked may or may not have been done.
    pub(super) fn recover(&mut self) -> Result<(), Rejection> {
        let definition = &self.state.program.definition;
        let has_limit = definition.timeout_ms.is_some() || definition.all_steps().any(|step| step.total_timeout_ms.is_some());
        let idle_ms = self.now.since_ms(self.state.last_at);
        if has_limit && self.state.active_since.is_some() && idle_ms > 0 {
            self.emit(Event::TakenOver { idle_ms });
        }
        let stale: Vec<OpenCall> = self.state.open.values().filter(|call| call.epoch < self.facts.epoch).cloned().collect();
        for call in stale {
            self.doubt(&call, "it was in flight when the process that made it ended".to_owned(), Cause::Crash);
        }
        Ok(())
    }
}
