//! What can only be judged when the whole file is known: names, references, order.

mod names;
mod order;
mod outputs;
mod preview;
mod texts;

use std::collections::HashMap;

use gorgon_core::definition::{Definition, Fallback, OnFailure, Step};
use gorgon_core::plan::names_of;

use crate::node::Node;
use crate::read::Reader;

/// Checks a definition that was read, and finishes what depends on all of its names.
pub(crate) fn check<'n>(source: &str, root: &'n Node, definition: &mut Definition, reader: &mut Reader<'n>) {
    preview::expand(definition, reader);
    let places = Places::of(&definition.steps);
    let are_unique = names::check(definition, reader, &places);
    let names = names_of(definition);
    outputs::check(root, definition, reader, &places, &names);
    texts::check(source, definition, reader, &places, &names);
    if are_unique {
        order::check_cycles(definition, reader, &places, &names);
    }
}

/// Where each step stands among the others, by its number in `Definition::all_steps`.
pub(crate) struct Places {
    /// The step that each stands in, if any.
    parents: Vec<Option<usize>>,
    /// Place among its siblings.
    ranks: Vec<usize>,
    /// Place in the order of a file that runs as it stands: that of the outermost parent, and of a fallback that of the step it stands in for.
    turns: Vec<usize>,
    /// First step of each id.
    ids: HashMap<String, usize>,
}

impl Places {
    fn of(steps: &[Step]) -> Self {
        let mut places = Self { parents: Vec::new(), ranks: Vec::new(), turns: Vec::new(), ids: HashMap::new() };
        places.add(steps, None);
        let stand_ins: HashMap<&str, usize> = steps
            .iter()
            .enumerate()
            .filter_map(|(rank, step)| match &step.on_failure {
                OnFailure::Fallback(Fallback::Step(id)) => Some((id.as_str(), rank)),
                _ => None,
            })
            .collect();
        let turn = |number: usize| {
            let mut rank = places.ranks[places.top(number)];
            // A fallback may have a fallback; steps that are each other's are reported, and end here.
            for _ in 0..steps.len() {
                let Some(&primary) = steps.get(rank).and_then(|step| stand_ins.get(step.id.as_str())) else { break };
                rank = primary;
            }
            rank
        };
        places.turns = (0..places.parents.len()).map(turn).collect();
        places
    }

    fn add(&mut self, steps: &[Step], parent: Option<usize>) {
        for (rank, step) in steps.iter().enumerate() {
            let number = self.parents.len();
            self.parents.push(parent);
            self.ranks.push(rank);
            self.ids.entry(step.id.to_string()).or_insert(number);
            self.add(&step.steps, Some(number));
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// Whether one is the other, or stands in it.
    fn is_within(&self, mut step: usize, holder: usize) -> bool {
        loop {
            if step == holder {
                return true;
            }
            let Some(parent) = self.parents[step] else { return false };
            step = parent;
        }
    }

    /// The step of the top level in which a step stands.
    fn top(&self, mut step: usize) -> usize {
        while let Some(parent) = self.parents[step] {
            step = parent;
        }
        step
    }
}

/// The steps that a branch names: those of `then`, those of `else`.
fn arms(step: &Step) -> [Vec<&str>; 2] {
    ["then", "else"]
        .map(|key| step.params.get(key).and_then(serde_json::Value::as_array).into_iter().flatten().filter_map(serde_json::Value::as_str).collect())
}
