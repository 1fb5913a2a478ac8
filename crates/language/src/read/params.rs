//! Parameters: by the table of the step type, under `params:` or beside `type:`.

use gorgon_core::diagnostic::Code;
use gorgon_core::step::{Param, ParamType, Syntax};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Reader, present};
use crate::keys::STEP;
use crate::node::{Content, Node};
use crate::report::{Spot, did_you_mean};
use crate::types::{Form, StepType};

/// The parameters of a step as nodes, by name.
pub(crate) type ParamNodes<'n> = IndexMap<&'n str, &'n Node>;

/// Parameters that a form reads by itself.
const READ_ELSEWHERE: [&str; 2] = ["steps", "step_template"];

impl<'n> Reader<'n> {
    /// Gathers the parameters of a step from both places. Keys that are neither a step's nor the type's are reported.
    pub(super) fn gather(&mut self, node: &'n Node, ty: Option<StepType>, what: &str, keys: &[&'static str]) -> ParamNodes<'n> {
        let mut found = ParamNodes::new();
        let is_free = ty.is_none_or(|ty| ty.form == Form::Unavailable);
        if let Some(params) = present(node, "params")
            && let Some(entries) = self.map(params, "`params`")
        {
            for entry in entries {
                if !is_free && ty.is_some_and(|ty| ty.param(&entry.key).is_none()) {
                    self.unknown_param(params, entry, ty, what, &[]);
                } else {
                    found.insert(&entry.key, &entry.value);
                }
            }
        }
        for entry in node.as_map().unwrap_or_default() {
            let is_param = ty.is_some_and(|ty| ty.param(&entry.key).is_some());
            // A signal's `name` is its parameter before it is a step's description.
            let is_key = keys.contains(&entry.key.as_str()) && !(is_param && entry.key == "name" && !found.contains_key("name"));
            match (is_key, is_param) {
                (true, _) => {}
                (false, true) if found.contains_key(entry.key.as_str()) => {
                    self.report.error(
                        Code::DuplicateKey,
                        Spot::key(node, entry),
                        format!("{what} says `{}` both under `params` and beside `type`", entry.key),
                        "keep one of them",
                    );
                }
                (false, true) => {
                    found.insert(&entry.key, &entry.value);
                }
                // Of an unknown type nothing is known, so nothing beside it is wrong.
                (false, false) if ty.is_none() => {}
                (false, false) => self.unknown_param(node, entry, ty, what, keys),
            }
        }
        found
    }

    fn unknown_param(&mut self, map: &'n Node, entry: &'n crate::node::Entry, ty: Option<StepType>, what: &str, keys: &[&'static str]) {
        if self.report.is_full() {
            return;
        }
        let params = ty.into_iter().flat_map(|ty| ty.params()).map(|param| param.name);
        let known = params.chain(keys.iter().copied());
        let type_name = ty.map_or("", |ty| ty.name);
        // A key of the step under `params` is a common slip.
        let help = if keys.is_empty() && STEP.iter().any(|key| key.name == entry.key) {
            format!("`{}` stands beside `type`, not under `params`", entry.key)
        } else {
            did_you_mean(&entry.key, known)
        };
        self.report.error(Code::UnknownKey, Spot::key(map, entry), format!("{what} of type `{type_name}` has no key `{}`", entry.key), help);
    }

    /// Checks the parameters against the table and writes the defaults out, in the order of the table.
    pub(super) fn params(&mut self, node: &'n Node, ty: StepType, what: &str, nodes: &ParamNodes<'n>) -> Map<String, Value> {
        if ty.form == Form::Unavailable {
            return nodes.iter().map(|(name, node)| ((*name).to_owned(), node.to_json())).collect();
        }
        let mut params = Map::new();
        for param in ty.params().filter(|param| !READ_ELSEWHERE.contains(&param.name)) {
            let given = nodes.get(param.name).copied().filter(|node| !node.is_null() || param.ty == ParamType::Any);
            let value = match given {
                Some(given) => self.param(given, param),
                None if param.required => {
                    self.missing_key(node, what, param.name, param.help);
                    None
                }
                None => param.default.and_then(|text| serde_json::from_str(text).ok()),
            };
            if let Some(value) = value {
                params.insert(param.name.to_owned(), value);
            }
        }
        params
    }

    fn param(&mut self, node: &'n Node, param: &Param) -> Option<Value> {
        let what = format!("`{}`", param.name);
        match param.syntax {
            Syntax::Expression => return self.expression_text(node, &what).map(Value::String),
            Syntax::Expressions => {
                let entries = self.map(node, &what)?;
                let texts = entries
                    .iter()
                    .filter_map(|entry| Some((entry.key.clone(), Value::String(self.expression_text(&entry.value, &format!("`{}`", entry.key))?))));
                return Some(Value::Object(texts.collect()));
            }
            Syntax::Template | Syntax::Shell | Syntax::Raw => {}
        }
        // What a template renders to is checked when the step starts.
        let is_template = param.syntax == Syntax::Template && node.as_text().is_some_and(gorgon_core::template::is_computed);
        if !is_template && !self.fits(node, param.ty, &what) {
            return None;
        }
        Some(node.to_json())
    }

    fn expression_text(&mut self, node: &'n Node, what: &str) -> Option<String> {
        let found = node.scalar();
        if found.is_none() {
            self.wrong_type(node, what, "an expression");
        }
        found
    }

    fn fits(&mut self, node: &'n Node, ty: ParamType, what: &str) -> bool {
        match ty {
            ParamType::Any => true,
            ParamType::Text => self.text(node, what).is_some(),
            ParamType::Word(words) => self.text(node, what).is_some_and(|text| {
                let known = words.contains(&text);
                if !known {
                    let help = did_you_mean(text, words.iter().copied());
                    self.report.error(Code::BadValue, Spot::of(node), format!("{what} cannot be `{text}`"), help);
                }
                known
            }),
            ParamType::Integer(min, max) => self.integer(node, what, min, max).is_some(),
            ParamType::Number => self.not_negative(node, what),
            ParamType::Boolean => self.boolean(node, what).is_some(),
            ParamType::List => self.list(node, what).is_some(),
            ParamType::Map => self.map(node, what).is_some(),
            ParamType::Texts => self.list(node, what).is_some_and(|items| {
                let bad: Vec<&'n Node> = items.iter().filter(|item| item.as_text().is_none()).collect();
                for item in &bad {
                    self.wrong_type(item, &format!("an element of {what}"), "a text");
                }
                bad.is_empty()
            }),
        }
    }

    fn not_negative(&mut self, node: &'n Node, what: &str) -> bool {
        let Content::Number(number, _) = &node.content else {
            self.wrong_type(node, what, "a number");
            return false;
        };
        let fits = number.as_f64().is_some_and(|n| n >= 0.0);
        if !fits {
            self.report.error(Code::BadValue, Spot::of(node), format!("{what} is {}, but it cannot be negative", node.describe()), "write 0 or more");
        }
        fits
    }
}
