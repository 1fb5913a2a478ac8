//! Outputs: one step each, and known where the workflow names them.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_core::definition::{Definition, Fallback, OnFailure, Step};
use gorgon_core::diagnostic::Code;
use gorgon_core::plan::sibling_edges;
use gorgon_core::template::Names;

use super::{Places, arms};
use crate::node::{Content, Node};
use crate::read::{Reader, is_name};
use crate::report::{Spot, did_you_mean};
use crate::types::FAN_OUT_RESULTS;

pub(super) fn check<'n>(root: &'n Node, definition: &Definition, reader: &mut Reader<'n>, places: &Places, names: &Names) {
    duplicates(definition, reader, places, names);
    for (number, step) in definition.all_steps().enumerate() {
        if reader.sources[number].is_checked {
            given(step, number, reader);
        }
    }
    if let Some(node) = root.get("outputs") {
        for (name, spot) in named(node) {
            known(&name, spot, Code::UnknownReference, "the workflow's output", definition, reader, names);
        }
    }
    if let Some(node) = root.get("goals") {
        for item in node.as_list().unwrap_or(std::slice::from_ref(node)) {
            if let Some(goal) = item.as_text() {
                known(goal, Spot::of(item), Code::UnknownGoal, "the goal", definition, reader, names);
            }
        }
    }
}

/// The names of the workflow's outputs, in each of the shapes.
fn named(node: &Node) -> Vec<(String, Spot<'_>)> {
    match &node.content {
        Content::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), Spot::key(node, entry))).collect(),
        Content::List(items) => {
            let names = items.iter().filter_map(|item| {
                let at = item.get("name").unwrap_or(item);
                Some((at.as_text()?.to_owned(), Spot::of(at)))
            });
            names.collect()
        }
        _ => Vec::new(),
    }
}

fn known<'n>(name: &str, spot: Spot<'n>, code: Code, what: &str, definition: &Definition, reader: &mut Reader<'n>, names: &Names) {
    // A name that cannot be one has been reported.
    if !is_name(name) || names.outputs.contains_key(name) || definition.find_step(name).is_some() {
        return;
    }
    let ids: Vec<&str> = definition.all_steps().map(|step| step.id.as_str()).filter(|id| !id.starts_with('#')).collect();
    let help = did_you_mean(name, names.outputs.keys().map(String::as_str).chain(ids.iter().copied()));
    reader.report.error(code, spot, format!("{what} `{name}` is neither an output of a step nor the id of one"), help);
}

fn duplicates(definition: &Definition, reader: &mut Reader<'_>, places: &Places, names: &Names) {
    if names.outputs.values().all(|givers| givers.len() < 2) {
        return;
    }
    let steps: Vec<&Step> = definition.all_steps().collect();
    let exclusive = Exclusive::of(definition, places, names);
    let mut first: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        for (place, output) in step.outputs.iter().enumerate() {
            let givers = first.entry(output).or_default();
            let clash = givers.iter().find(|&&other| !exclusive.holds(&steps, other, number, places));
            if let (Some(&other), Some(node)) = (clash, reader.sources[number].outputs.get(place).copied()) {
                reader.report.error(
                    Code::DuplicateOutput,
                    Spot::of(node),
                    format!("steps `{}` and `{}` both name the output `{output}`", steps[other].id, step.id),
                    "rename one of them; only steps on different arms of one `branch` may share a name",
                );
            }
            givers.push(number);
        }
    }
}

/// Whether a step can give the outputs that it names: the first is the type's first result, further ones have to be results of their own.
fn given(step: &Step, number: usize, reader: &mut Reader<'_>) {
    let kind = gorgon_core::step::find(&step.kind);
    let set = step.params.get("set").and_then(serde_json::Value::as_object).filter(|_| step.kind == "transform" && step.fan_out.is_none());
    let known: Vec<&str> = match (&step.fan_out, set) {
        (Some(_), _) => FAN_OUT_RESULTS.iter().map(|(name, _)| *name).collect(),
        (None, Some(set)) => set.keys().map(String::as_str).collect(),
        (None, None) => kind.map_or(&[][..], |kind| kind.results()).iter().map(|(name, _)| *name).collect(),
    };
    for (place, (output, node)) in step.outputs.iter().zip(reader.sources[number].outputs.clone()).enumerate() {
        if known.contains(&output.as_str()) || (place == 0 && set.is_none()) {
            continue;
        }
        match step.kind.as_str() {
            // A shell step and a model give them as JSON; what a script or a signal gives is not known before.
            "shell" | "script" | "signal" | "agent" | "workflow" if step.fan_out.is_none() => {}
            _ => {
                let help = format!("the first output may have any name, {}", crate::report::one_of(known.iter().copied()));
                reader.report.error(Code::BadValue, Spot::of(node), format!("step `{}` cannot give an output `{output}`", step.id), help);
            }
        }
    }
}

/// Which steps never both run.
struct Exclusive {
    /// For each branch, by number: the steps beside it that run only on one arm.
    arms: Vec<[BTreeSet<usize>; 2]>,
}

impl Exclusive {
    fn of(definition: &Definition, places: &Places, names: &Names) -> Self {
        let mut found = Self { arms: Vec::new() };
        found.add(&definition.steps, places, names);
        found
    }

    fn add(&mut self, siblings: &[Step], places: &Places, names: &Names) {
        if siblings.iter().any(|step| step.kind == "branch") {
            let edges = sibling_edges(siblings, gorgon_core::definition::Order::EdgesOnly, names);
            for branch in siblings.iter().filter(|step| step.kind == "branch") {
                let arms = arms(branch).map(|ids| {
                    let mut arm: BTreeSet<usize> =
                        siblings.iter().enumerate().filter(|(_, s)| ids.contains(&s.id.as_str())).map(|(at, _)| at).collect();
                    // A step that waits only for steps of one arm is left out with them.
                    loop {
                        let more: Vec<usize> = (0..siblings.len())
                            .filter(|at| !arm.contains(at))
                            .filter(|&at| {
                                let mut carried = edges[at].iter().filter(|(_, kind)| kind.carries_exclusion()).map(|(from, _)| from).peekable();
                                carried.peek().is_some() && carried.all(|from| arm.contains(from))
                            })
                            .collect();
                        if more.is_empty() {
                            break;
                        }
                        arm.extend(more);
                    }
                    arm.into_iter().filter_map(|at| places.find(siblings[at].id.as_str())).collect()
                });
                self.arms.push(arms);
            }
        }
        for step in siblings {
            self.add(&step.steps, places, names);
        }
    }

    fn holds(&self, steps: &[&Step], one: usize, other: usize, places: &Places) -> bool {
        let replaces = |a: usize, b: usize| matches!(&steps[a].on_failure, OnFailure::Fallback(Fallback::Step(id)) if *id == steps[b].id);
        let on = |arm: &BTreeSet<usize>, step: usize| arm.iter().any(|&holder| places.is_within(step, holder));
        replaces(one, other)
            || replaces(other, one)
            || self.arms.iter().any(|[then, otherwise]| (on(then, one) && on(otherwise, other)) || (on(otherwise, one) && on(then, other)))
    }
}
