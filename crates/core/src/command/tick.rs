//! `Tick`: time has passed.

use serde_json::json;

use super::Rejection;
use super::decider::Decider;
use crate::call::{Failure, FailureClass, Outcome};
use crate::event::{Event, HaltReason};
use crate::payload::Payload;
use crate::run::{ItemPhase, TimerKind};
use crate::step::Wait;

impl Decider<'_> {
    pub(super) fn tick(&mut self) -> Result<(), Rejection> {
        if self.state.status.is_terminal() {
            return Ok(());
        }
        if self.state.run_deadline().is_some_and(|deadline| deadline <= self.now) {
            let limit_ms = self.state.program.definition.timeout_ms.unwrap_or_default();
            self.emit(Event::Halted { reason: HaltReason::TimedOut { limit_ms } });
        }
        if self.state.paused.is_some() || self.state.halt.as_ref().is_some_and(HaltReason::stops_calls) {
            return Ok(());
        }
        while let Some(&(at, ix, n, kind)) = self.state.timers.first().filter(|(at, ..)| *at <= self.now) {
            let item = self.item_ref(ix, n);
            match kind {
                TimerKind::Retry => self.emit(Event::BackoffEnded { at: item }),
                TimerKind::Wait => self.wait_ended(ix, n),
            }
            // An event that leaves its timer in place would keep us here for ever.
            self.state.timers.remove(&(at, ix, n, kind));
        }
        Ok(())
    }

    fn wait_ended(&mut self, ix: usize, n: u32) {
        let Some(ItemPhase::Waiting(wait)) = self.state.item(ix, n).map(|item| item.phase.clone()) else { return };
        let at = self.item_ref(ix, n);
        let failed = |class, message: &str| Outcome::Failed { failure: Failure::new(class, message), metering: crate::call::Metering::None };
        let outcome = match &wait.wait {
            Wait::Timer { ms } => Outcome::Succeeded { value: Payload::of(&json!({ "waited_ms": ms })), metering: crate::call::Metering::None },
            Wait::Signal { name, .. } => failed(FailureClass::Rejected, &format!("the signal `{name}` did not come in time")),
            Wait::Approval { .. } if wait.gate => {
                let hash = wait.hash.unwrap_or_else(|| crate::ids::ContentHash::of(b""));
                let comment = Some("nobody decided in time".to_owned());
                self.emit(Event::ApprovalDecided { at, hash, approved: false, by: "gorgon".to_owned(), comment });
                self.reject_item(ix, n, "nobody decided on its approval in time".to_owned());
                return;
            }
            Wait::Approval { .. } => failed(FailureClass::Rejected, "nobody decided on it in time"),
        };
        self.emit(Event::WaitEnded { at, outcome, signal: None });
    }
}
