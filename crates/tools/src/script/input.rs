//! Inputs: from JSON to the locals of a script.

use gorgon_core::call::Failure;
use mlua::{MultiValue, Value};
use serde_json::{Map, Number, Value as Json};

use super::sandbox::Sandbox;
use crate::outcome::invalid;

/// The interpreter takes at most 200 locals in one function; the rest is the script's.
const INPUTS_MAX: usize = 150;

/// Up to here every integer is a number of the interpreter.
const EXACT_MAX: u64 = 1 << 53;

const RESERVED: [&str; 21] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat", "return", "then",
    "true", "until", "while",
];

/// The names of the inputs, each fit to be the name of a local.
pub(super) fn names(inputs: &Map<String, Json>) -> Result<Vec<&str>, Failure> {
    if inputs.len() > INPUTS_MAX {
        return Err(invalid(format!("a script takes at most {INPUTS_MAX} inputs; this one has {}", inputs.len())));
    }
    inputs.keys().map(|name| name_of(name)).collect()
}

fn name_of(name: &str) -> Result<&str, Failure> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(invalid(format!("the input {name:?} cannot be the name of a variable: use letters, digits and `_`, and begin with no digit")));
    }
    if RESERVED.contains(&name) {
        return Err(invalid(format!("the input `{name}` has the name of a word of the language; call it otherwise")));
    }
    Ok(name)
}

/// The values of the inputs. The inner error is the interpreter's, such as its memory being full.
pub(super) fn arguments(sandbox: &Sandbox, inputs: &Map<String, Json>) -> Result<mlua::Result<MultiValue>, Failure> {
    for (name, value) in inputs {
        if let Some(number) = inexact(value) {
            return Err(invalid(format!("the input `{name}` holds {number}, which a script cannot hold exactly; pass it as text")));
        }
    }
    let values = inputs.values().map(|value| if value.is_null() { Ok(Value::Nil) } else { to_lua(sandbox, value) });
    Ok(values.collect::<mlua::Result<Vec<_>>>().map(MultiValue::from_vec))
}

fn inexact(value: &Json) -> Option<&Number> {
    match value {
        Json::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            magnitude.is_some_and(|magnitude| magnitude > EXACT_MAX).then_some(number)
        }
        Json::Array(items) => items.iter().find_map(inexact),
        Json::Object(fields) => fields.values().find_map(inexact),
        Json::Null | Json::Bool(_) | Json::String(_) => None,
    }
}

fn to_lua(sandbox: &Sandbox, value: &Json) -> mlua::Result<Value> {
    let lua = &sandbox.lua;
    Ok(match value {
        Json::Null => Value::NULL,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, to_lua(sandbox, item)?)?;
            }
            table.set_metatable(Some(sandbox.array_mark.clone()))?;
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
                table.raw_set(name.as_str(), to_lua(sandbox, field)?)?;
            }
            Value::Table(table)
        }
    })
}
