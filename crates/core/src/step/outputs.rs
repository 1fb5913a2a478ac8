//! From what a step gave to the names under which it is known.

use serde_json::{Map, Value};

use crate::call::{Failure, FailureClass};

/// Adds the declared outputs to what a step gave. A declared name that is a key of the result is there already; the first other one gets the primary
/// result. What is still missing is a failure: a declared output is never silently absent.
///
/// # Errors
/// An `invalid` failure that names the missing outputs and what there was.
pub fn map_outputs(declared: &[String], primary: Option<&str>, mut result: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let mut missing = Vec::new();
    for (place, name) in declared.iter().enumerate() {
        if result.contains_key(name) {
            continue;
        }
        match primary.and_then(|key| result.get(key)).filter(|_| place == 0).cloned() {
            Some(value) => {
                result.insert(name.clone(), value);
            }
            None => missing.push(name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(result);
    }
    let had: Vec<&str> = result.keys().map(String::as_str).collect();
    Err(Failure::new(
        FailureClass::Invalid,
        format!(
            "the step did not give the declared output `{}`; it gave: {}",
            missing.join("`, `"),
            if had.is_empty() { "nothing".to_owned() } else { had.join(", ") }
        ),
    ))
}
