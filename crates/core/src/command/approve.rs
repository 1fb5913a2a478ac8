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
        let all = self.state.pending_approvals();
        let meant =
            |p: &&PendingApproval| decision.step.as_ref().is_none_or(|step| p.step == *step) && decision.item.is_none_or(|item| p.item == item);
        let wanted: Vec<&PendingApproval> = all.iter().filter(meant).collect();
        // An element is named where it is one of several, and where its number is wanted.
        let of_several = |p: &PendingApproval| p.item > 0 || all.iter().filter(|other| other.step == p.step).count() > 1;
        let name = |p: &PendingApproval| if of_several(p) { format!("{} --item {}", p.step, p.item) } else { p.step.to_string() };
        let names = |some: &[&PendingApproval]| some.iter().map(|p| name(p)).collect::<Vec<_>>().join(", ");
        match (wanted.as_slice(), &decision.step) {
            ([one], _) => Ok((*one).clone()),
            ([], _) if all.is_empty() => Err(Rejection::state("nothing in this run waits for approval")),
            ([], step) => {
                let what = match (step, decision.item) {
                    (Some(step), Some(item)) => format!("element {item} of step `{step}`"),
                    (Some(step), None) => format!("step `{step}`"),
                    (None, item) => format!("an element {}", item.unwrap_or_default()),
                };
                let waiting = names(&all.iter().collect::<Vec<_>>());
                Err(Rejection::state(format!("{what} does not wait for approval")).help(format!("what waits: {waiting}")))
            }
            (several, _) => Err(Rejection::state(format!("{} approvals wait: {}", several.len(), names(several))).help("name one of them")),
        }
    }
}
