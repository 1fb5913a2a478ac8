//! Gorgon (Python)'s classic JSON: `{id, name, description, steps: [{id, type, action, params, next_step}], variables}`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gorgon_core::diagnostic::Code;

use super::action::{Act, native_type};
use super::ids::{self, Ids};
use super::references::References;
use super::{Lowering, given, results};
use crate::build::{self, Map};
use crate::keys::{STEP, TOP};
use crate::node::Node;
use crate::report::did_you_mean;

/// What the dialect calls the keys of a step.
pub(super) struct Keys {
    pub(super) id: &'static str,
    pub(super) ty: &'static str,
    pub(super) params: &'static str,
    /// Whether a step may name the next one; otherwise steps run as they stand.
    pub(super) chained: bool,
}

const KEYS: Keys = Keys { id: "id", ty: "type", params: "params", chained: true };

/// Keys that mean the same in the native language.
pub(super) const SHARED: &[&str] = &["name", "description", "on_failure", "max_retries", "retry", "timeout_seconds"];

pub(super) fn lower(cx: &mut Lowering<'_>, root: &Node) -> Node {
    cx.no_effect(root, &["id", "name", "description", "version", "variables", "steps", "metadata"]);
    let mut top = Map::new(&root.span);
    name(cx, root, &mut top, "id");
    top.copy(root, "id");
    steps(cx, root, &KEYS, top)
}

/// The name, for which the id stands in if there is none.
pub(super) fn name(cx: &mut Lowering<'_>, root: &Node, top: &mut Map, id: &str) {
    for key in ["name", "description", "version", "metadata"] {
        top.copy(root, key);
    }
    top.copy_as(root, id, "name");
    if !top.has("name") {
        cx.missing(root, "a workflow", "name", "what it is called");
        top.put_text("name", &super::head(root), "nameless");
    }
}

/// Everything but the name: variables, steps in their order, and each step's result as an output.
pub(super) fn steps(cx: &mut Lowering<'_>, root: &Node, keys: &Keys, mut top: Map) -> Node {
    let listed = cx.list(root, "steps", "a workflow", "its steps, at least one");
    let mut steps: Vec<(String, &Node)> = Vec::with_capacity(listed.len());
    for step in listed {
        if step.as_map().is_none() {
            cx.wrong_type(step, "a step", "a map");
        } else if let Some(id) = cx.id(step, keys.id, "a step") {
            steps.push((id, step));
        }
    }
    if listed.is_empty()
        && let Some(node) = root.get("steps").filter(|node| node.as_list().is_some())
    {
        cx.error(Code::MissingKey, &node.span, "`steps` is empty", "a workflow needs at least one step");
    }
    let names = Ids::of(steps.iter().map(|(id, _)| id.clone()));
    let mut references = References::in_turn(root, output_of, |id| format!("{id}_output"));
    for (id, step) in &steps {
        let ty = step.get(keys.ty).and_then(Node::as_text).unwrap_or_default();
        references.add_step(id, &names, native_type(ty, step.get("action").and_then(Node::as_text)));
    }
    let order = if keys.chained { chain(cx, &steps) } else { (0..steps.len()).collect() };
    let mut lowered = Vec::with_capacity(order.len());
    for &at in &order {
        lowered.push(step(cx, &mut references, keys, &names, &steps[at]));
        references.pass(&steps[at].0);
    }
    results::name(&mut lowered);
    let at = root.entry("steps").map_or_else(|| super::head(root), |entry| entry.key_span.clone());
    if let Some(inputs) = references.inputs(cx, root, &[]) {
        let at = inputs.span.clone();
        top.put_at("inputs", &at, inputs);
    }
    top.put_at("outputs", &at, outputs(&at, &order, &steps, &names, keys));
    let list = root.get("steps").map_or_else(|| at.clone(), |node| node.span.clone());
    top.put_at("steps", &at, build::list(&list, lowered));
    top.finish_by(TOP)
}

/// `X_output`, perhaps with a path behind it.
fn output_of(word: &str) -> Option<(&str, &str)> {
    let (head, rest) = word.split_once('.').unwrap_or((word, ""));
    Some((head.strip_suffix("_output").filter(|id| !id.is_empty())?, rest))
}

/// The results of the earlier system's run: those of every step.
fn outputs(at: &Range<usize>, order: &[usize], steps: &[(String, &Node)], names: &Ids, keys: &Keys) -> Node {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut outputs = Vec::new();
    for &at in order {
        let (id, step) = &steps[at];
        let Some(name) = names.find(id).filter(|name| seen.insert(name)) else { continue };
        let own = step.get(keys.id).map_or_else(|| step.span.clone(), |node| node.span.clone());
        outputs.push(build::text(&own, name));
    }
    build::list(at, outputs)
}

fn step(cx: &mut Lowering<'_>, references: &mut References, keys: &Keys, names: &Ids, (id, step): &(String, &Node)) -> Node {
    let next = keys.chained.then_some("next_step");
    let known: Vec<&str> = [keys.id, keys.ty, "action", keys.params].into_iter().chain(next).chain(SHARED.iter().copied()).collect();
    cx.no_effect(step, &known);
    let mut native = Map::new(&step.span);
    if let Some(entry) = step.entry(keys.id) {
        native.put_at("id", &entry.key_span, build::text(&entry.value.span, names.find(id).unwrap_or(id)));
    }
    for key in SHARED {
        native.copy(step, key);
    }
    match given(step, keys.ty) {
        Some(ty) => {
            let act = Act { step, ty, action: given(step, "action"), params: given(step, keys.params), params_key: keys.params };
            act.lower(cx, references, &mut native);
        }
        None => {
            cx.missing(step, &format!("step `{id}`"), keys.ty, "what the step does, such as `openai` or `claude_code`");
            native.put_text("type", &super::head(step), build::unread());
        }
    }
    native.finish_by(STEP)
}

/// The steps in the order in which they run: from the first one on, each names the next. A file in which none does runs as it stands.
fn chain(cx: &mut Lowering<'_>, steps: &[(String, &Node)]) -> Vec<usize> {
    let next: Vec<Option<(Range<usize>, String)>> = steps.iter().map(|(_, step)| next_of(cx, step)).collect();
    if next.iter().all(Option::is_none) {
        return (0..steps.len()).collect();
    }
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(steps.len());
    for (at, (id, _)) in steps.iter().enumerate() {
        places.entry(id).or_insert(at);
    }
    let place = |id: &str| places.get(id).copied();
    let mut is_broken = false;
    for (at, id) in next.iter().flatten() {
        if place(id).is_none() {
            is_broken = true;
            if cx.is_full() {
                break;
            }
            let help = did_you_mean(id, steps.iter().map(|(id, _)| id.as_str()));
            cx.error(Code::UnknownStep, at, format!("`next_step` names `{id}`, but there is no such step"), help);
        }
    }
    let mut order: Vec<usize> = Vec::with_capacity(steps.len());
    let mut is_on_the_way = vec![false; steps.len()];
    let mut current = (!steps.is_empty()).then_some(0);
    while let Some(at) = current {
        is_on_the_way[at] = true;
        order.push(at);
        let Some((span, id)) = &next[at] else { break };
        current = place(id);
        if current.is_some_and(|next| is_on_the_way[next]) {
            is_broken = true;
            let from = order.iter().position(|&at| Some(at) == current).unwrap_or_default();
            let way: Vec<&str> = order[from..].iter().chain(&order[from..=from]).map(|&at| steps[at].0.as_str()).collect();
            let message = format!("steps follow one another in a circle: {}", way.join(" → "));
            cx.error(Code::Cycle, span, message, "the last step of a workflow says `\"next_step\": null`");
            break;
        }
    }
    for (at, (id, step)) in steps.iter().enumerate().filter(|&(at, _)| !is_on_the_way[at]) {
        if is_broken {
            // Its own problems are of interest all the same.
            order.push(at);
            continue;
        }
        let span = step.get("id").map_or_else(|| step.span.clone(), |node| node.span.clone());
        cx.warning(
            Code::UnknownStep,
            &span,
            format!("no `next_step` leads to step `{id}`, so it never runs and is left out"),
            "name it as the `next_step` of the step before it",
        );
    }
    order
}

fn next_of(cx: &mut Lowering<'_>, step: &Node) -> Option<(Range<usize>, String)> {
    let node = given(step, "next_step")?;
    let id = ids::of_node(step, "next_step");
    if id.is_none() {
        cx.wrong_type(node, "`next_step`", "the id of a step, or `null`");
    }
    Some((node.span.clone(), id?))
}
