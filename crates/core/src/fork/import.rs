//! The events that bring results of one run into another.

use crate::call::{Failure, FailureClass};
use crate::definition::Step;
use crate::event::{DoubtVerdict, Event, ItemRef, Resolution, SkipReason};
use crate::fork::Kept;
use crate::ids::StepId;
use crate::payload::Payload;
use crate::plan::{EdgeKind, Node, NodeIx, Program};
use crate::run::{ItemPhase, ItemState, Round, Rounds, RunState, StepState, StepStatus};
use crate::step::{OPENED_AGAIN, Shape};

/// How much of a step is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing.
    No,
    /// What ended inside of it.
    Parts,
    /// Its result.
    Whole,
}

impl Keep {
    /// What is kept of a step that has not ended. Where somebody agreed to all of it, they agreed to it for the other run: it asks again, from the start.
    pub(super) fn parts_of(node: &Node) -> Self {
        if node.step.approval.as_ref().is_some_and(|approval| !approval.per_item) { Self::No } else { Self::Parts }
    }
}

/// An import under way.
pub(super) struct Import<'a> {
    program: &'a Program,
    origin: &'a RunState,
    /// The events from which what is unfinished is taken; absent where only what has ended is kept.
    history: Option<&'a [&'a Event]>,
    keep: Vec<Keep>,
    kept: Kept,
}

impl<'a> Import<'a> {
    pub(super) fn new(program: &'a Program, origin: &'a RunState, history: Option<&'a [&'a Event]>, keep: Vec<Keep>) -> Self {
        let mut import = Self { program, origin, history, keep, kept: Kept::default() };
        import.settle();
        import
    }

    /// What one rule takes away, another may rest on; each only ever takes away.
    fn settle(&mut self) {
        loop {
            let before = self.keep.clone();
            self.ask_again();
            self.go_on_with_groups();
            self.try_failures_again();
            self.begin_anew();
            if self.keep == before {
                return;
            }
        }
    }

    /// An approval counts as long as all that comes after it is kept. Where something is still to be done, directly behind it or behind what is kept, it is
    /// asked for anew.
    fn ask_again(&mut self) {
        for (ix, awaited) in self.awaited().into_iter().enumerate() {
            let agreed = self.program.nodes[ix].kind.name() == "approval" && self.keep[ix] == Keep::Whole;
            if agreed && awaited && self.origin_of(ix).is_some_and(|step| step.status == StepStatus::Succeeded) {
                self.keep[ix] = Keep::No;
            }
        }
    }

    /// A group has not ended as long as something inside of it has not.
    fn go_on_with_groups(&mut self) {
        // Steps stand after the group that they are in.
        for ix in (0..self.keep.len()).rev() {
            let node = &self.program.nodes[ix];
            let ended = |child: &NodeIx| self.keep[*child] == Keep::Whole || self.program.nodes[*child].fallback_of.is_some();
            if self.keep[ix] == Keep::Whole && self.origin_of(ix).is_some_and(|step| step.opened) && !node.children.iter().all(ended) {
                self.keep[ix] = Keep::parts_of(node);
            }
        }
    }

    /// A group that goes on does not live with the failures inside of it: they are tried again.
    fn try_failures_again(&mut self) {
        for (ix, node) in self.program.nodes.iter().enumerate() {
            let goes_on = node.parent.is_some_and(|group| self.keep[group] != Keep::Whole);
            let failed = |step: &StepState| step.status == StepStatus::Failed && !step.tolerated || step.skipped == Some(SkipReason::GroupFailed);
            if goes_on && self.keep[ix] == Keep::Whole && self.origin_of(ix).is_some_and(failed) {
                self.keep[ix] = super::stands(self.origin, ix);
            }
        }
    }

    /// What is kept in part would go on at once. Where something before it runs again, or is asked again, it begins anew after that, with everything in it.
    fn begin_anew(&mut self) {
        let waiting = self.waiting();
        for (ix, node) in self.program.nodes.iter().enumerate() {
            let waits = self.keep[ix] == Keep::Parts && waiting[ix];
            let outer = node.parent.is_some_and(|group| self.keep[group] == Keep::No);
            // What stands in for a step that has not ended is not needed yet.
            let stands_in = node.fallback_of.is_some_and(|primary| self.keep[primary] != Keep::Whole);
            if waits || outer || stands_in {
                self.keep[ix] = Keep::No;
            }
        }
    }

    /// The steps before something that is not kept whole, however far, with all that stands in them.
    fn awaited(&self) -> Vec<bool> {
        self.beyond(|ix| self.keep[ix] != Keep::Whole, |node| node.after.as_slice())
    }

    /// The steps behind something that is not over, however far, with all that stands in them.
    fn waiting(&self) -> Vec<bool> {
        self.beyond(|ix| !self.has_passed(ix), |node| node.before.as_slice())
    }

    /// All steps that edges lead to from these. Whatever stands in a group that is reached is reached as well; what stands in one of these is judged by itself.
    fn beyond(&self, begins: impl Fn(NodeIx) -> bool, edges: impl Fn(&Node) -> &[(NodeIx, EdgeKind)]) -> Vec<bool> {
        let nodes = &self.program.nodes;
        let mut reached = vec![false; nodes.len()];
        let mut open: Vec<NodeIx> = (0..nodes.len()).filter(|&ix| begins(ix)).collect();
        while let Some(ix) = open.pop() {
            let inside = if reached[ix] { nodes[ix].children.as_slice() } else { &[] };
            for &next in edges(&nodes[ix]).iter().map(|(next, _)| next).chain(inside) {
                if !std::mem::replace(&mut reached[next], true) {
                    open.push(next);
                }
            }
        }
        reached
    }

    /// Whether nothing waits for a step any more. What was left out is left out again, unless it is to stand in for a step that begins anew.
    fn has_passed(&self, ix: NodeIx) -> bool {
        let left_out = || self.origin_of(ix).is_some_and(|step| step.status == StepStatus::Skipped);
        self.keep[ix] == Keep::Whole || left_out() && self.program.nodes[ix].fallback_of.is_none_or(|primary| self.keep[primary] == Keep::Whole)
    }

    fn origin_of(&self, ix: NodeIx) -> Option<&'a StepState> {
        super::origin_of(self.program, self.origin, ix)
    }

    pub(super) fn done(mut self) -> Kept {
        for ix in (0..self.program.nodes.len()).filter(|&ix| self.program.nodes[ix].parent.is_none()) {
            self.bring(ix);
        }
        if self.history.is_some() {
            // Those that came and were not used up are still there.
            let signals = self.origin.signals.iter().map(|(name, payload)| Event::SignalReceived { name: name.clone(), payload: payload.clone() });
            self.kept.events.extend(signals);
        }
        self.kept
    }

    fn bring(&mut self, ix: NodeIx) {
        let node = &self.program.nodes[ix];
        let (Some(step), id) = (self.origin_of(ix), &node.step.id) else { return };
        match self.keep[ix] {
            Keep::No => return,
            Keep::Whole if self.is_in_rounds(ix) => self.kept.begun.push(id.clone()),
            Keep::Whole => self.kept.steps.push(id.clone()),
            Keep::Parts if !node.children.is_empty() && !step.opened => return,
            Keep::Parts => {}
        }
        let before = self.kept.events.len();
        if let Some(rounds) = &step.rounds {
            self.bring_rounds(ix, rounds);
        } else if step.opened {
            self.kept.events.push(Event::GroupOpened { step: id.clone(), over: step.given.clone() });
            node.children.iter().for_each(|&child| self.bring(child));
        }
        if let Some(list) = &step.list {
            let count = u32::try_from(step.items.len()).unwrap_or(u32::MAX);
            self.kept.events.push(Event::FannedOut { step: id.clone(), items: list.clone(), count });
            for (n, item) in (0_u32..).zip(&step.items) {
                self.bring_element(ix, n, item);
            }
        } else if node.children.is_empty()
            && self.keep[ix] == Keep::Parts
            && let Some(item) = step.items.first()
        {
            self.bring_attempt(ix, 0, item);
        }
        if self.keep[ix] == Keep::Whole {
            self.kept.events.push(ending(id, step));
        } else if self.kept.events.len() > before {
            self.kept.begun.push(id.clone());
        }
    }

    /// Whether a step stands inside of a loop that goes on.
    fn is_in_rounds(&self, ix: NodeIx) -> bool {
        let mut groups = std::iter::successors(self.program.nodes[ix].parent, |&group| self.program.nodes[group].parent);
        groups.any(|group| self.program.nodes[group].shape == Shape::Loop && self.keep[group] != Keep::Whole)
    }

    /// The rounds of a loop. Those before the last are brought by what they gave, the last by its steps.
    fn bring_rounds(&mut self, ix: NodeIx, rounds: &Rounds) {
        let step = &self.program.nodes[ix].step.id;
        let over = (!rounds.over.is_null()).then(|| Payload::of(&rounds.over));
        self.kept.events.push(Event::GroupOpened { step: step.clone(), over });
        // Where the last round is not kept whole, it goes on.
        let goes_on = rounds.under_way || self.keep[ix] != Keep::Whole;
        let last = if rounds.under_way { rounds.ended.len() } else { rounds.ended.len().saturating_sub(1) };
        if self.keep[ix] != Keep::Whole {
            self.kept.rounds.insert(step.clone(), u32::try_from(last).unwrap_or(u32::MAX));
        }
        for (round, ended) in (0_u32..).zip(&rounds.ended[..last]) {
            let Round { gave, went_past_failure, .. } = ended;
            self.kept.events.push(Event::RoundStarted { step: step.clone(), round });
            let results = Some(Payload::of(&**gave));
            self.kept.events.push(Event::RoundEnded { step: step.clone(), round, results, went_past_failure: *went_past_failure });
        }
        if rounds.under_way || !rounds.ended.is_empty() {
            let round = u32::try_from(last).unwrap_or(u32::MAX);
            self.kept.events.push(Event::RoundStarted { step: step.clone(), round });
            self.program.nodes[ix].children.iter().for_each(|&child| self.bring(child));
            if !goes_on {
                self.kept.events.push(Event::RoundEnded { step: step.clone(), round, results: None, went_past_failure: false });
            }
        } else {
            // Without a round, what is inside was left out.
            self.program.nodes[ix].children.iter().for_each(|&child| self.bring(child));
        }
    }

    fn bring_element(&mut self, ix: NodeIx, n: u32, item: &ItemState) {
        let step = self.program.nodes[ix].step.id.clone();
        match (&item.phase, &item.outputs) {
            (ItemPhase::Succeeded, Some(outputs)) => self.kept.events.push(Event::ItemSucceeded { step, item: n, outputs: outputs.clone() }),
            // A failure that its step lived with is part of the result; any other is tried again.
            (ItemPhase::Failed, _) if self.keep[ix] == Keep::Whole => {
                self.kept.events.extend(item.failure.clone().map(|failure| Event::ItemFailed { step, item: n, failure }));
            }
            (ItemPhase::Failed, _) => {}
            _ => self.bring_attempt(ix, n, item),
        }
    }

    /// The settled calls of an attempt that has not ended: what was paid for. A call that was in flight, or in doubt, is left out, and made anew.
    fn bring_attempt(&mut self, ix: NodeIx, n: u32, item: &ItemState) {
        let Some(history) = self.history else { return };
        let Step { id: step, approval, .. } = &self.program.nodes[ix].step;
        // Who agreed to this one element agreed to it for the other run: it asks again, from the start.
        if approval.is_some() {
            return;
        }
        let goes_on = !matches!(item.phase, ItemPhase::Idle | ItemPhase::Backoff(_) | ItemPhase::Succeeded | ItemPhase::Failed);
        if item.journal.is_empty() || !goes_on {
            return;
        }
        let here = ItemRef { step: step.clone(), item: n };
        let begins = |event: &&Event| matches!(event, Event::AttemptStarted { at, attempt, .. } if *at == here && *attempt == item.attempt);
        let Some(start) = history.iter().rposition(begins) else { return };
        let mut events: Vec<Event> = Vec::new();
        for event in &history[start..] {
            // A call whose doubt was left open still waits for its answer.
            let is_in_doubt = matches!(events.last(), Some(Event::CallDoubted { verdict, .. }) if *verdict != DoubtVerdict::Fail);
            match event {
                // It opened the conversation again, which takes a place among its calls; the run that is made here never stopped.
                Event::Reopened { keep, .. } if keep.contains(step) && !is_in_doubt => {
                    let failure = Failure::new(FailureClass::Cancelled, "opened again");
                    events.push(Event::Hopped { at: here.clone(), hop: OPENED_AGAIN, failure });
                }
                event if is_of(event, &here, item.attempt) => events.push((*event).clone()),
                _ => {}
            }
        }
        let settled = events.iter().rposition(|event| match event {
            Event::CallSettled { .. } | Event::WaitEnded { .. } => true,
            Event::CallDoubted { verdict, .. } => *verdict == DoubtVerdict::Fail,
            Event::DoubtResolved { resolution, .. } => matches!(resolution, Resolution::Done { .. }),
            Event::Hopped { .. } => true,
            _ => false,
        });
        events.truncate(settled.map_or(0, |last| last + 1));
        events.iter_mut().for_each(without_money);
        // Who was asked from its first question on was chosen before it.
        let before = history[..start].iter().rev().find(|event| matches!(event, Event::Hopped { at, .. } if *at == here));
        if item.hop > 0 && !events.is_empty() {
            self.kept.events.extend(before.map(|event| (*event).clone()));
        }
        self.kept.events.append(&mut events);
    }
}

/// How a step ended.
fn ending(id: &StepId, step: &StepState) -> Event {
    let id = id.clone();
    match (step.status, step.skipped, &step.failure) {
        (StepStatus::Skipped, Some(reason), _) => Event::StepSkipped { step: id, reason },
        (StepStatus::Failed, _, Some(failure)) => Event::StepFailed { step: id, failure: failure.clone(), tolerated: step.tolerated },
        _ => Event::StepSucceeded { step: id, outputs: step.outputs.clone(), instead: step.instead.clone() },
    }
}

/// Whether an event belongs to this attempt.
fn is_of(event: &Event, here: &ItemRef, attempt: u32) -> bool {
    match event {
        Event::AttemptStarted { at, attempt: number, .. } => at == here && *number == attempt,
        Event::CallStarted(started) => started.call.step == here.step && started.call.item == here.item && started.call.attempt == attempt,
        Event::CallSettled { call, .. } | Event::CallDoubted { call, .. } => {
            call.step == here.step && call.item == here.item && call.attempt == attempt
        }
        Event::DoubtResolved { at, .. } | Event::WaitEnded { at, .. } | Event::Hopped { at, .. } => at == here,
        Event::WaitStarted { at, within, .. } => at == here && *within,
        _ => false,
    }
}

/// What was charged was charged to the other run.
fn without_money(event: &mut Event) {
    match event {
        Event::CallStarted(started) => started.hold = None,
        Event::CallSettled { settlement, .. } | Event::CallDoubted { settlement, .. } => *settlement = None,
        _ => {}
    }
}
