//! Conversions that a schema asks for and that lose nothing.

use serde_json::{Map, Value};

use super::Mend;

/// Deepest value that is looked into.
const DEPTH_MAX: usize = 64;

/// Makes a value what the schema's `type` says, where that is one word and the value says the same in another type.
pub(super) fn coerce(schema: &Value, value: &mut Value, path: &mut String, mends: &mut Vec<Mend>) {
    at_depth(schema, value, path, mends, 0);
}

fn at_depth(schema: &Value, value: &mut Value, path: &mut String, mends: &mut Vec<Mend>, depth: usize) {
    let Value::Object(schema) = schema else { return };
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(wanted) = schema.get("type").and_then(Value::as_str)
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
fn converted(wanted: &str, value: &Value) -> Option<Value> {
    match (wanted, value) {
        ("integer", Value::String(text)) => text.trim().parse::<i64>().ok().filter(|number| number.to_string() == text.trim()).map(Value::from),
        ("number", Value::String(text)) => match serde_json::from_str::<Value>(text.trim()) {
            Ok(number @ Value::Number(_)) => Some(number),
            _ => None,
        },
        ("boolean", Value::String(text)) => match text.trim() {
            "true" | "True" => Some(Value::Bool(true)),
            "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        ("string", Value::Number(_) | Value::Bool(_)) => Some(Value::String(value.to_string())),
        ("array", Value::Null) => Some(Value::Array(Vec::new())),
        ("object", Value::Null) => Some(Value::Object(Map::new())),
        _ => None,
    }
}
