//! Conversions that a schema asks for and that lose nothing.

use serde_json::Value;

use super::Mend;

/// Deepest value that is looked into.
const DEPTH_MAX: usize = 64;
/// Most conversions in an answer: each is told. One that needs more does not hold, and is asked for again.
const MENDS_MAX: usize = 100;

/// Makes a value what the schema's `type` says, where that is one word and the value says the same in another type.
pub(super) fn coerce(schema: &Value, value: &mut Value, path: &mut String, mends: &mut Vec<Mend>) {
    at_depth(schema, value, path, mends, 0);
}

fn at_depth(schema: &Value, value: &mut Value, path: &mut String, mends: &mut Vec<Mend>, depth: usize) {
    let Value::Object(schema) = schema else { return };
    if depth > DEPTH_MAX {
        return;
    }
    if mends.len() < MENDS_MAX
        && let Some(wanted) = schema.get("type").and_then(Value::as_str)
        && let Some(converted) = converted(wanted, value)
    {
        mends.push(Mend { path: path.clone(), what: format!("{value} taken as the {wanted} {converted}") });
        *value = converted;
    }
    let mut step = |name: &str, schema: &Value, value: &mut Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        at_depth(schema, value, path, mends, depth + 1);
        path.truncate(length);
    };
    match value {
        Value::Object(map) => {
            for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(value) = map.get_mut(name) {
                    step(name, schema, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                for (place, value) in list.iter_mut().enumerate() {
                    step(&place.to_string(), schema, value);
                }
            }
        }
        _ => {}
    }
}

/// The same value in another type; `None` if it is of that type already, or cannot be without a loss.
///
/// A number with a fraction or an exponent never becomes a text: how it was spelled (`1.10`) is lost once it is a number. `null` stays what it is: that
/// there is nothing and that there is an empty list are two answers.
fn converted(wanted: &str, value: &Value) -> Option<Value> {
    match (wanted, value) {
        ("integer", Value::String(text)) => number(text).filter(|number| !number.is_f64()),
        ("number", Value::String(text)) => number(text),
        ("boolean", Value::String(text)) => match text.trim() {
            "true" | "True" => Some(Value::Bool(true)),
            "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        ("string", Value::Bool(_)) => Some(Value::String(value.to_string())),
        ("string", Value::Number(number)) if !number.is_f64() => Some(Value::String(value.to_string())),
        _ => None,
    }
}

/// The number that a text spells, if it can be kept with all its digits.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let number = serde_json::from_str(text).ok().filter(Value::is_number)?;
    (without_zeros(text) == without_zeros(&number.to_string())).then_some(number)
}

/// A decimal number without the zeros that end its fraction.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}
