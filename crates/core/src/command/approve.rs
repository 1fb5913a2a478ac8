//! `Approve`: somebody decides. The decision counts for exactly what was hashed when the question was asked.

use serde_json::json;

use super::decider::Decider;
use super::{Decision, Rejection};
use crate::call::{Failure, FailureClass, Metering, Outcome};
use crate::diagnostic::Code;
use crate::event::Event;
use crate::payload::Payload;
use crate::run::{ItemPhase, PendingApproval};

impl Decider<'_> {
    pub(super) fn approve(&mut self, decision: Decision) -> Result<(), Rejection> {
        self.must_go_on("nothing waits for approval")?;
        let pending = self.pending(&decision)?;
        if pending.until.is_some_and(|until| until <= self.now) {
            return Err(Rejection::new(Code::StaleApproval, format!("nobody decided on step `{}` in time; the question has lapsed", pending.step)));
        }
        if let Some(hash) = decision.hash.filter(|hash| *hash != pending.hash) {
            let message = format!("the decision is on {hash}, but step `{}` now asks for {}", pending.step, pending.hash);
            return Err(
                Rejection::new(Code::StaleApproval, message).help("look at it again with `gorgon runs show`, and decide on what it shows now")
            );
        }
        let Some(ix) = self.state.program.find(&pending.step) else { return Err(Rejection::state("the step is not part of the run")) };
        let n = pending.item;
        let gate = matches!(self.state.item(ix, n).map(|item| &item.phase), Some(ItemPhase::Waiting(wait)) if wait.gate);
        let at = self.item_ref(ix, n);
        let Decision { approved, by, comment, .. } = decision;
        self.emit(Event::ApprovalDecided { at: at.clone(), hash: pending.hash, approved, by: by.clone(), comment: comment.clone() });
        let said = comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
        match (gate, approved) {
            (true, true) => {}
            (true, false) => self.reject_item(ix, n, format!("rejected by {by}{said}")),
            (false, true) => {
                let value = Payload::of(&json!({ "decision": "approved", "by": by, "comment": comment }));
                self.emit(Event::WaitEnded { at, outcome: Outcome::Succeeded { value, metering: Metering::None }, signal: None });
            }
            (false, false) => {
                let failure = Failure::new(FailureClass::Rejected, format!("rejected by {by}{said}"));
                self.emit(Event::WaitEnded { at, outcome: Outcome::Failed { failure, metering: Metering::None }, signal: None });
            }
        }
        Ok(())
    }

    /// The approval that is meant.
    fn pending(&self, decision: &Decision) -> Result<PendingApproval, Rejection> {
        let mut pending = self.state.pending_approvals();
        if let Some(step) = &decision.step {
            pending.retain(|p| p.step == *step);
        }
        if let Some(item) = decision.item {
            pending.retain(|p| p.item == item);
        }
        match (pending.len(), &decision.step) {
            (1, _) => Ok(pending.remove(0)),
            (0, Some(step)) => Err(Rejection::state(format!("step `{step}` does not wait for approval"))),
            (0, None) => Err(Rejection::state("nothing in this run waits for approval")),
            (_, _) => {
                let names: Vec<String> =
                    pending.iter().map(|p| if p.item == 0 { p.step.to_string() } else { format!("{} --item {}", p.step, p.item) }).collect();
                Err(Rejection::state(format!("{} approvals wait: {}", names.len(), names.join(", "))).help("name one of them"))
            }
        }
    }
}
