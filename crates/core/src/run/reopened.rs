//! `Reopened`: steps start anew, or go on where they are.

use std::sync::Arc;

use super::rounds::went_past_failure;
use super::{ItemPhase, ItemState, RunState, RunStatus, StepStatus, Work, WorkKind};
use crate::definition::EffectClass;
use crate::ids::StepId;
use crate::plan::NodeIx;
use crate::time::Timestamp;

impl RunState {
    pub(super) fn on_reopened(&mut self, at: Timestamp, steps: &[StepId], keep: &[StepId]) {
        self.halt = None;
        self.reactivate();
        // The limit on active time counts from here: what ran out of it could never be tried again otherwise.
        self.active_ms = 0;
        let program = Arc::clone(&self.program);
        let places = |steps: &[StepId]| -> Vec<NodeIx> { steps.iter().filter_map(|step| program.find(step)).collect() };
        let (reset, keep) = (places(steps), places(keep));
        for &ix in keep.iter().chain(&reset) {
            // A step that was stopped never counted as ended.
            let had_ended = matches!(self.steps[ix].status, StepStatus::Succeeded | StepStatus::Failed | StepStatus::Skipped);
            if had_ended && program.nodes[ix].fallback_of.is_none() {
                match program.nodes[ix].parent {
                    Some(parent) => self.steps[parent].open = self.steps[parent].open.saturating_add(1),
                    None => self.open_steps = self.open_steps.saturating_add(1),
                }
            }
        }
        for &ix in &keep {
            self.reopen_in_place(at, ix);
            self.reopen_round(ix);
        }
        for &ix in &reset {
            self.start_anew(ix);
            self.work.retain(|work| work.node != ix);
            self.timers.retain(|(_, node, ..)| *node != ix);
        }
        self.let_go_of_held();
        for (ix, node) in program.nodes.iter().enumerate() {
            if self.steps[ix].status == StepStatus::Pending || self.steps[ix].held {
                let before = node.after.iter().filter(|(from, _)| !self.steps[*from].is_over()).count();
                let group_closed = node.parent.is_some_and(|parent| !self.is_open_inside(parent));
                self.steps[ix].waits_for = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(u32::from(group_closed));
            }
            // What was about to start when the run was stopped is about to start again.
            let starts = matches!(self.steps[ix].status, StepStatus::Pending) && self.steps[ix].waits_for == 0 && node.fallback_of.is_none();
            if starts || self.steps[ix].status == StepStatus::Ready {
                self.make_ready(ix);
            }
        }
        self.went_past_failure = self.steps.iter().any(went_past_failure);
        self.set_status(at, RunStatus::Running);
    }

    /// What was left out early, or kept by a fork, is over as soon as all before it is.
    fn let_go_of_held(&mut self) {
        let program = Arc::clone(&self.program);
        let mut held: Vec<NodeIx> = (0..self.steps.len()).filter(|&ix| self.steps[ix].held).collect();
        loop {
            let before = held.len();
            held.retain(|&ix| {
                let is_held = program.nodes[ix].after.iter().any(|(from, _)| !self.steps[*from].is_over());
                self.steps[ix].held = is_held;
                is_held
            });
            if held.len() == before {
                return;
            }
        }
    }

    /// Whether what stands inside of a group may start.
    fn is_open_inside(&self, group: NodeIx) -> bool {
        let step = &self.steps[group];
        step.opened && step.rounds.as_ref().is_none_or(|rounds| rounds.under_way)
    }

    /// A failed or stopped fan-out, group or conversation goes on where it is: elements and turns that succeeded stay.
    fn reopen_in_place(&mut self, at: Timestamp, ix: NodeIx) {
        self.timers.retain(|(_, node, ..)| *node != ix);
        self.work.retain(|work| work.node != ix);
        let step = &mut self.steps[ix];
        step.status = StepStatus::Running;
        step.kept = false;
        step.ended_at = None;
        step.failure = None;
        step.tolerated = false;
        step.instead = None;
        step.outputs = None;
        step.failed_items = 0;
        let fans_out = step.list.is_some();
        let goes_on = |item: &ItemState| fans_out || matches!(item.phase, ItemPhase::InDoubt(_)) || item.can_talk_on();
        for (n, item) in (0_u32..).zip(&mut step.items).filter(|(_, item)| goes_on(item)) {
            match item.phase {
                ItemPhase::Succeeded => {}
                _ if item.can_talk_on() => {
                    if fans_out && item.phase == ItemPhase::Failed {
                        step.open = step.open.saturating_add(1);
                    }
                    item.open_talk(at);
                    self.work.insert(Work { node: ix, item: n, kind: WorkKind::Continue });
                }
                ItemPhase::InDoubt(ref doubt) if doubt.class >= EffectClass::AtMostOnce => step.status = StepStatus::InDoubt,
                ItemPhase::Idle if n >= step.next_item => {}
                _ => {
                    if item.phase == ItemPhase::Failed {
                        step.open = step.open.saturating_add(1);
                    }
                    *item = ItemState { attempt: item.attempt, ..ItemState::default() };
                    self.work.insert(Work { node: ix, item: n, kind: WorkKind::Attempt });
                }
            }
        }
        if fans_out && (step.next_item as usize) < step.items.len() {
            self.work.insert(Work { node: ix, item: 0, kind: WorkKind::Items });
        }
    }
}
