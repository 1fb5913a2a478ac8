//! A new run out of an old one: which results it keeps, and the events that bring them in.
//!
//! What is kept is imported as the events that made it, without their money: a kept result costs nothing. What is not kept starts anew. Never kept are
//! failures that stopped something, waits, calls that were in flight, and the answers to approvals that something still waits for.

mod import;
mod repeated;
mod unchanged;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::import::{Import, Keep};
pub use self::repeated::{Repeated, repeated};
pub use self::unchanged::{Values, unchanged};
use crate::event::{Event, SkipReason};
use crate::ids::{RunId, StepId};
use crate::plan::{NodeIx, Program};
use crate::run::{RunState, StepState, StepStatus};

/// Where a run came from. Stands in its first event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The run that it was made out of.
    pub run: RunId,
    /// The last append of that run that counts; absent where its results were judged step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The step from which on nothing was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StepId>,
    /// Steps whose results were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<StepId>,
    /// Steps of which a part was kept: elements, steps inside of them, turns of a conversation, rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<StepId>,
}

/// What a fork keeps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// The events that bring it in.
    pub events: Vec<Event>,
    /// Steps that are kept whole: they never run again.
    pub steps: Vec<StepId>,
    /// Steps of which a part is kept. A step inside of a loop that goes on is one of them: it runs again in the rounds that are left.
    pub begun: Vec<StepId>,
    /// The loops that go on, and how many rounds of each have ended.
    pub rounds: BTreeMap<StepId, u32>,
}

/// Keeps everything that a run had when it stood like this. `events` are those that led there.
#[must_use]
pub fn prefix(origin: &RunState, events: &[&Event]) -> Kept {
    let program = &origin.program;
    let mut keep: Vec<Keep> = Vec::with_capacity(program.nodes.len());
    // Steps stand after the group that they are in.
    for (ix, node) in program.nodes.iter().enumerate() {
        let is_history = node.parent.is_some_and(|group| keep[group] == Keep::Whole) && origin.steps[ix].status.is_terminal();
        keep.push(if is_history { Keep::Whole } else { stands(origin, ix) });
    }
    Import::new(program, origin, Some(events), keep).done()
}

/// What is kept of a step of the prefix. Inside of a group that has ended and is kept, it is how each step ended, be it badly: the group lived with that.
fn stands(origin: &RunState, ix: NodeIx) -> Keep {
    let (node, step) = (&origin.program.nodes[ix], &origin.steps[ix]);
    match step.status {
        StepStatus::Succeeded => Keep::Whole,
        StepStatus::Skipped if step.skipped.is_some_and(SkipReason::is_a_choice) => Keep::Whole,
        StepStatus::Failed if step.tolerated => Keep::Whole,
        StepStatus::Skipped | StepStatus::Pending | StepStatus::Ready => Keep::No,
        StepStatus::Failed if node.items.is_none() && node.children.is_empty() => Keep::No,
        // A loop that failed by itself and not by a step inside of it has nowhere to go on.
        StepStatus::Failed if step.rounds.as_ref().is_some_and(|rounds| !rounds.under_way) => Keep::No,
        StepStatus::Failed | StepStatus::Running | StepStatus::Waiting | StepStatus::InDoubt | StepStatus::Cancelled => Keep::parts_of(node),
    }
}

/// How a step of the new program stood in the old run.
fn origin_of<'o>(program: &Program, origin: &'o RunState, ix: NodeIx) -> Option<&'o StepState> {
    origin.program.find(&program.nodes[ix].step.id).map(|there| &origin.steps[there])
}
