//! The YAML of AWO's `run`: `{name, description, variables, steps: [{id, agent, prompt, output, depends_on, retries}]}`.
//!
//! A prompt is a file. Its text becomes part of the definition, so a run keeps to what the file said when it began.

use gorgon_core::diagnostic::Code;
use serde_json::json;

use super::braces;
use super::ids::Ids;
use super::references::References;
use super::{Lowering, NO_SUCH_FILE, given, head};
use crate::build::{self, Map};
use crate::keys::{STEP, TOP};
use crate::limits::FILE_BYTES_MAX;
use crate::node::{Content, Node};
use crate::report::did_you_mean;

/// AWO's agents: provider and model of each, as its settings begin; the others are programs of their own.
const AGENTS: &[(&str, Option<(&str, &str)>)] =
    &[("anthropic", Some(("anthropic", "claude-sonnet-4-20250514"))), ("openai", Some(("openai", "gpt-4o"))), ("codex", None), ("cursor", None)];

const KEYS: &[&str] = &["id", "name", "description", "agent", "prompt", "output", "depends_on", "retries", "timeout_seconds"];

pub(super) fn lower(cx: &mut Lowering<'_>, root: &Node) -> Node {
    cx.no_effect(root, &["name", "description", "version", "variables", "steps", "metadata"]);
    let mut top = Map::new(&root.span);
    for key in ["name", "description", "version", "metadata"] {
        top.copy(root, key);
    }
    if !top.has("name") {
        cx.missing(root, "a workflow", "name", "what it is called");
        top.put_text("name", &head(root), "nameless");
    }
    // AWO runs one step at a time.
    top.put("concurrency", build::value(&head(root), &json!(1)));
    let mut steps: Vec<(String, &Node)> = Vec::new();
    for step in cx.list(root, "steps", "a workflow", "its steps, at least one") {
        if step.as_map().is_none() {
            cx.wrong_type(step, "a step", "a map");
        } else if let Some(id) = cx.id(step, "id", "a step") {
            steps.push((id, step));
        }
    }
    let ids = Ids::of(steps.iter().map(|(id, _)| id.clone()));
    let mut references = References::new(root, output_of, |id| format!("steps.{id}.output"));
    for (id, step) in &steps {
        references.add_step(id, &ids, native_type(step));
    }
    let mut lowered = Vec::new();
    for (id, step) in &steps {
        lowered.push(self::step(cx, &mut references, &ids, id, step));
        lowered.extend(kept(cx, &ids, id, step));
    }
    super::results::name(&mut lowered);
    if let Some(inputs) = references.inputs(cx, root, &[]) {
        let at = inputs.span.clone();
        top.put_at("inputs", &at, inputs);
    }
    let at = root.entry("steps").map_or_else(|| head(root), |entry| entry.key_span.clone());
    let names = build::names(steps.iter().map(|(id, step)| (ids.find(id).unwrap_or(id), head(step))));
    top.put_at("outputs", &at, build::list(&at, names));
    let list = root.get("steps").map_or_else(|| at.clone(), |node| node.span.clone());
    top.put_at("steps", &at, build::list(&list, lowered));
    top.finish_by(TOP)
}

/// `steps.X.output`.
fn output_of(word: &str) -> Option<(&str, &str)> {
    Some((word.strip_prefix("steps.")?.strip_suffix(".output")?, ""))
}

fn native_type(step: &Node) -> &str {
    match step.get("agent").and_then(Node::as_text) {
        Some(agent @ ("codex" | "cursor")) => agent,
        _ => "agent",
    }
}

fn step(cx: &mut Lowering<'_>, references: &mut References, ids: &Ids, id: &str, step: &Node) -> Node {
    cx.no_effect(step, KEYS);
    let mut native = Map::new(&step.span);
    if let Some(entry) = step.entry("id") {
        native.put_at("id", &entry.key_span, build::text(&entry.value.span, ids.find(id).unwrap_or(id)));
    }
    for key in ["name", "description", "timeout_seconds"] {
        native.copy(step, key);
    }
    native.put_text("type", &step.get("agent").map_or_else(|| head(step), |node| node.span.clone()), native_type(step));
    native.put_at("depends_on", &head(step), depends_on(cx, ids, step));
    match given(step, "retries") {
        Some(Node { content: Content::Number(number, _), span }) if number.as_u64().is_some() => {
            let attempts = number.as_u64().unwrap_or_default().saturating_add(1);
            native.put("retry", build::value(span, &json!({ "max_attempts": attempts })));
        }
        Some(other) => cx.wrong_type(other, "`retries`", "a whole number"),
        None => {}
    }
    let mut params = Map::new(&head(step));
    if let Some(agent) = given(step, "agent") {
        let said = agent.as_text().unwrap_or_default();
        match AGENTS.iter().find(|(name, _)| *name == said) {
            Some((_, Some((provider, model)))) => {
                params.put_text("provider", &agent.span, *provider);
                params.put_text("model", &agent.span, *model);
            }
            Some((_, None)) => {}
            None => {
                let help = did_you_mean(said, AGENTS.iter().map(|(name, _)| *name));
                cx.error(Code::UnknownStepType, &agent.span, format!("there is no agent {}", build::said(agent)), help);
            }
        }
    }
    prompt(cx, references, id, step, &mut params);
    // A prompt of AWO is told of other steps only where it names them.
    if native_type(step) == "agent" {
        params.put_text("context", &head(step), "none");
    }
    native.put("params", params.finish());
    native.finish_by(STEP)
}

/// The text of the prompt's file.
fn prompt(cx: &mut Lowering<'_>, references: &mut References, id: &str, step: &Node, params: &mut Map) {
    let Some(node) = given(step, "prompt") else {
        return cx.missing(step, &format!("step `{id}`"), "prompt", "the file that holds the prompt");
    };
    let Some(path) = node.as_text() else { return cx.wrong_type(node, "`prompt`", "the path of a file") };
    let why = match (cx.read)(path) {
        Ok(Some(text)) if text.len() <= FILE_BYTES_MAX => {
            let pieces = braces::double(&text, &mut |name, _| references.resolve(cx, name, &node.span));
            params.put_text("prompt", &node.span, braces::template(&pieces));
            return;
        }
        Ok(Some(text)) => format!("it has {} bytes, more than {FILE_BYTES_MAX}", text.len()),
        Ok(None) => NO_SUCH_FILE.to_owned(),
        Err(why) => why,
    };
    let message = format!("the prompt of step `{id}` cannot be read from `{path}`: {why}");
    cx.error(Code::BadValue, &node.span, message, "a prompt is a file below the folder in which the command is given, or below that of the workflow");
    // So that nobody says that there is none.
    params.put_text("prompt", &node.span, "unread");
}

fn depends_on(cx: &mut Lowering<'_>, ids: &Ids, step: &Node) -> Node {
    let Some(said) = given(step, "depends_on") else { return build::list(&head(step), Vec::new()) };
    let mut before = Vec::new();
    for item in said.as_list().unwrap_or(std::slice::from_ref(said)) {
        let Some(id) = item.scalar() else {
            cx.wrong_type(item, "`depends_on`", "the id of a step, or a list of them");
            continue;
        };
        if let Some(name) = ids.find(&id) {
            before.push((name, item.span.clone()));
        } else if !cx.is_full() {
            let help = did_you_mean(&id, ids.originals());
            cx.error(Code::UnknownStep, &item.span, format!("`depends_on` names `{id}`, but there is no such step"), help);
        }
    }
    build::list(&said.span, build::names(before.into_iter()))
}

/// `output`: the answer is kept in a file as well, by a step of its own.
fn kept(cx: &mut Lowering<'_>, ids: &Ids, id: &str, step: &Node) -> Option<Node> {
    let node = given(step, "output")?;
    let Some(path) = node.as_text() else {
        cx.wrong_type(node, "`output`", "the path of a file");
        return None;
    };
    let name = ids.find(id).unwrap_or(id);
    let field = super::references::first_result(native_type(step));
    let mut params = Map::new(&node.span);
    params.put_text("action", &node.span, "write");
    params.put_text("path", &node.span, gorgon_core::template::escape(path));
    params.put_text("content", &node.span, format!("${{steps.{name}.{field}}}"));
    let mut native = Map::new(&node.span);
    let mut own = format!("{name}-file");
    while ids.has_name(&own) {
        own.push_str("-2");
    }
    native.put_text("id", &node.span, own);
    native.put_text("type", &node.span, "files");
    native.put("depends_on", build::list(&node.span, vec![build::text(&node.span, name)]));
    native.put("params", params.finish());
    Some(native.finish_by(STEP))
}
