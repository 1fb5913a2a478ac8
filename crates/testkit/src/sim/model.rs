//! The reference model: what a history may say, in a hundred lines that share nothing with the machine but the words.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_core::call::Outcome;
use gorgon_core::definition::{EffectClass, OnInDoubt};
use gorgon_core::event::{CallStarted, DoubtVerdict, Event, Instead, Resolution, Settlement};
use gorgon_core::ids::{CallId, StepId};
use gorgon_core::money::Amounts;
use gorgon_core::plan::Program;
use gorgon_core::run::RunStatus;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Good,
    Past,
    Bad,
    Left,
}

/// A run as its history tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) open: BTreeMap<CallId, Amounts>,
    pub(crate) charged: Amounts,
    used: BTreeSet<CallId>,
    /// Calls that may be made again, although they may have been made.
    may_redo: BTreeSet<CallId>,
    doubted: BTreeMap<(StepId, u32), CallId>,
    ended: BTreeMap<StepId, End>,
    items: BTreeSet<(StepId, u32)>,
    /// For each loop: its last round, and whether one before it went on past a failure.
    rounds: BTreeMap<StepId, (u32, bool)>,
    pub(crate) finished: Option<RunStatus>,
}

impl Model {
    /// Takes one event in, or says why no history may hold it.
    pub(crate) fn apply(&mut self, program: &Program, event: &Event) -> Result<(), String> {
        let opens_again = matches!(event, Event::Resumed { .. } | Event::Reopened { .. } | Event::LimitSet { .. });
        if self.finished.is_some() && !opens_again {
            return Err(format!("{} in a run that has ended", event.name()));
        }
        match event {
            Event::CallStarted(started) => self.start(program, started),
            Event::CallSettled { call, outcome, settlement } => {
                if matches!(outcome, Outcome::InDoubt { .. }) {
                    return Err(format!("{call} is settled and in doubt"));
                }
                self.end_call(call, settlement.as_ref())
            }
            Event::CallDoubted { call, verdict, settlement, .. } => {
                self.doubted.insert((call.step.clone(), call.item), call.clone());
                if *verdict == DoubtVerdict::Redo {
                    self.may_redo.insert(CallId { redo: call.redo + 1, ..call.clone() });
                }
                self.end_call(call, settlement.as_ref())
            }
            Event::DoubtResolved { at, resolution: Resolution::Redo, .. } => {
                let call = self.doubted.get(&(at.step.clone(), at.item)).ok_or_else(|| format!("{} is not in doubt", at.step))?;
                self.may_redo.insert(CallId { redo: call.redo + 1, ..call.clone() });
                Ok(())
            }
            Event::ItemSucceeded { step, item, .. } | Event::ItemFailed { step, item, .. } => {
                self.items.insert((step.clone(), *item)).then_some(()).ok_or_else(|| format!("element {item} of {step} ended twice"))
            }
            Event::StepSucceeded { step, instead, .. } => {
                let past = matches!(instead, Some(Instead::DefaultOutput { .. } | Instead::FailedItems { .. }));
                self.end_step(step, if past { End::Past } else { End::Good })
            }
            Event::StepFailed { step, tolerated, .. } => self.end_step(step, if *tolerated { End::Past } else { End::Bad }),
            Event::StepSkipped { step, .. } => self.end_step(step, End::Left),
            Event::RoundStarted { step, round } => self.start_round(program, step, *round),
            Event::RoundEnded { step, round, .. } => {
                let last = self.rounds.get(step).map(|(round, _)| *round);
                let running = self.inside(program, step).find(|inside| !self.ended.contains_key(inside)).cloned();
                match running {
                    None if last == Some(*round) => Ok(()),
                    None => Err(format!("round {round} of {step} ended after round {last:?} began")),
                    Some(inside) => Err(format!("round {round} of {step} ended before {inside} had")),
                }
            }
            Event::Resumed { .. } => {
                self.finished = None;
                Ok(())
            }
            Event::Reopened { steps, keep, .. } => {
                self.finished = None;
                for step in steps.iter().chain(keep) {
                    self.ended.remove(step);
                }
                self.rounds.retain(|step, _| !steps.contains(step));
                // Elements of a fan-out that goes on keep what succeeded; which ones those are, the machine's own state says.
                self.items.retain(|(step, _)| !steps.contains(step) && !keep.contains(step));
                Ok(())
            }
            Event::RunFinished { status, .. } => self.finish(program, *status),
            _ => Ok(()),
        }
    }

    /// The steps of a group that count for its end.
    fn inside<'p>(&self, program: &'p Program, group: &StepId) -> impl Iterator<Item = &'p StepId> + use<'p> {
        let children = program.find(group).map_or(&[][..], |ix| &program.nodes[ix].children);
        children.iter().map(|&child| &program.nodes[child]).filter(|node| node.fallback_of.is_none()).map(|node| &node.step.id)
    }

    /// Another round of a loop: after a whole one, and with everything inside of it as if it had never run.
    fn start_round(&mut self, program: &Program, step: &StepId, round: u32) -> Result<(), String> {
        let (next, mut past) = self.rounds.get(step).map_or((0, false), |(last, past)| (last + 1, *past));
        if round != next || self.ended.contains_key(step) {
            return Err(format!("round {round} of {step} began, and {next} was next"));
        }
        if round > 0
            && let Some(inside) = self.inside(program, step).find(|inside| matches!(self.ended.get(inside), None | Some(End::Bad)))
        {
            return Err(format!("round {round} of {step} began although {inside} had not ended well"));
        }
        let mut open: Vec<usize> = program.find(step).map(|ix| program.nodes[ix].children.clone()).unwrap_or_default();
        while let Some(ix) = open.pop() {
            let id = &program.nodes[ix].step.id;
            past |= self.ended.remove(id) == Some(End::Past);
            past |= self.rounds.remove(id).is_some_and(|(_, past)| past);
            self.items.retain(|(step, _)| step != id);
            open.extend(&program.nodes[ix].children);
        }
        self.rounds.insert(step.clone(), (round, past));
        Ok(())
    }

    fn start(&mut self, program: &Program, started: &CallStarted) -> Result<(), String> {
        let call = &started.call;
        if !self.used.insert(call.clone()) {
            return Err(format!("{call} was ordered twice"));
        }
        if self.ended.contains_key(&call.step) {
            return Err(format!("{call} was ordered after its step had ended"));
        }
        let mut here = program.find(&call.step);
        while let Some(ix) = here {
            for (from, _) in &program.nodes[ix].after {
                let before = &program.nodes[*from].step.id;
                match self.ended.get(before) {
                    None => return Err(format!("{call} was ordered before {before} had ended")),
                    Some(End::Bad) => return Err(format!("{call} was ordered although {before} had failed")),
                    Some(End::Good | End::Past | End::Left) => {}
                }
            }
            here = program.nodes[ix].parent;
        }
        let node = program.find(&call.step).map(|ix| &program.nodes[ix].step);
        let harmful = started.class >= EffectClass::AtMostOnce && node.is_none_or(|step| step.on_in_doubt != OnInDoubt::Retry);
        if call.redo > 0 && !self.may_redo.remove(call) {
            return Err(format!("{call} was made again without need"));
        }
        if harmful && call.redo > 0 && !self.doubted.contains_key(&(call.step.clone(), call.item)) {
            return Err(format!("{call} may do harm, and was made again although nobody said so"));
        }
        self.open.insert(call.clone(), started.hold.map_or(Amounts::ZERO, |hold| hold.amounts));
        Ok(())
    }

    fn end_call(&mut self, call: &CallId, settlement: Option<&Settlement>) -> Result<(), String> {
        let held = self.open.remove(call).ok_or_else(|| format!("{call} ended although it was not in flight"))?;
        let given_back = settlement.map_or(Amounts::ZERO, |settlement| settlement.held);
        if held != given_back {
            return Err(format!("{call} held {held:?}, and {given_back:?} was given back"));
        }
        self.charged = self.charged.plus(settlement.map_or(Amounts::ZERO, |settlement| settlement.charged));
        Ok(())
    }

    fn end_step(&mut self, step: &StepId, end: End) -> Result<(), String> {
        if let Some(call) = self.open.keys().find(|call| call.step == *step) {
            return Err(format!("{step} ended while {call} was in flight"));
        }
        match self.ended.insert(step.clone(), end) {
            None => Ok(()),
            Some(before) => Err(format!("{step} ended twice: {before:?}, then {end:?}")),
        }
    }

    fn finish(&mut self, program: &Program, status: RunStatus) -> Result<(), String> {
        self.finished = Some(status);
        if let Some(call) = self.open.keys().next() {
            return Err(format!("the run ended while {call} was in flight"));
        }
        let tops = || {
            program
                .nodes
                .iter()
                .filter(|node| node.parent.is_none() && node.fallback_of.is_none())
                .map(|node| (&node.step.id, self.ended.get(&node.step.id)))
        };
        let whole = tops().all(|(_, end)| matches!(end, Some(End::Good | End::Past | End::Left)));
        let past = self.ended.values().any(|end| *end == End::Past) || self.rounds.values().any(|(_, past)| *past);
        match status {
            RunStatus::Completed if whole && !past => Ok(()),
            RunStatus::Partial if whole && past => Ok(()),
            RunStatus::Failed | RunStatus::Cancelled => Ok(()),
            _ => Err(format!("the run ended {}, but its steps: {:?}", status.word(), tops().collect::<Vec<_>>())),
        }
    }
}
