//! Order: what refers to what comes later, and steps that wait for one another.

use std::collections::BTreeMap;

use gorgon_core::definition::{Definition, Order, Step};
use gorgon_core::diagnostic::Code;
use gorgon_core::plan::{EdgeKind, file_order_inside, find_cycle, names_inside, order_inside, sibling_edges};
use gorgon_core::template::{Names, Reference, Root};
use serde_json::Value;

use super::texts::Texts;
use super::{Places, arms};
use crate::node::Node;
use crate::read::Reader;
use crate::report::{Spot, did_you_mean};
use crate::types::FAN_OUT_RESULTS;

/// Most cycles that are named among the steps of one list.
const CYCLES_MAX: usize = 20;

impl<'n> Texts<'_, 'n> {
    /// Checks what bound references lead to: results that exist, of steps that can have run.
    pub(super) fn references(&mut self, references: &[&Reference], node: &'n Node, value: Option<&Value>) {
        for reference in references {
            let (targets, field) = match &reference.root {
                Root::Step { step, field } => (std::slice::from_ref(step), Some(field)),
                Root::Output { steps, .. } => (steps.as_slice(), None),
                Root::Secret(_) if !self.admits_secrets => {
                    let spot = self.spot(node, value, &reference.pointer, &reference.span);
                    let message = format!("`{}` is a secret, and this is no place for one", reference.text);
                    self.reader.report.error(
                        Code::BadTemplate,
                        spot,
                        message,
                        "secrets go into the `headers` of an `http` step or the `env` of a `shell` step",
                    );
                    continue;
                }
                _ => continue,
            };
            let spot = self.spot(node, value, &reference.pointer, &reference.span);
            for target in targets {
                let Some(other) = self.places.find(target) else { continue };
                if let Some(field) = field {
                    self.field(&spot, other, field);
                }
                self.reaches(&spot, other, &reference.text);
            }
        }
    }

    fn field(&mut self, spot: &Spot<'n>, other: usize, field: &str) {
        let Some(known) = fields(self.steps[other]) else { return };
        if known.contains(&field) {
            return;
        }
        let message = format!("step `{}` gives no `{field}`", self.steps[other].id);
        let help = did_you_mean(field, known.iter().copied());
        self.reader.report.error(Code::UnknownReference, spot.clone(), message, help);
    }

    /// Whether the other step can have run before this one.
    fn reaches(&mut self, spot: &Spot<'n>, other: usize, text: &str) {
        let (own, target) = (&self.steps[self.number].id, &self.steps[other].id);
        if other == self.number {
            let message = format!("step `{own}` refers to its own result `{text}`");
            self.reader.report.error(Code::Cycle, spot.clone(), message, "a result is there only when the step has ended");
        } else if self.steps[self.number].kind == "loop" && self.places.is_within(other, self.number) {
            // The conditions of a loop are judged between its rounds.
        } else if self.places.is_within(other, self.number) || self.places.is_within(self.number, other) {
            let message = format!("step `{own}` refers to `{target}`, but one of them stands inside of the other");
            self.reader.report.error(
                Code::Cycle,
                spot.clone(),
                message,
                "refer to the steps inside of a group by their own ids; `previous.ID` is what the round before gave",
            );
        } else if self.definition.order == Order::File && self.places.turns[other] > self.places.turns[self.number] {
            let message = format!("step `{own}` refers to `{text}`, but step `{target}` comes after it");
            self.reader.report.error(
                Code::UnknownReference,
                spot.clone(),
                message,
                "in a file without `depends_on` steps run as they stand: move it up, or order the file by `depends_on` or `settings.auto_parallel: true`",
            );
        }
    }
}

/// The results that a step is known to have; `None`: any.
fn fields(step: &Step) -> Option<Vec<&str>> {
    let declared = step.outputs.iter().map(String::as_str);
    if step.fan_out.is_some() {
        return Some(declared.chain(FAN_OUT_RESULTS.iter().map(|(name, _)| *name)).chain(["status", "error"]).collect());
    }
    let kind = gorgon_core::step::find(&step.kind).filter(|kind| kind.unavailable().is_none())?;
    if step.params.get("gives").and_then(Value::as_str) == Some("last") {
        let last = step.steps.last().map(|last| (last.outputs.iter().map(String::as_str), fields(last)));
        let of_last = last.and_then(|(outputs, known)| Some(outputs.chain(known?).collect::<Vec<_>>()))?;
        return Some(declared.chain(kind.results().iter().map(|(name, _)| *name)).chain(of_last).collect());
    }
    // What a script returns and what comes with a signal is not known before.
    if matches!(kind.name(), "script" | "signal" | "workflow") {
        return None;
    }
    let set = step.params.get("set").and_then(Value::as_object).filter(|_| kind.name() == "transform");
    let known = declared.chain(kind.results().iter().map(|(name, _)| *name)).chain(["status", "error"]);
    Some(known.chain(set.into_iter().flatten().map(|(name, _)| name.as_str())).collect())
}

/// In a file that runs as it stands, a branch comes before what it chooses.
pub(super) fn check_branches(definition: &Definition, steps: &[&Step], reader: &mut Reader<'_>, places: &Places) {
    if definition.order != Order::File {
        return;
    }
    for (number, step) in steps.iter().enumerate().filter(|(_, step)| step.kind == "branch") {
        for (arm, ids) in ["then", "else"].into_iter().zip(arms(step)) {
            let Some(list) = reader.sources[number].params.get(arm).copied() else { continue };
            for (place, id) in ids.into_iter().enumerate() {
                let Some(target) = places.find(id).filter(|&target| places.parents[target].is_none() && places.parents[number].is_none()) else {
                    continue;
                };
                if places.ranks[target] < places.ranks[number] {
                    let node = list.as_list().and_then(|items| items.get(place)).unwrap_or(list);
                    let message = format!("branch `{}` names `{id}`, which comes before it", step.id);
                    reader.report.error(Code::UnknownStep, Spot::of(node), message, "put the branch above the steps that it chooses");
                }
            }
        }
    }
}

/// Names the cycles of each list of steps.
pub(super) fn check_cycles(definition: &Definition, reader: &mut Reader<'_>, places: &Places, names: &Names) {
    // A file that runs as it stands waits backward only; what looks forward has been reported.
    if definition.order != Order::File {
        cycles(&definition.steps, definition.order, reader, places, names);
    }
    for step in &definition.steps {
        cycles_inside(step, definition.order, reader, places, names);
    }
}

fn cycles_inside(step: &Step, of_file: Order, reader: &mut Reader<'_>, places: &Places, names: &Names) {
    if step.steps.is_empty() {
        return;
    }
    let names = &names_inside(names, step);
    cycles(&step.steps, order_inside(step, of_file), reader, places, names);
    for child in &step.steps {
        cycles_inside(child, file_order_inside(step, of_file), reader, places, names);
    }
}

fn cycles(siblings: &[Step], order: Order, reader: &mut Reader<'_>, places: &Places, names: &Names) {
    let mut edges = sibling_edges(siblings, order, names);
    for _ in 0..CYCLES_MAX {
        let Some(cycle) = find_cycle(&edges) else { return };
        report(siblings, &cycle, &edges, reader, places);
        // Without one of its edges it is found no more, and others that share steps with it are.
        let (Some(&first), Some(&last)) = (cycle.first(), cycle.last()) else { return };
        edges[first].remove(&last);
    }
}

fn report(siblings: &[Step], cycle: &[usize], edges: &[BTreeMap<usize, EdgeKind>], reader: &mut Reader<'_>, places: &Places) {
    let id = |place: usize| siblings[place].id.as_str();
    let mut reasons = Vec::new();
    for (at, &from) in cycle.iter().enumerate() {
        let to = cycle[(at + 1) % cycle.len()];
        let (to_id, from_id) = (id(to), id(from));
        reasons.push(match edges[to].get(&from) {
            Some(EdgeKind::DependsOn) => format!("`{to_id}` depends on `{from_id}`"),
            Some(EdgeKind::Reference) => format!("`{to_id}` refers to `{from_id}`"),
            Some(EdgeKind::Branch) => format!("`{to_id}` is chosen by `{from_id}`"),
            Some(EdgeKind::FileOrder) | None => format!("`{to_id}` follows `{from_id}` in the file (`depends_on: []` would free it)"),
        });
    }
    let way: Vec<&str> = cycle.iter().chain(cycle.first()).map(|&place| id(place)).collect();
    let Some(number) = cycle.iter().filter_map(|&place| places.find(id(place))).min() else { return };
    let source = &reader.sources[number];
    let spot = source.depends_on.first().copied().or(source.id).map_or_else(|| Spot::head(source.node), Spot::of);
    let help = format!("{}; take one of these out", reasons.join(", "));
    reader.report.error(Code::Cycle, spot, format!("steps wait for one another: {}", way.join(" → ")), help);
}
