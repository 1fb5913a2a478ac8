//! Conditions of a graph, `{field, operator, value}`: as a condition of a step, or as the expression of a branch.

use gorgon_core::diagnostic::Code;
use gorgon_core::template::Operator;
use serde_json::Value;

use super::Graph;
use crate::build::{self, Map};
use crate::dialect::{Lowering, given};
use crate::node::Node;
use crate::report::did_you_mean;
use crate::words::OPERATORS;

impl Graph<'_> {
    /// The condition of a step that is no branch.
    pub(super) fn guard(&self, cx: &mut Lowering<'_>, condition: &Node, native: &mut Map) {
        if condition.as_text().is_some() {
            native.put_at("when", &condition.span, condition.clone());
            return;
        }
        let mut written = Map::new(&condition.span);
        for entry in condition.as_map().unwrap_or_default() {
            match (entry.key.as_str(), entry.value.as_text()) {
                ("field", Some(_)) => {
                    let path = self.field(cx, &entry.value).unwrap_or_default();
                    written.put_at("field", &entry.key_span, build::text(&entry.value.span, path));
                }
                _ => written.put_at(&entry.key, &entry.key_span, entry.value.clone()),
            }
        }
        if condition.as_map().is_none() {
            cx.wrong_type(condition, "`condition`", "`{field, operator, value}`");
        } else if written.has("field") && self.field_is_known(condition) || !written.has("field") {
            native.put("condition", written.finish());
        }
    }

    /// The same as an expression that is true exactly when the condition is.
    pub(super) fn expression(&self, cx: &mut Lowering<'_>, condition: &Node) -> Option<String> {
        if let Some(text) = condition.as_text() {
            return Some(text.to_owned());
        }
        if condition.as_map().is_none() {
            cx.wrong_type(condition, "`condition`", "`{field, operator, value}`");
            return None;
        }
        for (key, why) in [("field", "a variable or a node"), ("operator", "how it is compared")] {
            if given(condition, key).is_none() {
                cx.missing(condition, "`condition`", key, why);
            }
        }
        let operator = cx.text(condition, "operator").map(str::to_owned);
        let field = given(condition, "field").and_then(|node| self.field(cx, node));
        let (operator, field) = (operator?, field?);
        let Some((_, operator)) = OPERATORS.iter().find(|(word, _)| *word == operator) else {
            let at = condition.get("operator").map_or_else(|| condition.span.clone(), |node| node.span.clone());
            let help = did_you_mean(&operator, OPERATORS.iter().map(|(word, _)| *word));
            cx.error(Code::UnknownOperator, &at, format!("`operator` cannot be `{operator}`"), help);
            return None;
        };
        let value = condition.get("value");
        if operator.needs_value() && value.is_none() {
            cx.missing(condition, "`condition`", "value", "what the field is compared with");
            return None;
        }
        Some(expression(&field, *operator, &value.map(Node::to_json).unwrap_or_default()))
    }

    fn field(&self, cx: &mut Lowering<'_>, node: &Node) -> Option<String> {
        let Some(text) = node.as_text() else {
            cx.wrong_type(node, "`field`", "a text");
            return None;
        };
        let name = bare(text);
        if Self::is_native(name) {
            return Some(name.to_owned());
        }
        let found = self.resolve(name);
        if found.is_none() {
            cx.error(Code::UnknownReference, &node.span, format!("`{name}` is neither a variable nor a node"), self.known(name));
        }
        found
    }

    fn field_is_known(&self, condition: &Node) -> bool {
        let name = condition.get("field").and_then(Node::as_text).map(bare);
        name.is_some_and(|name| Self::is_native(name) || self.resolve(name).is_some())
    }
}

fn bare(text: &str) -> &str {
    let braced = |open: &str, close: &str| text.strip_prefix(open)?.strip_suffix(close);
    braced("${", "}").or_else(|| braced("{{", "}}")).unwrap_or(text).trim()
}

/// A missing field makes it false, except for `not_equals`.
fn expression(field: &str, operator: Operator, value: &Value) -> String {
    let said = literal(value);
    match operator {
        Operator::Equals => format!("{field} is defined and {field} == {said}"),
        Operator::NotEquals => format!("{field} is undefined or {field} != {said}"),
        Operator::Contains => format!("{field} is defined and {said} in {field}"),
        Operator::GreaterThan => compared(field, ">", value),
        Operator::LessThan => compared(field, "<", value),
        Operator::In => format!("{field} is defined and {field} in {said}"),
        Operator::NotEmpty => format!("{field} is defined and {field} not in [none, '', [], {{}}]"),
        Operator::IsTrue => format!("{field} is defined and {field} in [true, 'true']"),
        Operator::IsFalse => format!("{field} is defined and {field} in [false, 'false']"),
    }
}

/// Numbers, and texts that are numbers; nothing else is more or less than anything.
fn compared(field: &str, sign: &str, value: &Value) -> String {
    let number = match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(|number| number.to_string()),
        _ => None,
    };
    match number {
        Some(number) => format!("{field} is defined and ({field} is number or {field} is string) and {field} | float {sign} {number}"),
        None => "false".to_owned(),
    }
}

/// A value as an expression says it.
pub(in crate::dialect) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{}: {}", Value::String(key.clone()), literal(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use gorgon_core::template::{Condition, Expression, Names, Root, Scope};
    use serde_json::json;

    use super::*;

    struct Field(Option<Value>);

    impl Scope for Field {
        fn lookup(&self, _: &Root) -> Option<Cow<'_, Value>> {
            self.0.as_ref().map(Cow::Borrowed)
        }
    }

    /// A branch decides as the condition of a step would.
    #[test]
    fn the_expression_is_true_exactly_when_the_condition_is() {
        let names = Names { inputs: ["x".to_owned()].into(), ..Names::default() };
        let found = [
            None,
            Some(json!(null)),
            Some(json!(true)),
            Some(json!("true")),
            Some(json!(3)),
            Some(json!("3")),
            Some(json!("it's \"3\"")),
            Some(json!([])),
        ];
        let found = found.into_iter().chain([Some(json!([3, "a"])), Some(json!({})), Some(json!({"a": 1})), Some(json!("")), Some(json!(false))]);
        let found: Vec<Option<Value>> = found.collect();
        let values = [json!(null), json!(3), json!("3"), json!("a"), json!([3, null]), json!("it's \"3\" {{x}}"), json!(true), json!(2.5)];
        for (word, operator) in OPERATORS {
            for value in &values {
                let said = Condition::new("inputs.x", *operator, Some(value.clone())).unwrap();
                let mut written = Expression::parse(&expression("inputs.x", *operator, value)).unwrap();
                assert_eq!(written.bind(&names), []);
                for field in &found {
                    let scope = Field(field.clone());
                    let is_true = match written.evaluate_bool(&scope) {
                        Ok(is_true) => is_true,
                        // What cannot be compared fails the step instead of choosing a way for no reason.
                        Err(_) if matches!(operator, Operator::GreaterThan | Operator::LessThan | Operator::Contains | Operator::In) => continue,
                        Err(error) => panic!("{word} {value} {field:?}: {error}"),
                    };
                    assert_eq!(is_true, said.evaluate(&scope), "{field:?} {word} {value}: {}", expression("inputs.x", *operator, value));
                }
            }
        }
    }
}
