//! `type`, `action` and parameters of Gorgon (Python)'s JSON files: each pair becomes one native step type.

use gorgon_core::diagnostic::Code;

use super::braces;
use super::references::References;
use super::{Lowering, given};
use crate::build::{self, Map};
use crate::node::Node;
use crate::report::did_you_mean;
use crate::types;

/// A step as the file says it, whatever the file calls its keys.
pub(super) struct Act<'n> {
    pub(super) step: &'n Node,
    pub(super) ty: &'n Node,
    pub(super) action: Option<&'n Node>,
    pub(super) params: Option<&'n Node>,
    /// What the file calls the parameters.
    pub(super) params_key: &'static str,
}

const MODEL_ACTIONS: &[&str] = &["generate_completion", "summarize", "summarize_text", "generate_sop"];
const CLAUDE_ACTIONS: &[&str] = &["execute_agent", "generate_completion", "execute_cli"];
const TRANSFORM_ACTIONS: &[&str] = &["extract", "format"];

/// The native type that does what a type and an action say.
pub(super) fn native_type<'t>(ty: &'t str, action: Option<&str>) -> &'t str {
    if ty == "claude_code" && action == Some("execute_cli") { "claude_cli" } else { ty }
}

impl Act<'_> {
    /// The native type and parameters. What is wrong is reported; then they are as good as can be.
    pub(super) fn lower(&self, cx: &mut Lowering<'_>, references: &mut References, into: &mut Map) {
        let ty = self.ty.as_text().unwrap_or_default();
        let action = self.action.and_then(Node::as_text);
        if let Some(node) = self.action.filter(|node| node.as_text().is_none()) {
            cx.wrong_type(node, "`action`", "a text");
        }
        let mut params = Map::new(&self.params.map_or_else(|| super::head(self.step), |node| node.span.clone()));
        if let Some(node) = self.params.filter(|node| node.as_map().is_none()) {
            cx.wrong_type(node, &format!("`{}`", self.params_key), "a map");
        }
        let done = match ty {
            "openai" => self.openai(cx, references, action, &mut params),
            "claude_code" => self.claude(cx, references, action, &mut params),
            "transform" => self.transform(cx, references, action, &mut params),
            _ => self.other(cx, references, ty, &mut params),
        };
        // What is wrong with a step that could not be read has been told.
        let native = if done.is_some() { native_type(ty, action) } else { build::unread() };
        into.put("type", if self.ty.as_text().is_some() { build::text(&self.ty.span, native) } else { self.ty.clone() });
        into.put("params", params.finish());
    }

    /// One of the actions of a type; what the file says otherwise is reported.
    fn known(&self, cx: &mut Lowering<'_>, ty: &str, actions: &[&str]) -> Option<()> {
        let Some(node) = self.action else {
            cx.missing(self.step, &format!("a step of type `{ty}`"), "action", &format!("one of `{}`", actions.join("`, `")));
            return None;
        };
        let action = node.as_text()?;
        if !actions.contains(&action) {
            let help = did_you_mean(action, actions.iter().copied());
            cx.error(Code::BadValue, &node.span, format!("type `{ty}` has no action `{action}`"), help);
        }
        actions.contains(&action).then_some(())
    }

    fn openai(&self, cx: &mut Lowering<'_>, references: &mut References, action: Option<&str>, params: &mut Map) -> Option<()> {
        self.known(cx, "openai", MODEL_ACTIONS)?;
        match action {
            Some("summarize" | "summarize_text") => {
                let words = self.param("max_length").and_then(Node::scalar);
                let length = words.map(|words| format!(" in at most {words} words")).unwrap_or_default();
                self.ask(cx, references, &["text", "content"], &format!("Summarize this text{length}:\n\n"), params)?;
            }
            Some("generate_sop") => {
                let instruction = "Write a standard operating procedure, with its purpose, its scope, and numbered steps, for this task:\n\n";
                self.ask(cx, references, &["task_description", "task", "description"], instruction, params)?;
            }
            _ => {}
        }
        let used: &[&str] =
            if action == Some("generate_completion") { &[] } else { &["max_length", "text", "content", "task_description", "task", "description"] };
        self.rest(cx, references, "openai", used, params);
        Some(())
    }

    fn claude(&self, cx: &mut Lowering<'_>, references: &mut References, action: Option<&str>, params: &mut Map) -> Option<()> {
        self.known(cx, "claude_code", CLAUDE_ACTIONS)?;
        if action != Some("execute_agent") {
            self.rest(cx, references, native_type("claude_code", action), &[], params);
            return Some(());
        }
        let Some(task) = self.param("task").or_else(|| self.param("prompt")) else {
            cx.missing(self.step, "the action `execute_agent`", "task", "what the agent is asked to do");
            return None;
        };
        let context = self.param("context").map(|node| (node, self.shown(cx, references, node)));
        let mut prompt = self.shown(cx, references, task);
        if let Some((_, context)) = context.filter(|(_, context)| !context.is_empty()) {
            prompt.push_str(&format!("\n\nContext:\n{context}"));
        }
        params.put_text("prompt", &task.span, prompt);
        self.rest(cx, references, "claude_code", &["task", "context"], params);
        Some(())
    }

    fn transform(&self, cx: &mut Lowering<'_>, references: &mut References, action: Option<&str>, params: &mut Map) -> Option<()> {
        self.known(cx, "transform", TRANSFORM_ACTIONS)?;
        match action {
            Some("extract") => self.extract(cx, references, params),
            _ => self.format(cx, references, params),
        }
    }

    /// `source[key]`: what is extracted from has to be the result of a step, or a variable.
    fn extract(&self, cx: &mut Lowering<'_>, references: &mut References, params: &mut Map) -> Option<()> {
        for (key, why) in [("source", "what is extracted from, such as `{{fetch_output}}`"), ("key", "the key to extract")] {
            if self.param(key).is_none() {
                cx.missing(self.step, "the action `extract`", key, why);
            }
        }
        let (source, key) = (self.param("source")?, self.param("key")?);
        let Some(text) = source.as_text() else {
            cx.wrong_type(source, "`source`", "the result of a step, such as `{{fetch_output}}`");
            return None;
        };
        let pieces = references.pieces(cx, source, text);
        let [braces::Piece::Reference(path)] = pieces.as_slice() else {
            // A name that means nothing has been reported.
            if !text.contains("{{") {
                cx.wrong_type(source, "`source`", "the result of a step, such as `{{fetch_output}}`");
            }
            return None;
        };
        let Some(key_text) = key.scalar() else {
            cx.wrong_type(key, "`key`", "a text");
            return None;
        };
        let index = if key.as_text().is_some() { super::graph::literal(&serde_json::Value::String(key_text)) } else { key_text };
        params.put_text("expression", &source.span, format!("{path}[{index}]"));
        Some(())
    }

    /// Python's `format`: names are other parameters of the step, else variables and results of steps.
    fn format(&self, cx: &mut Lowering<'_>, references: &mut References, params: &mut Map) -> Option<()> {
        let Some(template) = self.param("template") else {
            cx.missing(self.step, "the action `format`", "template", "a text with `{name}` in it");
            return None;
        };
        let Some(text) = template.as_text() else {
            cx.wrong_type(template, "`template`", "a text");
            return None;
        };
        let own = |name: &str| self.param("variables").and_then(|map| map.get(name)).or_else(|| self.param(name)).filter(|_| name != "template");
        let mut pieces = Vec::new();
        let read = braces::single(text, &mut |name, inner| {
            let at = cx.inside(template, &inner);
            // A parameter may be a text with references in it, so it is put in afterwards.
            if own(name).is_some() { Some(format!("\0{name}")) } else { references.resolve(cx, name, &at) }
        });
        match read {
            Ok(found) => {
                for piece in found {
                    match piece {
                        braces::Piece::Reference(path) if path.starts_with('\0') => match own(&path[1..]) {
                            Some(node) if node.as_text().is_some() => pieces.extend(references.pieces(cx, node, node.as_text().unwrap_or_default())),
                            Some(node) => pieces.push(braces::Piece::Text(text_of(node))),
                            None => {}
                        },
                        piece => pieces.push(piece),
                    }
                }
                params.put_text("value", &template.span, braces::template(&joined(pieces)));
                Some(())
            }
            Err((what, inner)) => {
                let at = cx.inside(template, &inner);
                cx.error(
                    Code::BadTemplate,
                    &at,
                    format!("the template has {what}"),
                    "a template is text with `{name}` in it; `{{` and `}}` give the braces",
                );
                None
            }
        }
    }

    /// Types that are native already, and connectors, whose action is one of their parameters.
    fn other(&self, cx: &mut Lowering<'_>, references: &mut References, ty: &str, params: &mut Map) -> Option<()> {
        let kind = gorgon_core::step::find(ty);
        if let Some(action) = self.action {
            if kind.is_some_and(|kind| kind.unavailable().is_some()) || types::find(ty).is_some_and(|ty| ty.param("action").is_some()) {
                params.put("action", action.clone());
            } else if kind.is_some() {
                cx.warning(Code::UnknownKey, &action.span, format!("`action` has no effect on a step of type `{ty}`"), "leave it out");
            }
        }
        self.rest(cx, references, ty, &[], params);
        Some(())
    }

    fn param(&self, key: &str) -> Option<&Node> {
        self.params.and_then(|params| given(params, key))
    }

    /// The parameters that are not there yet, except for some.
    fn rest(&self, cx: &mut Lowering<'_>, references: &mut References, ty: &str, without: &[&str], into: &mut Map) {
        let Some(params) = self.params.filter(|params| params.as_map().is_some()) else { return };
        let mut kept = Map::new(&params.span);
        for entry in params.as_map().unwrap_or_default().iter().filter(|entry| !without.contains(&entry.key.as_str()) && !into.has(&entry.key)) {
            kept.put_at(&entry.key, &entry.key_span, entry.value.clone());
        }
        references.params(cx, ty, &kept.finish(), into);
    }

    /// An instruction with one of these parameters after it, as the prompt.
    fn ask(&self, cx: &mut Lowering<'_>, references: &mut References, keys: &[&'static str], instruction: &str, params: &mut Map) -> Option<()> {
        let Some(node) = keys.iter().find_map(|key| self.param(key)) else {
            let what = format!("the action `{}`", self.action.and_then(Node::as_text).unwrap_or_default());
            cx.missing(self.step, &what, keys[0], "what the model is given");
            return None;
        };
        let shown = self.shown(cx, references, node);
        params.put_text("prompt", &node.span, format!("{instruction}{shown}"));
        Some(())
    }

    /// A value inside of a text, as a template.
    fn shown(&self, cx: &mut Lowering<'_>, references: &mut References, node: &Node) -> String {
        match node.as_text() {
            Some(text) => braces::template(&references.pieces(cx, node, text)),
            None => gorgon_core::template::escape(&text_of(node)),
        }
    }
}

/// A value as text: what it says, or JSON.
pub(super) fn text_of(node: &Node) -> String {
    node.scalar().unwrap_or_else(|| if node.is_null() { String::new() } else { node.to_json().to_string() })
}

/// Texts side by side as one, so that what stands at their seam is escaped.
fn joined(pieces: Vec<braces::Piece>) -> Vec<braces::Piece> {
    let mut found: Vec<braces::Piece> = Vec::new();
    for piece in pieces {
        match (found.last_mut(), piece) {
            (Some(braces::Piece::Text(before)), braces::Piece::Text(after)) => before.push_str(&after),
            (_, piece) => found.push(piece),
        }
    }
    found
}
