//! Results that hold for the new run as well: the same step, the same values in it, and nothing before it that runs again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Kept;
use super::import::{Import, Keep};
use crate::definition::{Definition, Step};
use crate::event::Instead;
use crate::ids::StepId;
use crate::plan::{NodeIx, Program};
use crate::run::{RunState, StepState, StepStatus};
use crate::template::{Root, RunField};

/// Keeps the results of a run that hold for a new one of `program`, which may be another version of the file; `from` and what comes after it run again.
///
/// Which model answered is no part of the judgement: `from` says from where on another one does.
#[must_use]
pub fn unchanged(program: &Program, values: &Values, origin: &RunState, from: Option<&StepId>) -> Kept {
    let from = from.and_then(|step| program.find(step));
    let mut judge = Judge { program, values, origin, from, known: vec![None; program.nodes.len()] };
    let keep = (0..program.nodes.len()).map(|ix| judge.keep(ix)).collect();
    Import::new(program, origin, None, keep).done()
}

/// What a new run begins with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    /// Its inputs, defaults filled in.
    pub inputs: BTreeMap<String, Value>,
    /// What it sees of the environment.
    pub env: BTreeMap<String, String>,
}

impl Values {
    /// Inputs as they will be once the defaults of the definition are filled in.
    #[must_use]
    pub fn new(definition: &Definition, mut inputs: BTreeMap<String, Value>, env: BTreeMap<String, String>) -> Self {
        for (name, spec) in &definition.inputs {
            if let Some(default) = spec.default.as_ref().filter(|_| !inputs.contains_key(name)) {
                inputs.insert(name.clone(), default.clone());
            }
        }
        Self { inputs, env }
    }
}

struct Judge<'a> {
    program: &'a Program,
    values: &'a Values,
    origin: &'a RunState,
    from: Option<NodeIx>,
    known: Vec<Option<Keep>>,
}

impl<'a> Judge<'a> {
    fn keep(&mut self, ix: NodeIx) -> Keep {
        if let Some(known) = self.known[ix] {
            return known;
        }
        let keep = if self.begins_alike(ix) { self.result(ix) } else { Keep::No };
        self.known[ix] = Some(keep);
        keep
    }

    /// Whether it would begin as it did: in a group that does, after results that are kept, with the same parameters. Edges have no circles, so this never
    /// comes back to the same step.
    fn begins_alike(&mut self, ix: NodeIx) -> bool {
        let program = self.program;
        let node = &program.nodes[ix];
        let Some(there) = self.origin.program.find(&node.step.id) else { return false };
        if Some(ix) == self.from || !same_step(&self.origin.program.nodes[there].step, &node.step) || !self.same_values(ix, there) {
            return false;
        }
        let group = node.parent.is_none_or(|parent| self.begins_alike(parent) && self.origin_of(parent).is_some_and(|step| step.opened));
        group && node.after.iter().all(|&(from, _)| self.keep(from) == Keep::Whole || self.stands_by(from))
    }

    /// A fallback that nobody needed is no reason to run anything again.
    fn stands_by(&self, ix: NodeIx) -> bool {
        self.program.nodes[ix].fallback_of.is_some() && self.origin_of(ix).is_some_and(|step| step.started_at.is_none())
    }

    fn result(&mut self, ix: NodeIx) -> Keep {
        let program = self.program;
        let node = &program.nodes[ix];
        let Some(step) = self.origin_of(ix) else { return Keep::No };
        if let Some(primary) = node.fallback_of {
            let needed = step.status == StepStatus::Succeeded && self.keep(primary) == Keep::Whole;
            return if needed { Keep::Whole } else { Keep::No };
        }
        let parts = if node.step.approval.as_ref().is_some_and(|approval| !approval.per_item) { Keep::No } else { Keep::Parts };
        if step.opened {
            let inside = |child: &&NodeIx| program.nodes[**child].fallback_of.is_none();
            let all = node.children.iter().filter(inside).all(|&child| self.keep(child) == Keep::Whole);
            return if all && holds(step) { Keep::Whole } else { parts };
        }
        match (&step.instead, node.fallback) {
            // A result that another step gave holds as long as that step is what it was.
            (Some(Instead::FallbackStep { .. }), Some(fallback)) if !self.begins_alike(fallback) => Keep::No,
            _ if holds(step) => Keep::Whole,
            _ if step.list.is_some() => parts,
            _ => Keep::No,
        }
    }

    fn origin_of(&self, ix: NodeIx) -> Option<&'a StepState> {
        self.origin.program.find(&self.program.nodes[ix].step.id).map(|there| &self.origin.steps[there])
    }

    /// Whether what a step refers to has the values that it had. What it refers to of other steps is judged with those steps.
    fn same_values(&self, ix: NodeIx, there: NodeIx) -> bool {
        let (new, old) = (self.program.nodes[ix].references(), self.origin.program.nodes[there].references());
        let Some(before) = self.origin.created.as_deref() else { return false };
        new.len() == old.len()
            && new.iter().zip(&old).all(|(new, old)| {
                new.root == old.root
                    && match &new.root {
                        Root::Input(name) => self.values.inputs.get(name) == self.origin.inputs().get(name),
                        Root::Env(name) => self.values.env.get(name) == before.start.env.get(name),
                        Root::Run(RunField::Id | RunField::StartedAt) => false,
                        Root::Run(RunField::Name) => self.program.definition.name == self.origin.program.definition.name,
                        _ => true,
                    }
            })
    }
}

/// Whether a step has a result that stands for itself. A value that took the place of a failure is none.
fn holds(step: &StepState) -> bool {
    match step.status {
        StepStatus::Succeeded => matches!(step.instead, None | Some(Instead::FallbackStep { .. } | Instead::Resolved)),
        StepStatus::Skipped => step.skipped.is_some_and(crate::event::SkipReason::is_a_choice),
        _ => false,
    }
}

/// Whether two versions of a step do the same. How long and how often it may be tried makes no other result; what stands inside of it is judged by itself.
fn same_step(old: &Step, new: &Step) -> bool {
    let mut now = new.clone();
    now.description.clone_from(&old.description);
    now.on_failure = old.on_failure.clone();
    now.retry = old.retry.clone();
    now.timeout_ms = old.timeout_ms;
    now.total_timeout_ms = old.total_timeout_ms;
    now.on_in_doubt = old.on_in_doubt;
    now.steps.clone_from(&old.steps);
    if let (Some(now), Some(old)) = (&mut now.fan_out, &old.fan_out) {
        now.max_concurrent = old.max_concurrent;
        now.fail_fast = old.fail_fast;
    }
    now == *old
}
