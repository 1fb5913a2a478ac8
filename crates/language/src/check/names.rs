//! Names of steps: unique, and known where they are named.

use std::collections::HashMap;

use gorgon_core::definition::{Definition, Fallback, OnFailure, Step};
use gorgon_core::diagnostic::Code;

use super::{Places, arms};
use crate::node::Node;
use crate::read::Reader;
use crate::report::{Spot, did_you_mean};

/// Checks ids and what names them; whether ids are unique.
pub(super) fn check(definition: &Definition, reader: &mut Reader<'_>, places: &Places) -> bool {
    let steps: Vec<&Step> = definition.all_steps().collect();
    let are_unique = unique(&steps, reader);
    let mut stands_in: HashMap<usize, usize> = HashMap::new();
    for (number, step) in steps.iter().enumerate() {
        depends_on(&steps, number, step, reader, places);
        if step.kind == "branch" {
            targets(&steps, number, step, reader, places);
        }
        if let OnFailure::Fallback(Fallback::Step(id)) = &step.on_failure {
            fallback(&steps, number, id.as_str(), reader, places, &mut stands_in);
        }
    }
    fallback_circles(&steps, reader, &stands_in);
    are_unique
}

/// Steps that are, by some way, their own fallback.
fn fallback_circles(steps: &[&Step], reader: &mut Reader<'_>, stands_in: &HashMap<usize, usize>) {
    let mut told = vec![false; steps.len()];
    for start in 0..steps.len() {
        let mut way = vec![start];
        while let Some(&next) = way.last().and_then(|at| stands_in.get(at)) {
            if told[next] {
                break;
            }
            told[next] = true;
            if next == start {
                let Some(node) = reader.sources[start].fallback else { break };
                let ids: Vec<&str> = [start].iter().chain(way.iter().rev()).map(|&at| steps[at].id.as_str()).collect();
                let message = format!("steps are fallbacks of one another: {}", ids.join(" → "));
                reader.report.error(Code::Cycle, Spot::of(node), message, "the last of them needs another way on");
                break;
            }
            way.push(next);
        }
    }
}

fn unique(steps: &[&Step], reader: &mut Reader<'_>) -> bool {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut are_unique = true;
    for (number, step) in steps.iter().enumerate() {
        let Some(id) = reader.sources[number].id else { continue };
        if step.id.as_str().starts_with('#') {
            continue;
        }
        if seen.insert(step.id.as_str(), number).is_some() {
            are_unique = false;
            reader.report.error(
                Code::DuplicateStep,
                Spot::of(id),
                format!("there are two steps `{}`", step.id),
                if step.id.as_str().ends_with("_map") || step.id.as_str().ends_with("_reduce") {
                    "ids are unique in the whole file; the steps of a `map_reduce` called `M` are `M_map` and `M_reduce`"
                } else {
                    "ids are unique in the whole file, those inside of a `parallel` included"
                },
            );
        }
    }
    are_unique
}

fn unknown<'n>(steps: &[&Step], reader: &mut Reader<'n>, node: &'n Node, id: &str) {
    if reader.report.is_full() {
        return;
    }
    let ids = steps.iter().map(|step| step.id.as_str()).filter(|id| !id.starts_with('#'));
    let help = did_you_mean(id, ids);
    reader.report.error(Code::UnknownStep, Spot::of(node), format!("there is no step `{id}`"), help);
}

fn depends_on(steps: &[&Step], number: usize, step: &Step, reader: &mut Reader<'_>, places: &Places) {
    for node in reader.sources[number].depends_on.clone() {
        let Some(id) = node.as_text() else { continue };
        match places.find(id) {
            None => unknown(steps, reader, node, id),
            Some(other) if places.is_within(number, other) || places.is_within(other, number) => {
                let why = if other == number {
                    format!("step `{id}` depends on itself")
                } else {
                    format!("step `{}` depends on `{id}`, but one of them stands inside of the other", step.id)
                };
                reader.report.error(Code::Cycle, Spot::of(node), why, "leave it out");
            }
            Some(_) => {}
        }
    }
}

fn targets(steps: &[&Step], number: usize, step: &Step, reader: &mut Reader<'_>, places: &Places) {
    for (arm, ids) in ["then", "else"].into_iter().zip(arms(step)) {
        let Some(list) = reader.sources[number].params.get(arm).copied() else { continue };
        for (place, id) in ids.into_iter().enumerate() {
            let node = list.as_list().and_then(|items| items.get(place)).unwrap_or(list);
            match places.find(id) {
                None => unknown(steps, reader, node, id),
                Some(other) if other == number => {
                    reader.report.error(Code::Cycle, Spot::of(node), format!("branch `{id}` names itself"), "name the steps that it chooses");
                }
                Some(other) if places.parents[other] != places.parents[number] => {
                    let message = format!("branch `{}` names `{id}`, which does not stand beside it", step.id);
                    reader.report.error(Code::UnknownStep, Spot::of(node), message, "a branch chooses among the steps of its own list");
                }
                Some(_) => {}
            }
        }
    }
}

fn fallback(steps: &[&Step], number: usize, id: &str, reader: &mut Reader<'_>, places: &Places, stands_in: &mut HashMap<usize, usize>) {
    let Some(node) = reader.sources[number].fallback else { return };
    let own = &steps[number].id;
    let Some(other) = places.find(id) else {
        unknown(steps, reader, node, id);
        return;
    };
    let problem = if other == number {
        Some((Code::Cycle, format!("step `{own}` is its own fallback"), "name another step"))
    } else if places.parents[other] != places.parents[number] {
        Some((Code::UnknownStep, format!("step `{own}` falls back to `{id}`, which does not stand beside it"), "a fallback stands in the same list"))
    } else {
        let first = stands_in.insert(other, number);
        first.map(|first| (Code::BadValue, format!("step `{id}` is the fallback of both `{}` and `{own}`", steps[first].id), "give each its own"))
    };
    if let Some((code, message, help)) = problem {
        reader.report.error(code, Spot::of(node), message, help);
    }
}
