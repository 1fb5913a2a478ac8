//! Calls of a run, from their start until they are settled or their doubt is answered.

use std::sync::Arc;

use super::evolve::ITEMS_MAX;
use super::{Doubt, ItemPhase, OpenCall, RunState, StepStatus, Talk, Work, WorkKind};
use crate::call::{Metering, Outcome, Request};
use crate::event::{CallStarted, DoubtVerdict, Resolution, Settlement};
use crate::ids::CallId;
use crate::plan::NodeIx;
use crate::time::Timestamp;

impl RunState {
    pub(super) fn on_call_started(&mut self, at: Timestamp, started: &CallStarted) {
        if started.call.item >= ITEMS_MAX {
            return;
        }
        if let Some(hold) = &started.hold {
            self.take_hold(hold.amounts);
        }
        let request = Arc::new(started.request.clone());
        if let Some(ix) = self.program.find(&started.call.step) {
            self.forget_work(ix, started.call.item);
            let item = self.item_mut(ix, started.call.item);
            item.phase = ItemPhase::Running;
            let simulated = matches!(&*request, Request::Model(model) if model.is_simulated());
            if let Request::Model(model) = &*request {
                match &mut item.talk {
                    Some(talk) if model.follows => talk.go_on(Arc::clone(&request), started.call.call, &item.journal),
                    // The first question again: what the one in doubt was charged counts on.
                    talk => {
                        let charged = talk.as_ref().map_or(0, |talk| talk.charged_tokens());
                        *talk = Some(Box::new(Talk::begin(Arc::clone(&request), started.call.call, charged)));
                    }
                }
            }
            self.steps[ix].status = StepStatus::Running;
            self.steps[ix].simulated |= simulated;
            self.count_in_flight(ix, 1);
        }
        let call = OpenCall {
            id: started.call.clone(),
            request,
            class: started.class,
            epoch: started.epoch,
            timeout_ms: started.timeout_ms,
            key: started.key.clone(),
            hold: started.hold,
            since: at,
        };
        self.open.insert(started.call.clone(), call);
    }

    pub(super) fn on_call_settled(&mut self, call: &CallId, outcome: &Outcome, settlement: Option<&Settlement>) {
        let call_made = self.open.remove(call);
        let asked = call_made.as_ref().map(|open| open.request.family());
        let node = self.program.find(&call.step).filter(|_| call.item < ITEMS_MAX);
        if let Some(settlement) = settlement {
            self.settle(node, settlement, call_made.as_ref().and_then(|call| call.hold.as_ref()));
        }
        if let Some(ix) = node {
            self.count_in_flight(ix, -1);
            let item = self.item_mut(ix, call.item);
            if let Some(talk) = &mut item.talk {
                // What a fork brought was charged elsewhere; it used what it used.
                talk.charge(settlement.map_or_else(|| outcome.used_tokens(), |settlement| settlement.charged.tokens));
            }
            item.settled(asked, outcome.clone());
            self.work.insert(Work { node: ix, item: call.item, kind: WorkKind::Continue });
        }
    }

    /// The step and the groups around it have one call more, or less, in flight.
    fn count_in_flight(&mut self, ix: NodeIx, change: i32) {
        let mut here = Some(ix);
        while let Some(ix) = here {
            self.steps[ix].in_flight = self.steps[ix].in_flight.saturating_add_signed(change);
            here = self.program.nodes[ix].parent;
        }
    }

    pub(super) fn on_call_doubted(&mut self, id: &CallId, evidence: &str, verdict: DoubtVerdict, settlement: Option<&Settlement>) {
        let call = self.open.remove(id);
        let node = self.program.find(&id.step).filter(|_| id.item < ITEMS_MAX);
        if let Some(settlement) = settlement {
            self.settle(node, settlement, call.as_ref().and_then(|call| call.hold.as_ref()));
        }
        let (Some(ix), Some(call)) = (node, call) else { return };
        self.count_in_flight(ix, -1);
        if let (Some(talk), Some(settlement)) = (&mut self.item_mut(ix, id.item).talk, settlement) {
            talk.charge(settlement.charged.tokens);
        }
        let asked = Some(call.request.family());
        let doubt = Box::new(Doubt { call: id.clone(), request: call.request, class: call.class, key: call.key, evidence: evidence.to_owned() });
        match verdict {
            DoubtVerdict::Redo => {
                self.item_mut(ix, id.item).phase = ItemPhase::Redo(doubt);
                self.work.insert(Work { node: ix, item: id.item, kind: WorkKind::Redo });
            }
            // What is left as it is, because the run is ending, still has to be answered if the run is ever opened again.
            DoubtVerdict::Ask | DoubtVerdict::Leave => {
                self.item_mut(ix, id.item).phase = ItemPhase::InDoubt(doubt);
                self.steps[ix].status = StepStatus::InDoubt;
            }
            DoubtVerdict::Fail => {
                self.item_mut(ix, id.item).settled(asked, Outcome::InDoubt { evidence: evidence.to_owned() });
            }
        }
    }

    pub(super) fn on_doubt_resolved(&mut self, ix: NodeIx, n: u32, resolution: &Resolution) {
        let item = self.item_mut(ix, n);
        let ItemPhase::InDoubt(doubt) = std::mem::take(&mut item.phase) else { return };
        match resolution {
            Resolution::Redo => {
                item.phase = ItemPhase::Redo(doubt);
                self.work.insert(Work { node: ix, item: n, kind: WorkKind::Redo });
            }
            // One call of several: what it gave is for the step to see.
            Resolution::Done { outputs } if doubt.call.call > 0 => {
                item.phase = ItemPhase::Running;
                item.settled(Some(doubt.request.family()), Outcome::Succeeded { value: outputs.clone(), metering: Metering::None });
                self.work.insert(Work { node: ix, item: n, kind: WorkKind::Continue });
            }
            Resolution::Done { .. } | Resolution::Fail => item.phase = ItemPhase::Running,
        }
        self.steps[ix].status = StepStatus::Running;
    }
}
