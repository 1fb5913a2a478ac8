//! The short form of a condition: `{field, operator, value}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::names::Names;
use super::path::Path;
use super::problem::Problem;
use super::reference::{Reference, Scope};

/// How a [`Condition`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The values are equal; numbers by value.
    Equals,
    /// The values differ, or the field is missing.
    NotEquals,
    /// Text in text, element in list, key in object.
    Contains,
    /// Numbers, and text that is a number.
    GreaterThan,
    /// Numbers, and text that is a number.
    LessThan,
    /// The field is an element of the list `value`, or text within the text `value`.
    In,
    /// There is something: not null, `""`, `[]` or `{}`.
    NotEmpty,
    /// The boolean `true`, or the text `true`.
    IsTrue,
    /// The boolean `false`, or the text `false`.
    IsFalse,
}

impl Operator {
    /// Whether the condition needs a `value`.
    #[must_use]
    pub fn needs_value(self) -> bool {
        !matches!(self, Self::NotEmpty | Self::IsTrue | Self::IsFalse)
    }
}

/// A condition over one field. A missing field makes it false, except for `not_equals`, which is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Condition {
    field: Path,
    operator: Operator,
    value: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    field: String,
    operator: Operator,
    // `null` is a value to compare with; only absence is absence.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    value: Option<Value>,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl TryFrom<Written> for Condition {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::new(&written.field, written.operator, written.value).map_err(|problem| problem.message)
    }
}

impl From<Condition> for Written {
    fn from(condition: Condition) -> Self {
        Self { field: condition.field.to_string(), operator: condition.operator, value: condition.value }
    }
}

impl Condition {
    /// Makes a condition.
    ///
    /// # Errors
    ///
    /// If the field is no plain path, or a value is missing that the operator needs.
    pub fn new(field: &str, operator: Operator, value: Option<Value>) -> Result<Self, Problem> {
        let field = Path::parse(field)?;
        if operator.needs_value() && value.is_none() {
            return Err(Problem::error(0..0, "condition missing `value`").with_help("only `not_empty`, `is_true` and `is_false` stand without one"));
        }
        Ok(Self { field, operator, value })
    }

    /// The field it reads.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        self.field.reference()
    }

    /// Decides what a bare field name means; call it once.
    pub fn bind(&mut self, names: &Names) -> Vec<Problem> {
        names.bind([self.field.reference_mut()])
    }

    /// Whether it holds.
    #[must_use]
    pub fn evaluate(&self, scope: &dyn Scope) -> bool {
        let Some(found) = self.field.find(scope) else {
            return self.operator == Operator::NotEquals;
        };
        let found = found.as_ref();
        let value = self.value.as_ref().unwrap_or(&Value::Null);
        match self.operator {
            Operator::Equals => equal(found, value),
            Operator::NotEquals => !equal(found, value),
            Operator::Contains => contains(found, value),
            Operator::GreaterThan => {
                matches!((number(found), number(value)), (Some(a), Some(b)) if a > b)
            }
            Operator::LessThan => {
                matches!((number(found), number(value)), (Some(a), Some(b)) if a < b)
            }
            Operator::In => !value.is_object() && contains(value, found),
            Operator::NotEmpty => !is_empty(found),
            Operator::IsTrue => is_bool(found, true),
            Operator::IsFalse => is_bool(found, false),
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => number(a) == number(b) && (a == b || a.is_f64() || b.is_f64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b))),
        _ => a == b,
    }
}

fn contains(container: &Value, element: &Value) -> bool {
    match container {
        Value::String(text) => super::value::text_of(element).is_some_and(|part| text.contains(part.as_ref())),
        Value::Array(items) => items.iter().any(|item| equal(item, element)),
        Value::Object(map) => element.as_str().is_some_and(|key| map.contains_key(key)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A number, or a text that is one: models answer in text.
fn number(value: &Value) -> Option<f64> {
    let text: Cow<'_, str> = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => Cow::Borrowed(text.trim()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_bool(value: &Value, wanted: bool) -> bool {
    match value {
        Value::Bool(found) => *found == wanted,
        Value::String(text) => text.trim().eq_ignore_ascii_case(if wanted { "true" } else { "false" }),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}
