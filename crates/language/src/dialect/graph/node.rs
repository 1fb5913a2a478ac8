//! One node of a graph as a step.

use gorgon_core::diagnostic::Code;
use gorgon_core::step::Syntax;

use super::Graph;
use super::edges::Edges;
use crate::build::{self, Map};
use crate::dialect::braces;
use crate::dialect::{Lowering, given, head};
use crate::keys::STEP;
use crate::node::{Entry, Node};
use crate::types::{self, StepType};

/// Keys of a node; those after `data` are of the editor.
const KEYS: &[&str] = &[
    "id",
    "type",
    "data",
    "position",
    "positionAbsolute",
    "width",
    "height",
    "measured",
    "selected",
    "dragging",
    "style",
    "className",
    "sourcePosition",
    "targetPosition",
    "parentNode",
    "parentId",
    "extent",
    "zIndex",
    "draggable",
    "selectable",
    "label",
];

/// Keys of `data` that every node may have.
const DATA: &[&str] = &[
    "label",
    "name",
    "description",
    "params",
    "timeout",
    "timeout_seconds",
    "condition",
    "outputs",
    "on_failure",
    "max_retries",
    "retry",
    "provider",
    "icon",
    "color",
];

/// Keys of `data` that say what ends a loop.
const ROUNDS: &[&str] = &["loop_type", "count", "collection", "condition", "item_variable"];

/// The native type of a node.
pub(super) fn native_type(node: &Node) -> &str {
    let data = node.get("data");
    match node.get("type").and_then(Node::as_text).unwrap_or_default() {
        "agent" => match data.and_then(|data| data.get("provider")).and_then(Node::as_text) {
            Some("anthropic") => "claude_code",
            Some("openai") | None => "openai",
            // Another provider is named by the step itself.
            Some(_) => "agent",
        },
        // In the graph it is a point from which edges go on side by side, unless it holds steps of its own.
        "parallel" if data.and_then(|data| data.get("params")).and_then(|params| params.get("steps")).is_none() => "noop",
        other => other,
    }
}

impl Graph<'_> {
    pub(super) fn step(&self, cx: &mut Lowering<'_>, at: usize, edges: &Edges) -> Node {
        let (id, node) = &self.nodes[at];
        cx.no_effect(node, KEYS);
        let mut native = Map::new(&node.span);
        if let Some(entry) = node.entry("id") {
            native.put_at("id", &entry.key_span, build::text(&entry.value.span, self.name(at)));
        }
        let empty = build::Map::new(&head(node)).finish();
        let data = given(node, "data").unwrap_or(&empty);
        let ty = types::find(native_type(node));
        let mut params = self.params(cx, data, ty);
        if self.kind(at) == "loop" {
            self.rounds(cx, data, &mut params);
        }
        let is_read = self.kind(at) != "branch" || self.branch(cx, at, data, edges, &mut params).is_some();
        match given(node, "type") {
            Some(ty) if !is_read => native.put_text("type", &ty.span, build::unread()),
            Some(ty) if ty.as_text().is_some() => native.put("type", build::text(&ty.span, native_type(node))),
            Some(ty) => native.put("type", ty.clone()),
            None => {
                cx.missing(node, &format!("node `{id}`"), "type", "what the node does, such as `agent` or `shell`");
                native.put_text("type", &head(node), build::unread());
            }
        }
        if data.as_map().is_none() {
            cx.wrong_type(data, "`data`", "a map");
        }
        for (key, name) in [
            ("description", "description"),
            ("label", "description"),
            ("name", "description"),
            ("timeout", "timeout_seconds"),
            ("timeout_seconds", "timeout_seconds"),
        ] {
            native.copy_as(data, key, name);
        }
        for key in ["outputs", "on_failure", "max_retries", "retry"] {
            native.copy(data, key);
        }
        if let Some(condition) = given(data, "condition").filter(|_| !matches!(self.kind(at), "branch" | "loop")) {
            self.guard(cx, condition, &mut native);
        }
        native.put("params", params.finish());
        native.put("depends_on", self.depends_on(at, edges));
        native.finish_by(STEP)
    }

    /// What ends a loop, in the words of a graph.
    fn rounds(&self, cx: &mut Lowering<'_>, data: &Node, params: &mut Map) {
        let part = |name: &str| given(data, name).or_else(|| data.get("params").and_then(|params| given(params, name)));
        let word = part("loop_type").map_or(Some("count"), Node::as_text).unwrap_or_default();
        let (key, source) = match word {
            "count" => ("count", "count"),
            "for_each" => ("for_each", "collection"),
            "while" => ("while", "condition"),
            _ => {
                let at = part("loop_type").map_or_else(|| head(data), |node| node.span.clone());
                return cx.error(Code::BadValue, &at, format!("there is no loop of the type `{word}`"), "write `count`, `while` or `for_each`");
            }
        };
        match part(source) {
            None => {
                let message = format!("a loop of the type `{word}` has no `{source}`");
                cx.error(Code::MissingKey, &head(data), message, format!("add `{source}` to the `data` of the node"));
            }
            Some(node) if word == "while" => {
                if let Some(text) = self.expression(cx, node) {
                    params.put_text(key, &node.span, text);
                }
            }
            Some(node) => params.put(key, build::with_texts(node, &mut |node, text| self.template(cx, node, text))),
        }
        if let Some(name) = part("item_variable").filter(|name| name.as_text() != Some("item")) {
            params.put("as", name.clone());
        }
    }

    /// Parameters stand under `data.params`, or beside it.
    fn params(&self, cx: &mut Lowering<'_>, data: &Node, ty: Option<StepType>) -> Map {
        let at = data.get("params").map_or_else(|| data.span.clone(), |node| node.span.clone());
        let mut params = Map::new(&at);
        let is_loop = ty.is_some_and(|ty| ty.name == "loop");
        for entry in cx.map(data, "params").iter().filter(|entry| !is_loop || !ROUNDS.contains(&entry.key.as_str())) {
            let value = self.param(cx, entry, ty);
            params.put_at(&entry.key, &entry.key_span, value);
        }
        let is_free = ty.is_some_and(|ty| ty.form == types::Form::Unavailable);
        for entry in data.as_map().unwrap_or_default() {
            let is_param = ty.is_some_and(|ty| ty.param(&entry.key).is_some());
            let is_own =
                (is_loop && ROUNDS.contains(&entry.key.as_str())) || DATA.contains(&entry.key.as_str()) && !(is_free && entry.key == "condition");
            let is_provider = entry.key == "provider" && ty.is_some_and(|ty| ty.name == "agent");
            if is_provider || (is_param && !is_own) || (is_free && !is_own) {
                let value = self.param(cx, entry, ty);
                params.put_at(&entry.key, &entry.key_span, value);
            } else if !is_own && ty.is_some() {
                cx.warning(Code::UnknownKey, &entry.key_span, format!("`{}` has no effect", entry.key), "leave it out, or put it under `params`");
            }
        }
        params
    }

    fn param(&self, cx: &mut Lowering<'_>, entry: &Entry, ty: Option<StepType>) -> Node {
        let syntax = ty.and_then(|ty| ty.param(&entry.key)).map_or(Syntax::Template, |param| param.syntax);
        match syntax {
            Syntax::Expression | Syntax::Expressions => entry.value.clone(),
            Syntax::Shell => build::with_texts(&entry.value, &mut |node, text| self.shell(cx, node, text)),
            // The list that is summed up has a name of its own there, whatever a variable is called.
            Syntax::Template if entry.key == "aggregate_prompt" => {
                build::with_texts(&entry.value, &mut |node, text| self.template_with(cx, node, text, &|name| name == "items"))
            }
            Syntax::Template | Syntax::Raw => build::with_texts(&entry.value, &mut |node, text| {
                let steps = entry.value.as_list().unwrap_or(std::slice::from_ref(&entry.value));
                if steps.iter().any(|step| is_command(step, node)) { self.shell(cx, node, text) } else { self.template(cx, node, text) }
            }),
        }
    }

    fn shell(&self, cx: &mut Lowering<'_>, node: &Node, text: &str) -> String {
        // `${1}` is the first argument of a script, even where a node is called `1`.
        let path = |name: &str| self.resolve(name).filter(|_| name.parse::<u64>().is_err());
        braces::open(text, &mut |name, inner| match path(name) {
            Some(path) => Some(format!("${{{path}}}")),
            // In the native language only these braces are a reference for a shell.
            None if text[inner.start..].starts_with("{{") && Self::is_native(name) => Some(format!("${{{name}}}")),
            // What a shell text names and the graph does not is the shell's, or that of a program with templates of its own.
            None if text[inner.start..].starts_with("{{") && !cx.is_full() => {
                let at = cx.inside(node, &inner);
                let said = format!("`{name}` is neither a variable nor a node: the shell is given it as it stands");
                cx.warning(Code::UnknownReference, &at, said, self.known(name));
                None
            }
            None => None,
        })
    }

    fn template(&self, cx: &mut Lowering<'_>, node: &Node, text: &str) -> String {
        self.template_with(cx, node, text, &|_| false)
    }

    /// A template in which these names have a meaning of their own.
    fn template_with(&self, cx: &mut Lowering<'_>, node: &Node, text: &str, is_own: &dyn Fn(&str) -> bool) -> String {
        braces::open(text, &mut |name, inner| {
            if is_own(name) || Self::is_native(name) {
                return None;
            }
            if let Some(path) = self.resolve(name) {
                return Some(format!("${{{path}}}"));
            }
            if cx.is_full() {
                return None;
            }
            let at = cx.inside(node, &inner);
            cx.error(Code::UnknownReference, &at, format!("`{name}` is neither a variable nor a node"), self.known(name));
            // It has been told, and is no matter for those that read on.
            Some(String::new())
        })
    }

    /// The nodes before it. Those that a branch chooses are named by the branch instead.
    fn depends_on(&self, at: usize, edges: &Edges) -> Node {
        let is_chosen = |from: usize| self.kind(from) == "branch" && edges.chooses(from, at);
        let before = edges.into(at).filter(|edge| !self.is_marker(edge.from) && !is_chosen(edge.from));
        let before = build::names(before.map(|edge| (self.name(edge.from), edge.at.clone())));
        build::list(&head(self.nodes[at].1), before)
    }
}

/// Whether a text is the command of a step that stands inside of another one.
fn is_command(step: &Node, text: &Node) -> bool {
    let command = || step.get("params").unwrap_or(step).get("command");
    native_type(step) == "shell" && command().is_some_and(|command| std::ptr::eq(command, text))
}
