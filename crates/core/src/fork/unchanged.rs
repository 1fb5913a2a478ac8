//! Results that hold for the new run as well: the same step, the same values in it, and nothing before it that runs again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Kept;
use super::import::{Import, Keep};
use crate::definition::Step;
use crate::event::{Instead, SkipReason};
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
    let all = program.nodes.len();
    let mut judge = Judge { program, values, origin, from, begins: vec![false; all], keep: vec![Keep::No; all] };
    for moment in moments(program) {
        match moment {
            Moment::Begin(ix) => judge.begins[ix] = judge.begins_alike(ix),
            Moment::End(ix) => judge.keep[ix] = judge.result(ix),
        }
    }
    Import::new(program, origin, None, judge.keep).done()
}

/// What is judged of a step: that it begins as it did, and then what it came to.
#[derive(Clone, Copy)]
enum Moment {
    Begin(NodeIx),
    End(NodeIx),
}

/// Everything to be judged, each after what its judgement rests on. A list and not a recursion: a chain of steps may be as long as a file allows, and stand
/// in it the wrong way round.
fn moments(program: &Program) -> Vec<Moment> {
    let (begin, end) = (|ix: NodeIx| 2 * ix, |ix: NodeIx| 2 * ix + 1);
    let mut leads: Vec<Vec<usize>> = vec![Vec::new(); 2 * program.nodes.len()];
    let mut waits = vec![0_usize; leads.len()];
    let mut rests = |on: usize, what: usize| {
        leads[on].push(what);
        waits[what] += 1;
    };
    for (ix, node) in program.nodes.iter().enumerate() {
        rests(begin(ix), end(ix));
        node.after.iter().for_each(|&(before, _)| rests(end(before), begin(ix)));
        node.fallback.into_iter().for_each(|fallback| rests(begin(fallback), end(ix)));
        node.fallback_of.into_iter().for_each(|primary| rests(end(primary), end(ix)));
        if let Some(group) = node.parent {
            rests(begin(group), begin(ix));
            if node.fallback_of.is_none() {
                rests(end(ix), end(group));
            }
        }
    }
    let mut open: Vec<usize> = (0..waits.len()).filter(|&what| waits[what] == 0).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(what) = open.pop() {
        order.push(if what % 2 == 0 { Moment::Begin(what / 2) } else { Moment::End(what / 2) });
        for &next in &leads[what] {
            waits[next] -= 1;
            if waits[next] == 0 {
                open.push(next);
            }
        }
    }
    order
}

/// What a new run begins with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    /// Its inputs, defaults filled in.
    pub inputs: BTreeMap<String, Value>,
    /// What it sees of the environment.
    pub env: BTreeMap<String, String>,
}

struct Judge<'a> {
    program: &'a Program,
    values: &'a Values,
    origin: &'a RunState,
    from: Option<NodeIx>,
    /// Whether a step begins as it did.
    begins: Vec<bool>,
    keep: Vec<Keep>,
}

impl<'a> Judge<'a> {
    /// Whether a step would begin as it did: in a group that does, after results that are kept, with the same parameters.
    fn begins_alike(&self, ix: NodeIx) -> bool {
        let node = &self.program.nodes[ix];
        let Some(there) = self.origin.program.find(&node.step.id) else { return false };
        if Some(ix) == self.from || !same_step(&self.origin.program.nodes[there].step, &node.step) || !self.same_values(ix, there) {
            return false;
        }
        let group = node.parent.is_none_or(|parent| self.begins[parent] && self.origin_of(parent).is_some_and(|step| step.opened));
        group && node.after.iter().all(|&(from, _)| self.keep[from] == Keep::Whole)
    }

    /// What is kept of a step.
    fn result(&self, ix: NodeIx) -> Keep {
        let node = &self.program.nodes[ix];
        let Some(step) = self.origin_of(ix).filter(|_| self.begins[ix]) else { return Keep::No };
        if let Some(primary) = node.fallback_of {
            let needed = step.status == StepStatus::Succeeded && self.keep[primary] == Keep::Whole;
            return if needed { Keep::Whole } else { Keep::No };
        }
        if step.opened {
            let inside = |child: &&NodeIx| self.program.nodes[**child].fallback_of.is_none();
            let all = node.children.iter().filter(inside).all(|&child| self.keep[child] == Keep::Whole);
            return match all && holds(step) {
                true => Keep::Whole,
                // What one step of a loop gave, those of the rounds after it may have used.
                false if step.rounds.is_some() => Keep::No,
                false => Keep::parts_of(node),
            };
        }
        match (&step.instead, node.fallback) {
            // A result that another step gave holds as long as that step is what it was.
            (Some(Instead::FallbackStep { .. }), Some(fallback)) if !self.begins[fallback] => Keep::No,
            _ if holds(step) => Keep::Whole,
            _ if step.list.is_some() => Keep::parts_of(node),
            _ => Keep::No,
        }
    }

    fn origin_of(&self, ix: NodeIx) -> Option<&'a StepState> {
        super::origin_of(self.program, self.origin, ix)
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
        StepStatus::Skipped => step.skipped.is_some_and(SkipReason::is_a_choice),
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
