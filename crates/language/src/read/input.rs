//! `inputs`: as a map, or as a list with names.

use gorgon_core::definition::{InputSpec, InputType};
use gorgon_core::diagnostic::Code;
use indexmap::IndexMap;
use serde_json::Value;

use super::{Reader, present};
use crate::keys::INPUT;
use crate::node::{Content, Node};
use crate::report::{Spot, did_you_mean};

impl<'n> Reader<'n> {
    pub(super) fn inputs(&mut self, node: &'n Node) -> IndexMap<String, InputSpec> {
        let mut inputs = IndexMap::new();
        match &node.content {
            Content::Map(entries) => {
                for entry in entries {
                    if self.check_name(Spot::key(node, entry), "the name of an input", &entry.key) {
                        let spec = self.input(&entry.value, &entry.key);
                        inputs.insert(entry.key.clone(), spec);
                    }
                }
            }
            Content::List(items) => {
                for item in items {
                    self.named_input(item, &mut inputs);
                }
            }
            _ => self.wrong_type(node, "`inputs`", "a map of names, or a list of inputs with `name`"),
        }
        inputs
    }

    fn named_input(&mut self, item: &'n Node, inputs: &mut IndexMap<String, InputSpec>) {
        if self.map(item, "an input").is_none() {
            return;
        }
        let Some(node) = present(item, "name") else {
            self.missing_key(item, "an input in a list", "name", "its name");
            return;
        };
        let Some(name) = self.name(node, "the name of an input") else { return };
        let spec = self.input(item, name);
        if inputs.insert(name.to_owned(), spec).is_some() {
            self.report.error(Code::DuplicateKey, Spot::of(node), format!("there are two inputs `{name}`"), "keep one of them");
        }
    }

    fn input(&mut self, node: &'n Node, name: &str) -> InputSpec {
        let what = format!("input `{name}`");
        let mut spec = InputSpec { ty: InputType::String, required: false, default: None, description: String::new() };
        if node.is_null() {
            return spec;
        }
        let Some(entries) = self.map(node, &what) else { return spec };
        for entry in entries {
            // In a list the name stands among the keys.
            if entry.key != "name" && !INPUT.iter().any(|key| key.name == entry.key) {
                self.unknown_key(node, entry, &what, INPUT.iter().map(|key| key.name));
            }
        }
        let default = present(node, "default");
        spec.default = default.map(Node::to_json);
        spec.ty = match present(node, "type") {
            Some(ty) => self.input_type(ty, &what),
            None => spec.default.as_ref().map_or(InputType::String, type_of),
        };
        spec.description = self.optional_text(node, "description", "`description`");
        spec.required = present(node, "required").and_then(|node| self.boolean(node, "`required`")).unwrap_or(false) && spec.default.is_none();
        if let (Some(value), Some(at)) = (&spec.default, default)
            && let Err(error) = spec.ty.check(&format!("the default of {what}"), value)
        {
            self.report.error(
                Code::WrongType,
                Spot::of(at),
                error.to_string(),
                format!("write a default of the type `{}`, or change the type", spec.ty.name()),
            );
        }
        spec
    }

    fn input_type(&mut self, node: &'n Node, what: &str) -> InputType {
        let Some(text) = self.text(node, "the type of an input") else { return InputType::Any };
        InputType::from_name(text).unwrap_or_else(|| {
            let help = did_you_mean(text, InputType::ALL.iter().map(|ty| ty.name()));
            self.report.error(Code::BadValue, Spot::of(node), format!("the type of {what} cannot be `{text}`"), help);
            InputType::Any
        })
    }
}

fn type_of(value: &Value) -> InputType {
    match value {
        Value::Null => InputType::Any,
        Value::Bool(_) => InputType::Boolean,
        Value::Number(n) if n.is_f64() => InputType::Number,
        Value::Number(_) => InputType::Integer,
        Value::String(_) => InputType::String,
        Value::Array(_) => InputType::Array,
        Value::Object(_) => InputType::Object,
    }
}
