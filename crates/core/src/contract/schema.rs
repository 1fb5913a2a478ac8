//! Checking against a JSON Schema, draft 2020-12 unless it says otherwise.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::Problem;

/// Longest schema in bytes.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a compiled pattern. Patterns are matched in linear time: none can be made that takes for ever.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A schema, compiled.
#[derive(Debug)]
pub(super) struct Checker(Validator);

impl Checker {
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        let length = schema.to_string().len();
        if length > SCHEMA_BYTES_MAX {
            return Err(format!("the schema has {length} bytes; at most {SCHEMA_BYTES_MAX} are allowed"));
        }
        if let Some(reference) = outside(schema) {
            return Err(format!("the schema refers to `{reference}`, and nothing is fetched: put it under `$defs`, and refer to it by `#/$defs/…`"));
        }
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let options = options.with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX));
        options.build(schema).map(Self).map_err(|error| format!("the schema makes no sense at `{}`: {error}", error.instance_path()))
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    pub(super) fn problems(&self, value: &Value, most: usize) -> Vec<Problem> {
        let told = self.0.iter_errors(value).take(most);
        told.map(|error| Problem { path: error.instance_path().to_string(), message: error.masked_with("the value").to_string() }).collect()
    }
}

/// A reference to something that is not in the schema.
fn outside(schema: &Value) -> Option<String> {
    match schema {
        Value::Object(map) => map.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("$ref" | "$dynamicRef", Value::String(reference)) if !reference.starts_with('#') => Some(reference.clone()),
            (_, value) => outside(value),
        }),
        Value::Array(list) => list.iter().find_map(outside),
        _ => None,
    }
}
