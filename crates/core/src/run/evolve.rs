//! Applying a fact. Total, and without computing: what an event says was decided before it was written.

use std::sync::{Arc, OnceLock};

use super::{ItemPhase, ItemState, RunState, RunStatus, StepStatus, TimerKind, WaitState, Work, WorkKind};
use crate::budget::Balance;
use crate::event::{Event, Instead, ItemRef, RunCreated};
use crate::ids::StepId;
use crate::money::Meter;
use crate::plan::NodeIx;
use crate::time::Timestamp;

/// Most elements of one fan-out.
pub(crate) const ITEMS_MAX: u32 = 100_000;

impl RunState {
    /// Applies one event. An event of a step that the program does not have changes nothing.
    pub fn evolve(&mut self, at: Timestamp, event: &Event) {
        self.last_at = self.last_at.max(at);
        self.events = self.events.saturating_add(1);
        match event {
            Event::RunCreated(created) => self.on_created(at, created),
            Event::StatusChanged { status } => self.set_status(at, *status),
            Event::StepSkipped { step, reason } => self.with(step, |state, ix| {
                state.steps[ix].skipped = Some(*reason);
                state.end_step(at, ix, StepStatus::Skipped);
            }),
            Event::GroupOpened { step, over } => self.with(step, |state, ix| {
                if state.is_loop(ix) {
                    return state.open_loop(at, ix, over.as_ref());
                }
                state.on_group_opened(at, ix);
                state.steps[ix].given.clone_from(over);
            }),
            Event::Hopped { at: item, hop, failure } => self.with_item(item, |state, ix, n| state.on_hopped(at, ix, n, *hop, failure)),
            Event::RoundStarted { step, .. } => self.with(step, |state, ix| state.on_round_started(ix)),
            Event::RoundEnded { step, results, went_past_failure, .. } => {
                self.with(step, |state, ix| state.on_round_ended(ix, results.as_ref(), *went_past_failure));
            }
            Event::FannedOut { step, items, count } => self.with(step, |state, ix| {
                state.start_step(at, ix);
                let count = (*count).min(ITEMS_MAX);
                let node = &mut state.steps[ix];
                node.list = Some(items.clone());
                node.parsed_list = OnceLock::new();
                node.open = count;
                node.next_item = 0;
                node.items = vec![ItemState { attempt: node.attempts_before, ..ItemState::default() }; count as usize];
                if count > 0 {
                    state.work.insert(Work { node: ix, item: 0, kind: WorkKind::Items });
                }
            }),
            Event::AttemptStarted { at: item, attempt, input } => self.with_item(item, |state, ix, n| {
                state.start_item(at, ix, n);
                let item = state.item_mut(ix, n);
                item.begin(*attempt);
                item.input.clone_from(input);
                item.phase = ItemPhase::Running;
            }),
            Event::CallStarted(started) => self.on_call_started(at, started),
            Event::CallSettled { call, outcome, settlement } => self.on_call_settled(call, outcome, settlement.as_ref()),
            Event::CallDoubted { call, evidence, verdict, settlement } => self.on_call_doubted(call, evidence, *verdict, settlement.as_ref()),
            Event::DoubtResolved { at: item, resolution, .. } => self.with_item(item, |state, ix, n| state.on_doubt_resolved(ix, n, resolution)),
            Event::WaitStarted { at: item, attempt, wait, until, hash, input, gate, within } => self.with_item(item, |state, ix, n| {
                if *within {
                    state.forget_work(ix, n);
                } else if *gate && !state.program.nodes[ix].step.approval.as_ref().is_some_and(|a| a.per_item) {
                    state.start_step(at, ix);
                    state.item_mut(ix, n);
                } else {
                    state.start_item(at, ix, n);
                }
                if let Some(until) = until {
                    state.timers.insert((*until, ix, n, TimerKind::Wait));
                }
                let item = state.item_mut(ix, n);
                if !*gate && !*within {
                    item.begin(*attempt);
                }
                if !*within {
                    item.input.clone_from(input);
                }
                let wait = WaitState { wait: wait.clone(), until: *until, hash: *hash, gate: *gate, since: at };
                item.phase = ItemPhase::Waiting(Box::new(wait));
                state.steps[ix].status = StepStatus::Waiting;
            }),
            Event::ApprovalDecided { at: item, approved, .. } => self.with_item(item, |state, ix, n| state.on_approval_decided(ix, n, *approved)),
            Event::SignalReceived { name, payload } => self.signals.push_back((name.clone(), payload.clone())),
            Event::WaitEnded { at: item, outcome, signal } => self.with_item(item, |state, ix, n| {
                if let Some(place) = signal.as_ref().and_then(|name| state.signals.iter().position(|(had, _)| had == name)) {
                    state.signals.remove(place);
                }
                state.drop_timers(ix, n);
                let item = state.item_mut(ix, n);
                item.settled(None, outcome.clone());
                item.phase = ItemPhase::Running;
                state.work.insert(Work { node: ix, item: n, kind: WorkKind::Continue });
                state.steps[ix].status = StepStatus::Running;
            }),
            Event::BackoffEnded { at: item } => self.with_item(item, |state, ix, n| {
                state.drop_timers(ix, n);
                state.item_mut(ix, n).phase = ItemPhase::Idle;
                state.work.insert(Work { node: ix, item: n, kind: WorkKind::Attempt });
                state.steps[ix].status = StepStatus::Running;
            }),
            Event::AttemptFailed { at: item, failure, retry_at, .. } => self.with_item(item, |state, ix, n| {
                state.drop_timers(ix, n);
                state.forget_work(ix, n);
                let item = state.item_mut(ix, n);
                item.failures += 1;
                item.failure = Some(failure.clone());
                match retry_at {
                    Some(retry_at) => {
                        item.phase = ItemPhase::Backoff(*retry_at);
                        state.timers.insert((*retry_at, ix, n, TimerKind::Retry));
                        if !state.is_fan_out(ix) {
                            state.steps[ix].status = StepStatus::Waiting;
                        }
                    }
                    None => item.phase = ItemPhase::Failed,
                }
            }),
            Event::ItemSucceeded { step, item, outputs } => self.with_element(step, *item, |state, ix| {
                state.end_item(ix, *item, ItemPhase::Succeeded);
                state.item_mut(ix, *item).outputs = Some(outputs.clone());
            }),
            Event::ItemFailed { step, item, failure } => self.with_element(step, *item, |state, ix| {
                state.end_item(ix, *item, ItemPhase::Failed);
                state.item_mut(ix, *item).failure = Some(failure.clone());
                state.steps[ix].failed_items += 1;
            }),
            Event::StepSucceeded { step, outputs, instead } => self.with(step, |state, ix| {
                state.went_past_failure |= matches!(instead, Some(Instead::DefaultOutput { .. } | Instead::FailedItems { .. }));
                state.steps[ix].outputs.clone_from(outputs);
                state.steps[ix].instead.clone_from(instead);
                state.steps[ix].parsed = OnceLock::new();
                state.end_plain_item(ix, ItemPhase::Succeeded);
                state.end_step(at, ix, StepStatus::Succeeded);
            }),
            Event::StepFailed { step, failure, tolerated } => self.with(step, |state, ix| {
                state.went_past_failure |= *tolerated;
                state.steps[ix].failure = Some(failure.clone());
                state.steps[ix].tolerated = *tolerated;
                state.end_plain_item(ix, ItemPhase::Failed);
                state.end_step(at, ix, StepStatus::Failed);
            }),
            Event::FallbackChosen { step, fallback, failure } => {
                self.with(step, |state, ix| {
                    state.forget_work(ix, 0);
                    state.end_plain_item(ix, ItemPhase::Failed);
                    state.steps[ix].failure = Some(failure.clone());
                    state.steps[ix].status = StepStatus::Waiting;
                });
                self.with(fallback, |state, ix| state.make_ready(ix));
            }
            Event::Halted { reason } => self.halt = Some(reason.clone()),
            Event::Paused { interrupt, .. } => self.paused = Some(*interrupt),
            Event::TakenOver { idle_ms } => self.on_taken_over(*idle_ms),
            Event::Resumed { .. } => {
                self.paused = None;
                if self.halt.as_ref().is_some_and(|halt| matches!(halt, crate::event::HaltReason::Budget { .. })) {
                    self.halt = None;
                }
                self.reactivate();
            }
            Event::LimitSet { meter, limit, spent, reserved, .. } => {
                self.budget.entry(*meter).or_insert_with(|| Balance::begun(*spent, *reserved)).set_limit(*limit);
            }
            Event::Reopened { steps, keep, .. } => self.on_reopened(at, steps, keep),
            Event::RunFinished { status, outputs, failure } => {
                self.set_status(at, *status);
                self.outputs = Some(outputs.clone());
                self.failure.clone_from(failure);
                self.ended_at = Some(at);
                if self.halt.as_ref().is_some_and(crate::event::HaltReason::stops_calls) {
                    for step in self.steps.iter_mut().filter(|step| step.started_at.is_some() && !step.status.is_terminal()) {
                        step.status = StepStatus::Cancelled;
                        step.ended_at = Some(at);
                    }
                    self.work.clear();
                    self.timers.clear();
                }
            }
        }
    }

    fn with(&mut self, step: &StepId, apply: impl FnOnce(&mut Self, NodeIx)) {
        if let Some(ix) = self.program.find(step) {
            apply(self, ix);
        }
    }

    fn with_item(&mut self, item: &ItemRef, apply: impl FnOnce(&mut Self, NodeIx, u32)) {
        self.with_element(&item.step, item.item, |state, ix| apply(state, ix, item.item));
    }

    /// As [`with`](Self::with), unless no fan-out can have so many elements.
    fn with_element(&mut self, step: &StepId, item: u32, apply: impl FnOnce(&mut Self, NodeIx)) {
        if item < ITEMS_MAX {
            self.with(step, apply);
        }
    }

    fn on_created(&mut self, at: Timestamp, created: &RunCreated) {
        self.created_at = at;
        for meter in Meter::ALL {
            if let Some(limit) = created.limits.of(meter) {
                self.budget.insert(meter, Balance::with_limit(limit));
            }
        }
        self.created = Some(Arc::new(created.clone()));
        self.inputs = OnceLock::new();
        let program = Arc::clone(&self.program);
        for ix in created.fork.iter().flat_map(|fork| &fork.kept).filter_map(|step| program.find(step)) {
            self.steps[ix].kept = true;
        }
        for (ix, node) in program.nodes.iter().enumerate() {
            if node.parent.is_none() && node.fallback_of.is_none() {
                self.open_steps += 1;
            }
            if self.steps[ix].waits_for == 0 && node.fallback_of.is_none() {
                self.make_ready(ix);
            }
        }
    }

    pub(super) fn set_status(&mut self, at: Timestamp, status: RunStatus) {
        let counts = |status: RunStatus| matches!(status, RunStatus::Running | RunStatus::Cancelling | RunStatus::Compensating);
        if let Some(since) = self.active_since.take() {
            self.active_ms = self.active_ms.saturating_add(at.since_ms(since));
        }
        if counts(status) {
            self.active_since = Some(at);
        }
        self.status = status;
    }

    /// What was under way when its owner died is under way again: what passed since the last record counts against no limit.
    fn on_taken_over(&mut self, idle_ms: u64) {
        self.active_since = self.active_since.map(|since| since.plus_ms(idle_ms));
        for item in self.steps.iter_mut().filter(|step| !step.status.is_terminal()).flat_map(|step| &mut step.items) {
            if !matches!(item.phase, ItemPhase::Idle | ItemPhase::Succeeded | ItemPhase::Failed | ItemPhase::Cancelled) {
                item.started_at = item.started_at.map(|since| since.plus_ms(idle_ms));
            }
        }
    }

    pub(super) fn make_ready(&mut self, ix: NodeIx) {
        self.steps[ix].status = StepStatus::Ready;
        self.work.insert(Work { node: ix, item: 0, kind: WorkKind::Step });
    }

    /// A step leaves `ready`.
    pub(super) fn start_step(&mut self, at: Timestamp, ix: NodeIx) {
        self.work.remove(&Work { node: ix, item: 0, kind: WorkKind::Step });
        let step = &mut self.steps[ix];
        if step.started_at.is_none() {
            step.started_at = Some(at);
        }
        self.steps[ix].status = StepStatus::Running;
    }

    fn start_item(&mut self, at: Timestamp, ix: NodeIx, n: u32) {
        self.start_step(at, ix);
        self.work.remove(&Work { node: ix, item: n, kind: WorkKind::Attempt });
        self.drop_timers(ix, n);
        let item = self.item_mut(ix, n);
        if item.started_at.is_none() {
            item.started_at = Some(at);
            self.pass(ix, n);
        }
    }

    pub(super) fn forget_work(&mut self, ix: NodeIx, n: u32) {
        for kind in [WorkKind::Attempt, WorkKind::Continue, WorkKind::Redo] {
            self.work.remove(&Work { node: ix, item: n, kind });
        }
    }

    fn end_item(&mut self, ix: NodeIx, n: u32, phase: ItemPhase) {
        self.drop_timers(ix, n);
        self.forget_work(ix, n);
        let item = self.item_mut(ix, n);
        let started = item.started_at.is_some();
        item.phase = phase;
        self.steps[ix].open = self.steps[ix].open.saturating_sub(1);
        if !started {
            self.pass(ix, n);
        }
    }

    /// An element has started, or ended without a start. Those before it that did neither, which only a fork leaves behind, start by themselves.
    fn pass(&mut self, ix: NodeIx, n: u32) {
        for left in self.steps[ix].next_item..n {
            self.work.insert(Work { node: ix, item: left, kind: WorkKind::Attempt });
        }
        let step = &mut self.steps[ix];
        step.next_item = step.next_item.max(n + 1);
        if step.next_item as usize >= step.items.len() {
            self.work.remove(&Work { node: ix, item: 0, kind: WorkKind::Items });
        }
    }

    /// The only execution of a plain step ends with it.
    fn end_plain_item(&mut self, ix: NodeIx, phase: ItemPhase) {
        self.drop_timers(ix, 0);
        if let Some(item) = self.steps[ix].items.first_mut().filter(|_| self.program.nodes[ix].items.is_none()) {
            item.phase = phase;
        }
    }

    fn end_step(&mut self, at: Timestamp, ix: NodeIx, status: StepStatus) {
        let program = Arc::clone(&self.program);
        let node = &program.nodes[ix];
        self.work.remove(&Work { node: ix, item: 0, kind: WorkKind::Step });
        self.work.remove(&Work { node: ix, item: 0, kind: WorkKind::Items });
        self.forget_work(ix, 0);
        self.drop_timers(ix, 0);
        let step = &mut self.steps[ix];
        step.status = status;
        step.ended_at = Some(at);
        if node.fallback_of.is_some() {
            return;
        }
        match node.parent {
            Some(parent) => {
                let group = &mut self.steps[parent];
                group.open = group.open.saturating_sub(1);
            }
            None => self.open_steps = self.open_steps.saturating_sub(1),
        }
        // What a failure stops was never about to start. Inside of a group it is left out, so that the group can end.
        let stops = status == StepStatus::Failed && !self.steps[ix].tolerated && node.parent.is_none();
        if stops {
            return;
        }
        if self.steps[ix].waits_for > 0 {
            self.steps[ix].held = true;
        } else {
            self.pass_on(ix);
        }
    }

    /// A step is over: what waits for it waits for one less.
    fn pass_on(&mut self, ix: NodeIx) {
        let program = Arc::clone(&self.program);
        // A list and not a recursion: what was held may be a long chain.
        let mut over = vec![ix];
        while let Some(ix) = over.pop() {
            for &(next, _) in &program.nodes[ix].before {
                if self.one_less(next) {
                    over.push(next);
                }
            }
        }
    }

    /// Answers whether it was held by that, and is over now.
    fn one_less(&mut self, ix: NodeIx) -> bool {
        let step = &mut self.steps[ix];
        step.waits_for = step.waits_for.saturating_sub(1);
        if step.waits_for > 0 {
            return false;
        }
        if step.status == StepStatus::Pending && self.program.nodes[ix].fallback_of.is_none() {
            self.make_ready(ix);
        }
        std::mem::take(&mut self.steps[ix].held)
    }

    fn on_group_opened(&mut self, at: Timestamp, ix: NodeIx) {
        self.start_step(at, ix);
        self.steps[ix].opened = true;
        let program = Arc::clone(&self.program);
        let children = &program.nodes[ix].children;
        self.steps[ix].open = u32::try_from(children.iter().filter(|child| program.nodes[**child].fallback_of.is_none()).count()).unwrap_or(u32::MAX);
        for child in children {
            self.one_less(*child);
        }
    }

    pub(super) fn drop_timers(&mut self, ix: NodeIx, n: u32) {
        match self.item(ix, n).map(|item| &item.phase) {
            Some(ItemPhase::Waiting(wait)) => {
                if let Some(until) = wait.until {
                    self.timers.remove(&(until, ix, n, TimerKind::Wait));
                }
            }
            Some(ItemPhase::Backoff(at)) => {
                let at = *at;
                self.timers.remove(&(at, ix, n, TimerKind::Retry));
            }
            _ => {}
        }
    }

    fn on_approval_decided(&mut self, ix: NodeIx, n: u32, approved: bool) {
        let gate = matches!(self.item(ix, n).map(|item| &item.phase), Some(ItemPhase::Waiting(wait)) if wait.gate);
        if !gate {
            return;
        }
        self.drop_timers(ix, n);
        let per_item = self.program.nodes[ix].step.approval.as_ref().is_some_and(|approval| approval.per_item);
        self.item_mut(ix, n).phase = ItemPhase::Idle;
        if !approved {
            return;
        }
        if per_item && self.is_fan_out(ix) {
            self.steps[ix].status = StepStatus::Running;
            self.work.insert(Work { node: ix, item: n, kind: WorkKind::Attempt });
        } else {
            self.steps[ix].approved = true;
            self.make_ready(ix);
        }
    }

    /// After a pause or a top-up, what is on disk is enough to go on: everything that could start is still in `work`.
    pub(super) fn reactivate(&mut self) {
        self.ended_at = None;
        self.outputs = None;
        self.failure = None;
    }
}
