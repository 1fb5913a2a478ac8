//! The commented example uses every key of the language, and loads.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the example has failed")]

use std::fs;
use std::path::Path;

use gorgon_language::{json_schema, load_with, render};
use serde_json::Value;

fn example() -> String {
    read("reference.yaml").unwrap().unwrap()
}

fn read(name: &str) -> Result<Option<String>, String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)).map(Some).map_err(|error| error.to_string())
}

#[test]
fn the_example_loads_and_compiles() {
    let text = example();
    let loaded = load_with(&text, &read);
    let shown = render("reference.yaml", &text, &loaded.diagnostics);
    let definition = loaded.definition.unwrap_or_else(|| panic!("{shown}"));
    let warnings: Vec<&str> = loaded.diagnostics.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(warnings, ["GOR0105", "GOR0108"], "only `circuit_breaker_key`, and a budget inside, are warned of:\n{shown}");
    gorgon_core::plan::compile(std::sync::Arc::new(definition), &[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
}

/// Every word that the schema knows as a key, and every step type that runs, stands in the example: as a key, or where two say one thing, in a comment.
#[test]
fn the_example_uses_every_key_and_step_type() {
    // Refused with a cure, so they cannot stand in a file that loads.
    const REFUSED: [&str; 1] = ["callback"];
    let text = example();
    let schema = json_schema();
    let mut keys = Vec::new();
    collect(&schema, &mut keys);
    keys.sort();
    keys.dedup();
    assert!(keys.len() > 100, "{}", keys.len());
    let missing: Vec<&String> = keys.iter().filter(|key| !REFUSED.contains(&key.as_str()) && !mentions(&text, key)).collect();
    assert!(missing.is_empty(), "not in the example: {missing:?}");
    let types: Vec<&str> = schema["$defs"].as_object().unwrap().keys().filter_map(|name| name.strip_suffix("_params")).collect();
    assert!(types.len() >= 17, "{types:?}");
    for ty in types {
        assert!(text.contains(&format!("type: {ty}")), "the example has no step of type {ty}");
    }
}

/// The names of all `properties` of a schema.
fn collect(schema: &Value, keys: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (name, value) in map {
                if name == "properties"
                    && let Some(properties) = value.as_object()
                {
                    keys.extend(properties.keys().cloned());
                    properties.values().for_each(|property| collect(property, keys));
                } else {
                    collect(value, keys);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        _ => {}
    }
}

fn mentions(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + key.len()..];
        before.is_none_or(|c| matches!(c, ' ' | '{' | '`' | '\n')) && after.starts_with([':', '`']) || before == Some(' ') && after.starts_with(": ")
    })
}
