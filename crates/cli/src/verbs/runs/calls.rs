//! The calls of models that a run made, each with what it cost and what came of it.

use std::collections::{HashMap, HashSet};

use gorgon_api::Run;
use gorgon_core::call::{ModelRequest, Request};
use gorgon_core::event::{Event, Settlement};
use gorgon_core::ids::{CallId, StepId};
use gorgon_core::money::show_usd;

use crate::asked::{came_to, in_doubt, whom, why_again};
use crate::board::first_line;
use crate::printer::Printer;
use crate::report::{counted, shown};

/// Most calls of one step or element that are told.
const CALLS_MAX: usize = 20;
/// Most steps and elements whose calls are told.
const STEPS_MAX: usize = 20;

/// A call that has ended.
struct Ended {
    whom: String,
    why_again: Option<String>,
    came_to: String,
    settlement: Option<Settlement>,
}

/// Tells of the calls of each step that made more than one, or whose one call did not give a whole answer: of any other its own line says all.
pub(super) fn show(printer: &Printer, run: &Run, events: &[Event]) {
    let all = ended(run, events);
    let told: Vec<_> = all.iter().filter(|(_, calls)| calls.len() > 1 || calls.iter().any(|call| call.came_to != "answered")).collect();
    for (name, calls) in told.iter().take(STEPS_MAX) {
        printer.data(format!("  calls of {name}"));
        let left_out = calls.len().saturating_sub(CALLS_MAX);
        if left_out > 0 {
            printer.data(format!("    … {left_out} before: gorgon runs events {}", crate::report::short(run.id)));
        }
        for (number, call) in (1..).zip(calls).skip(left_out) {
            let again = call.why_again.as_ref().map_or_else(String::new, |why| format!("asked again ({}), ", shown(&first_line(why))));
            let cost = call.settlement.map_or_else(
                || "not charged".to_owned(),
                |Settlement { charged, .. }| format!("{}, {}", show_usd(charged.cost_nano_usd), counted(charged.tokens, "token")),
            );
            printer.data(format!("    {number}. {}: {again}{}; {cost}", call.whom, shown(&call.came_to)));
        }
    }
    if told.len() > STEPS_MAX {
        let id = crate::report::short(run.id);
        printer.data(format!("  … and calls of {} more: gorgon runs events {id}", told.len() - STEPS_MAX));
    }
}

/// The calls by step and element, each in the order of its first one.
fn ended(run: &Run, events: &[Event]) -> Vec<(String, Vec<Ended>)> {
    let fan_outs: HashSet<&StepId> = run.steps.iter().filter(|step| step.items.is_some()).map(|step| &step.id).collect();
    let mut open: HashMap<&CallId, &ModelRequest> = HashMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<(String, Vec<Ended>)> = Vec::new();
    for event in events {
        if let Event::CallStarted(started) = event
            && let Request::Model(request) = &started.request
        {
            open.insert(&started.call, request);
        }
        let (Event::CallSettled { call: id, settlement, .. } | Event::CallDoubted { call: id, settlement, .. }) = event else { continue };
        let Some(request) = open.remove(id) else { continue };
        let came_to = match event {
            Event::CallSettled { outcome, .. } => came_to(request, outcome),
            Event::CallDoubted { evidence, .. } => in_doubt(evidence),
            _ => continue,
        };
        let name = if fan_outs.contains(&id.step) { format!("{}[{}]", id.step, id.item) } else { id.step.to_string() };
        let place = *places.entry(name.clone()).or_insert_with(|| {
            all.push((name, Vec::new()));
            all.len() - 1
        });
        all[place].1.push(Ended { whom: whom(request), why_again: why_again(request), came_to, settlement: *settlement });
    }
    all
}
