//! Effects of the old run that the new one has again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Kept;
use crate::definition::EffectClass;
use crate::event::Event;
use crate::ids::StepId;
use crate::plan::Program;

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

/// The steps of `program` that are not kept and whose calls, in the old run, did something that a repetition does again. An idempotent call is one of
/// them: the other side knew it by a token of the old run.
#[must_use]
pub fn repeated<'e>(program: &Program, events: impl IntoIterator<Item = &'e Event>, kept: &Kept) -> Vec<Repeated> {
    let whole: BTreeSet<&StepId> = kept.steps.iter().collect();
    let mut parts = BTreeSet::new();
    for event in &kept.events {
        match event {
            Event::ItemSucceeded { step, item, .. } => drop(parts.insert((step, *item, None))),
            Event::CallStarted(started) => drop(parts.insert((&started.call.step, started.call.item, Some(started.call.call)))),
            _ => {}
        }
    }
    let mut done: BTreeMap<(usize, EffectClass), BTreeSet<(u32, u32)>> = BTreeMap::new();
    for event in events {
        // What the old run kept of another one was done by that one: once at least, and its history is not at hand.
        if let Event::RunCreated(created) = event {
            for ix in created.fork.iter().flat_map(|fork| &fork.kept).filter(|step| !whole.contains(step)).filter_map(|step| program.find(step)) {
                let effect = program.nodes[ix].step.effect;
                if effect >= EffectClass::Idempotent && program.nodes[ix].children.is_empty() {
                    done.entry((ix, effect)).or_default().insert((0, 0));
                }
            }
        }
        let Event::CallStarted(started) = event else { continue };
        let call = &started.call;
        let is_kept =
            whole.contains(&call.step) || parts.contains(&(&call.step, call.item, None)) || parts.contains(&(&call.step, call.item, Some(call.call)));
        if started.class < EffectClass::Idempotent || is_kept {
            continue;
        }
        if let Some(ix) = program.find(&call.step) {
            done.entry((ix, started.class)).or_default().insert((call.item, call.call));
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
