//! Effects of the old run that the new one has again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Kept;
use crate::definition::EffectClass;
use crate::event::Event;
use crate::ids::{CallId, StepId};
use crate::plan::{NodeIx, Program};

/// A step that did something to the world, and will do it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// The step.
    pub step: StepId,
    /// What a second execution does.
    pub class: EffectClass,
    /// How many things it did: calls, each counted once however often it was tried.
    pub calls: u32,
}

/// A loop, by its place, and one of its rounds.
type Round = (NodeIx, u32);
/// What was done once: the rounds around it, the element and the call.
type Done = (Vec<Round>, u32, u32);

/// The rounds that the loops of a run are in, as its events go by.
struct Rounds<'p> {
    program: &'p Program,
    now: BTreeMap<NodeIx, u32>,
}

impl<'p> Rounds<'p> {
    fn of(program: &'p Program) -> Self {
        Self { program, now: BTreeMap::new() }
    }

    fn follow(&mut self, event: &Event) {
        if let Event::RoundStarted { step, round } = event
            && let Some(ix) = self.program.find(step)
        {
            self.now.insert(ix, *round);
        }
    }

    /// The rounds of the loops around a step, the outermost first.
    fn around(&self, step: &StepId) -> Vec<Round> {
        let parent = self.program.find(step).and_then(|ix| self.program.nodes[ix].parent);
        self.up_from(parent)
    }

    /// The round that a loop is in, behind those of the loops around it.
    fn of_loop(&self, step: &StepId) -> Vec<Round> {
        self.up_from(self.program.find(step))
    }

    fn up_from(&self, place: Option<NodeIx>) -> Vec<Round> {
        let groups = std::iter::successors(place, |&group| self.program.nodes[group].parent);
        let mut rounds: Vec<Round> = groups.filter_map(|group| Some((group, *self.now.get(&group)?))).collect();
        rounds.reverse();
        rounds
    }
}

/// The steps of `program` that are not kept and whose calls, in the old run, did something that a repetition does again. An idempotent call is one of
/// them: the other side knew it by a token of the old run.
#[must_use]
pub fn repeated<'e>(program: &Program, events: impl IntoIterator<Item = &'e Event>, kept: &Kept) -> Vec<Repeated> {
    let whole: BTreeSet<&StepId> = kept.steps.iter().collect();
    let mut rounds = Rounds::of(program);
    let mut parts = BTreeSet::new();
    let mut ended = BTreeSet::new();
    let mut rounds_kept = BTreeSet::new();
    for event in &kept.events {
        rounds.follow(event);
        match event {
            Event::ItemSucceeded { step, item, .. } => drop(parts.insert((step, rounds.around(step), *item, None))),
            Event::CallStarted(started) => {
                let CallId { step, item, call, .. } = &started.call;
                parts.insert((step, rounds.around(step), *item, Some(*call)));
            }
            Event::StepSucceeded { step, .. } | Event::StepFailed { step, .. } => drop(ended.insert((step, rounds.around(step)))),
            // A round that was brought by what it gave.
            Event::RoundEnded { step, results: Some(_), .. } => drop(rounds_kept.insert(rounds.of_loop(step))),
            _ => {}
        }
    }
    let mut rounds = Rounds::of(program);
    let mut done: BTreeMap<(NodeIx, EffectClass), BTreeSet<Done>> = BTreeMap::new();
    for event in events {
        rounds.follow(event);
        // What the old run kept of another one was done by that one: once at least, and its history is not at hand.
        if let Event::RunCreated(created) = event {
            let brought = created.fork.iter().flat_map(|fork| fork.kept.iter().chain(&fork.begun));
            for ix in brought.filter(|step| !whole.contains(step) && !kept.begun.contains(step)).filter_map(|step| program.find(step)) {
                let effect = program.nodes[ix].step.effect;
                if effect >= EffectClass::Idempotent && program.nodes[ix].children.is_empty() {
                    done.entry((ix, effect)).or_default().insert((Vec::new(), 0, 0));
                }
            }
        }
        let Event::CallStarted(started) = event else { continue };
        let CallId { step, item, call, .. } = &started.call;
        let around = rounds.around(step);
        let part = |call| parts.contains(&(step, around.clone(), *item, call));
        let in_round_kept = || (1..=around.len()).any(|depth| rounds_kept.contains(&around[..depth]));
        let has_ended = ended.contains(&(step, around.clone()));
        let is_kept = whole.contains(step) || has_ended || part(None) || part(Some(*call)) || in_round_kept();
        if started.class < EffectClass::Idempotent || is_kept {
            continue;
        }
        if let Some(ix) = program.find(step) {
            done.entry((ix, started.class)).or_default().insert((around, *item, *call));
        }
    }
    done.into_iter()
        .map(|((ix, class), calls)| Repeated {
            step: program.nodes[ix].step.id.clone(),
            class,
            calls: u32::try_from(calls.len()).unwrap_or(u32::MAX),
        })
        .collect()
}
