//! The calls of models that a run made, each with what it cost and what came of it.

use std::collections::HashMap;

use gorgon_api::Export;
use gorgon_core::call::Request;
use gorgon_core::contract::Mend;
use gorgon_core::event::{CallStarted, Event, Settlement};
use gorgon_core::ids::CallId;
use gorgon_core::money::show_usd;

use crate::asked::{came_to, whom, why_again};
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
pub(super) fn show(printer: &Printer, export: &Export) {
    let all = ended(export);
    let told: Vec<_> = all.iter().filter(|(_, calls)| calls.len() > 1 || calls.iter().any(|call| call.came_to != "answered")).collect();
    for (name, calls) in told.iter().take(STEPS_MAX) {
        printer.data(format!("  calls of {name}"));
        let left_out = calls.len().saturating_sub(CALLS_MAX);
        if left_out > 0 {
            printer.data(format!("    … {left_out} before: gorgon runs events {}", crate::report::short(export.run.id)));
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
        let id = crate::report::short(export.run.id);
        printer.data(format!("  … and calls of {} more: gorgon runs events {id}", told.len() - STEPS_MAX));
    }
}

/// Tells how the answers of steps were mended until they were what they have to be.
pub(super) fn mends(printer: &Printer, export: &Export) {
    for step in &export.run.steps {
        let outputs = step.outputs.as_ref().map(|outputs| outputs.value());
        let mends = outputs.as_ref().and_then(|outputs| outputs.get("mends")?.as_array()).filter(|_| step.kind == "agent");
        let mends: Vec<Mend> = mends.into_iter().flatten().filter_map(|mend| serde_json::from_value(mend.clone()).ok()).collect();
        let told: Vec<String> = mends.iter().take(CALLS_MAX).map(|Mend { path, what }| format!("{path} {what}").trim().to_owned()).collect();
        if !told.is_empty() {
            printer.data(format!("  the answer of {} was mended: {}", step.id, shown(&told.join("; "))));
        }
    }
}

/// The calls by step and element, each in the order of its first one.
fn ended(export: &Export) -> Vec<(String, Vec<Ended>)> {
    let fans_out = |call: &CallId| export.run.steps.iter().any(|step| step.id == call.step && step.items.is_some());
    let mut open: HashMap<CallId, Box<CallStarted>> = HashMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<(String, Vec<Ended>)> = Vec::new();
    for event in export.events.iter().filter_map(|frame| frame.events().ok()).flatten() {
        let (id, came_to, settlement) = match event {
            Event::CallStarted(started) => {
                if matches!(started.request, Request::Model(_)) {
                    open.insert(started.call.clone(), started);
                }
                continue;
            }
            Event::CallSettled { call, outcome, settlement } => (call, came_to(&outcome), settlement),
            Event::CallDoubted { call, settlement, .. } => (call, "was in flight when its process died".to_owned(), settlement),
            _ => continue,
        };
        let Some(Request::Model(request)) = open.remove(&id).map(|started| started.request) else { continue };
        let name = if fans_out(&id) { format!("{}[{}]", id.step, id.item) } else { id.step.to_string() };
        let place = *places.entry(name.clone()).or_insert_with(|| {
            all.push((name, Vec::new()));
            all.len() - 1
        });
        all[place].1.push(Ended { whom: whom(&request), why_again: why_again(&request), came_to, settlement });
    }
    all
}
