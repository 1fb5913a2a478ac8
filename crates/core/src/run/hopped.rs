//! `Hopped`: a step goes on with another one of those that it can ask.

use super::{ItemPhase, RunState, StepStatus, Work, WorkKind};
use crate::call::Failure;
use crate::plan::NodeIx;
use crate::step::OPENED_AGAIN;
use crate::time::Timestamp;

impl RunState {
    pub(super) fn on_hopped(&mut self, at: Timestamp, ix: NodeIx, n: u32, hop: u32, failure: &Failure) {
        self.drop_timers(ix, n);
        self.forget_work(ix, n);
        let item = self.item_mut(ix, n);
        item.hop = hop;
        item.failures = 0;
        item.failure = Some(failure.clone());
        // A conversation goes on where it was: what was answered before was paid for. A first question is an attempt of its own.
        let goes_on = item.talk.as_ref().is_some_and(|talk| talk.is_answered(&item.journal));
        let kind = if goes_on {
            if hop == OPENED_AGAIN {
                item.open_talk(at)
            } else {
                item.talk_on(hop)
            }
            WorkKind::Continue
        } else {
            item.phase = ItemPhase::Idle;
            WorkKind::Attempt
        };
        self.work.insert(Work { node: ix, item: n, kind });
        self.steps[ix].status = StepStatus::Running;
    }
}
