//! `Signal`: word from outside. The first step that waits for it takes it; else it is kept until one does.

use serde_json::json;

use super::Rejection;
use super::decider::Decider;
use crate::call::{Metering, Outcome};
use crate::diagnostic::Code;
use crate::event::Event;
use crate::payload::Payload;
use crate::run::ItemPhase;
use crate::step::Wait;

/// Most signals that a run keeps for steps that do not wait yet.
const KEPT_MAX: usize = 1_000;

impl Decider<'_> {
    pub(super) fn signal(&mut self, name: String, payload: Payload) -> Result<(), Rejection> {
        if name.trim().is_empty() {
            return Err(
                Rejection::new(Code::BadInput, "a signal has a name").help("name it as the waiting step does; `runs show` says what a run waits for")
            );
        }
        self.must_go_on("nothing waits for a signal")?;
        let waits =
            |phase: &ItemPhase| matches!(phase, ItemPhase::Waiting(w) if matches!(&w.wait, Wait::Signal { name: wanted, .. } if *wanted == name));
        let taker = self.state.steps.iter().enumerate().find_map(|(ix, step)| Some((ix, step.items.iter().position(|item| waits(&item.phase))?)));
        if taker.is_none() && self.state.signals.len() >= KEPT_MAX {
            return Err(Rejection::state(format!("{KEPT_MAX} signals are kept already, and no step takes them")));
        }
        self.emit(Event::SignalReceived { name: name.clone(), payload: payload.clone() });
        if let Some((ix, n)) = taker {
            self.end_signal_wait(ix, u32::try_from(n).unwrap_or(u32::MAX), name, &payload);
        }
        Ok(())
    }

    pub(super) fn end_signal_wait(&mut self, ix: usize, n: u32, name: String, payload: &Payload) {
        let value = Payload::of(&json!({ "payload": payload.value() }));
        let at = self.item_ref(ix, n);
        self.emit(Event::WaitEnded { at, outcome: Outcome::Succeeded { value, metering: Metering::None }, signal: Some(name) });
    }
}
