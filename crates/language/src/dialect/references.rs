//! What a name in the braces of an earlier system stands for.

use std::collections::HashSet;
use std::ops::Range;

use gorgon_core::diagnostic::Code;
use indexmap::IndexMap;
use serde_json::json;

use super::braces::{self, Piece};
use super::ids::Ids;
use super::{Lowering, given};
use crate::build::{self, Map};
use crate::node::Node;
use crate::types;

/// The names of a file: its variables, and its steps.
pub(super) struct References {
    variables: HashSet<String>,
    /// By the id that the file says: name and first result.
    pub(super) steps: IndexMap<String, (String, &'static str)>,
    /// Reads a name as that of a step's result: the id, and what of it is meant.
    pub(super) step_word: fn(&str) -> Option<(&str, &str)>,
    /// How the file says the result of a step.
    pub(super) say_step: fn(&str) -> String,
    /// Whether steps run one after the other, so that a name reaches only those before it.
    in_turn: bool,
    passed: HashSet<String>,
    /// Names that the file uses and declares nowhere: the caller of the earlier system gave them at the start.
    undeclared: IndexMap<String, Range<usize>>,
}

impl References {
    /// The same for a file whose steps run one after the other.
    pub(super) fn in_turn(root: &Node, step_word: fn(&str) -> Option<(&str, &str)>, say_step: fn(&str) -> String) -> Self {
        Self { in_turn: true, ..Self::new(root, step_word, say_step) }
    }

    pub(super) fn new(root: &Node, step_word: fn(&str) -> Option<(&str, &str)>, say_step: fn(&str) -> String) -> Self {
        let variables = root.get("variables").and_then(Node::as_map).unwrap_or_default().iter().map(|entry| entry.key.clone()).collect();
        Self { variables, steps: IndexMap::new(), step_word, say_step, passed: HashSet::new(), in_turn: false, undeclared: IndexMap::new() }
    }

    /// Names a step of this native type.
    pub(super) fn add_step(&mut self, original: &str, ids: &Ids, ty: &str) {
        let name = ids.find(original).unwrap_or(original).to_owned();
        self.steps.entry(original.to_owned()).or_insert((name, first_result(ty)));
    }

    /// Says that this step has run when the next is read.
    pub(super) fn pass(&mut self, original: &str) {
        self.passed.insert(original.to_owned());
    }

    /// The native path of a name. What names nothing is reported, or has to be given at the start.
    pub(super) fn resolve(&mut self, cx: &mut Lowering<'_>, name: &str, at: &Range<usize>) -> Option<String> {
        // Nobody reads on, and names that are looked for among thousands take time.
        if cx.is_full() {
            return None;
        }
        let (head, rest) = name.split_once('.').map_or((name, ""), |(head, rest)| (head, rest));
        let is_variable = self.variables.contains(head);
        if let Some((id, field)) = (self.step_word)(name) {
            if let Some((step, main)) = self.steps.get(id) {
                if self.in_turn && !self.passed.contains(id) {
                    let message = format!("`{name}` is the result of step `{id}`, which has not run by then");
                    cx.error(Code::UnknownReference, at, message, "steps run one after the other; a step can name those before it");
                    return None;
                }
                return Some(format!("steps.{step}.{}", if field.is_empty() { main } else { field }));
            }
            if !is_variable {
                let near = cx.guess(id, self.steps.keys().map(String::as_str)).map(self.say_step);
                let help = near.map_or_else(|| "a step is named by its id".to_owned(), |near| format!("did you mean `{near}`?"));
                cx.error(Code::UnknownReference, at, format!("`{name}` names the result of a step `{id}`, but there is none"), help);
                return None;
            }
        }
        if !is_variable && !self.undeclared.contains_key(head) {
            let said: Vec<String> = self.steps.keys().map(|id| (self.say_step)(id)).collect();
            if let Some(near) = cx.guess(head, self.variables.iter().chain(&said).map(String::as_str)) {
                let message = format!("`{head}` is neither a variable nor the result of a step");
                cx.error(Code::UnknownReference, at, message, format!("did you mean `{near}`?"));
                return None;
            }
            self.undeclared.insert(head.to_owned(), at.clone());
        }
        Some(if rest.is_empty() { format!("inputs.{head}") } else { format!("inputs.{head}.{rest}") })
    }

    /// The parameters of a step of this native type, each by the syntax of its parameter.
    pub(super) fn params(&mut self, cx: &mut Lowering<'_>, ty: &str, node: &Node, into: &mut Map) {
        let ty = types::find(ty);
        for entry in node.as_map().unwrap_or_default() {
            let is_shell = ty.and_then(|ty| ty.param(&entry.key)).is_some_and(|param| param.syntax == gorgon_core::step::Syntax::Shell);
            let value = build::with_texts(&entry.value, &mut |node, text| {
                let pieces = self.pieces(cx, node, text);
                if is_shell { braces::shell(&pieces) } else { braces::template(&pieces) }
            });
            into.put_at(&entry.key, &entry.key_span, value);
        }
    }

    pub(super) fn pieces(&mut self, cx: &mut Lowering<'_>, node: &Node, text: &str) -> Vec<Piece> {
        braces::double(text, &mut |name, inner| {
            let at = cx.inside(node, &inner);
            self.resolve(cx, name, &at)
        })
    }

    /// The inputs of the workflow: its variables with their values as defaults, and whatever else it names.
    pub(super) fn inputs(&self, cx: &mut Lowering<'_>, root: &Node, hidden: &[&str]) -> Option<Node> {
        let mut inputs = variables(cx, root, hidden);
        for (name, at) in &self.undeclared {
            cx.warning(
                Code::UnknownReference,
                at,
                format!("`{name}` is declared nowhere, so it has to be given at the start"),
                format!("declare it under `variables`, with a default or with `null`: `\"{name}\": null`"),
            );
            inputs.put_at(name, at, build::value(at, &json!({ "type": "string", "required": true })));
        }
        (!inputs.is_empty()).then(|| inputs.finish())
    }
}

/// `variables` as inputs: a value is the default, `null` says that it has to be given.
pub(super) fn variables(cx: &mut Lowering<'_>, root: &Node, hidden: &[&str]) -> Map {
    let at = given(root, "variables").map_or_else(|| super::head(root), |node| node.span.clone());
    let mut inputs = Map::new(&at);
    for entry in cx.map(root, "variables").iter().filter(|entry| !hidden.contains(&entry.key.as_str())) {
        let spec = if entry.value.is_null() {
            build::value(&entry.value.span, &json!({ "type": "any", "required": true }))
        } else {
            let mut spec = Map::new(&entry.value.span);
            spec.put_at("default", &entry.key_span, entry.value.clone());
            spec.finish()
        };
        inputs.put_at(&entry.key, &entry.key_span, spec);
    }
    inputs
}

/// The result of a step that is meant if nothing more is said.
pub(super) fn first_result(ty: &str) -> &'static str {
    types::find(ty).and_then(|ty| ty.results().first().copied()).map_or("result", |(name, _)| name)
}
