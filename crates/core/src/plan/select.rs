//! Which steps the goals need.

use std::collections::{BTreeMap, BTreeSet};

use super::edges::{file_order_inside, names_inside, names_of, order_inside, sibling_edges};
use super::{After, EdgeKind, Excluded, ExcludedReason, Included, Plan, Reason};
use crate::definition::{Definition, Fallback, OnFailure, Order, Step};
use crate::diagnostic::{Code, Diagnostic};
use crate::template::{Names, nearest};

/// Walks backward from the goals. Without goals every step is included.
pub(super) fn plan(definition: &Definition, goals: &[String]) -> Result<Plan, Vec<Diagnostic>> {
    let names = names_of(definition);
    let edges = sibling_edges(&definition.steps, definition.order, &names);
    let mut reasons: BTreeMap<usize, Reason> = BTreeMap::new();
    if goals.is_empty() {
        reasons.extend((0..definition.steps.len()).map(|place| (place, Reason::Everything)));
    } else {
        let mut problems = Vec::new();
        let mut open = Vec::new();
        for goal in goals {
            match goal_places(definition, goal) {
                places if places.is_empty() => problems.push(unknown_goal(definition, goal)),
                places => open.extend(places.into_iter().map(|place| (place, Reason::Goal(goal.clone())))),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        while let Some((place, reason)) = open.pop() {
            if reasons.contains_key(&place) {
                continue;
            }
            reasons.insert(place, reason);
            let step = &definition.steps[place];
            open.extend(needed(&edges[place], definition.order).map(|from| (from, Reason::NeededBy(step.id.clone()))));
        }
    }
    let mut open: Vec<usize> = reasons.keys().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(place) = open.pop() {
        let step = &definition.steps[place];
        let OnFailure::Fallback(Fallback::Step(id)) = &step.on_failure else { continue };
        // A fallback may have one of its own.
        if let Some(fallback) = definition.steps.iter().position(|s| s.id == *id).filter(|fallback| seen.insert(*fallback)) {
            reasons.insert(fallback, Reason::FallbackOf(step.id.clone()));
            open.push(fallback);
        }
    }
    let kept: BTreeSet<usize> = reasons.keys().copied().collect();
    let mut included = Vec::new();
    let mut excluded = Vec::new();
    for (place, step) in definition.steps.iter().enumerate() {
        match reasons.remove(&place) {
            Some(reason) => {
                include(step, reason, after(&definition.steps, &edges[place], &kept), definition.order, &names, &mut included);
            }
            None => excluded.extend(step.with_nested().map(|s| Excluded { step: s.id.clone(), reason: ExcludedReason::NotNeeded })),
        }
    }
    Ok(Plan { definition: definition.hash(), goals: goals.to_vec(), included, excluded })
}

/// The steps that have to run for one that does. In a file without edges the one before it may prepare the ground, so it counts.
fn needed(edges: &BTreeMap<usize, EdgeKind>, order: Order) -> impl Iterator<Item = usize> {
    let has_own = edges.values().any(|kind| *kind != EdgeKind::FileOrder);
    edges.iter().filter(move |(_, kind)| **kind != EdgeKind::FileOrder || !has_own || order == Order::Edges).map(|(&from, _)| from)
}

fn after(siblings: &[Step], edges: &BTreeMap<usize, EdgeKind>, kept: &BTreeSet<usize>) -> Vec<After> {
    edges.iter().filter(|(from, _)| kept.contains(from)).map(|(&from, &because)| After { step: siblings[from].id.clone(), because }).collect()
}

fn include(step: &Step, reason: Reason, after_it: Vec<After>, of_file: Order, names: &Names, included: &mut Vec<Included>) {
    included.push(Included { step: step.id.clone(), after: after_it, reason });
    if step.steps.is_empty() {
        return;
    }
    let names = &names_inside(names, step);
    let edges = sibling_edges(&step.steps, order_inside(step, of_file), names);
    let all: BTreeSet<usize> = (0..step.steps.len()).collect();
    for (place, child) in step.steps.iter().enumerate() {
        include(child, Reason::Inside(step.id.clone()), after(&step.steps, &edges[place], &all), file_order_inside(step, of_file), names, included);
    }
}

/// The top-level steps that are, hold or give a goal.
fn goal_places(definition: &Definition, goal: &str) -> Vec<usize> {
    let gives = |step: &Step| step.with_nested().any(|s| s.id.as_str() == goal || s.outputs.iter().any(|output| output == goal));
    definition.steps.iter().enumerate().filter(|(_, step)| gives(step)).map(|(place, _)| place).collect()
}

fn unknown_goal(definition: &Definition, goal: &str) -> Diagnostic {
    let known = definition.all_steps().flat_map(|s| std::iter::once(s.id.as_str()).chain(s.outputs.iter().map(String::as_str)));
    let problem = Diagnostic::error(Code::UnknownGoal, "goals", format!("the goal `{goal}` is neither a step nor an output of one"));
    match nearest(goal, known) {
        Some(known) => problem.help(format!("did you mean `{known}`?")),
        None => problem.help("name a step by its `id:`, or one of the names under a step's `outputs:`"),
    }
}
