//! The JSON Schema of the native language, from the tables that the loader checks with: for editors.
//!
//! It says what has a shape. What needs the whole file (names, references, order) only the loader knows.

use gorgon_core::step::{Param, ParamType, Syntax};
use serde_json::{Map, Value, json};

use crate::keys::{APPROVAL, BUDGET, CONDITION, FALLBACK, INPUT, Key, OUTPUT, RETRY, SETTINGS, STEP, TEMPLATE, TOP};
use crate::types::{self, Form, StepType};

/// The schema, of the draft 2020-12.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Gorgon workflow"));
    schema.insert("description".to_owned(), json!("A workflow in Gorgon's native language, as YAML or JSON. Generated; do not edit."));
    schema.extend(object(TOP));
    let mut defs = Map::new();
    defs.insert("input".to_owned(), Value::Object(object(INPUT)));
    defs.insert("named_input".to_owned(), named_input());
    for (name, table) in [
        ("output", OUTPUT),
        ("budget", BUDGET),
        ("settings", SETTINGS),
        ("condition", CONDITION),
        ("fallback", FALLBACK),
        ("approval", APPROVAL),
        ("retry", RETRY),
    ] {
        defs.insert(name.to_owned(), Value::Object(object(table)));
    }
    defs.insert("step".to_owned(), typed(STEP, |_| true));
    defs.insert("template".to_owned(), typed(TEMPLATE, |ty| ty.is_leaf()));
    for ty in types::all().filter(|ty| ty.form != Form::Unavailable) {
        defs.insert(params_name(ty), params(ty));
    }
    schema.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(schema)
}

fn object(table: &[Key]) -> Map<String, Value> {
    let required: Vec<&str> = table.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties(table)));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn properties(table: &[Key]) -> Map<String, Value> {
    table.iter().map(|key| (key.name.to_owned(), described((key.schema)(), key.help))).collect()
}

fn described(schema: Value, help: &str) -> Value {
    let Value::Object(schema) = schema else { return schema };
    let mut described = Map::new();
    described.insert("description".to_owned(), json!(help));
    described.extend(schema);
    Value::Object(described)
}

fn named_input() -> Value {
    let mut input = object(INPUT);
    if let Some(Value::Object(properties)) = input.get_mut("properties") {
        properties.insert("name".to_owned(), json!({"description": "Its name.", "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,127}$"}));
    }
    input.insert("required".to_owned(), json!(["name"]));
    Value::Object(input)
}

/// A step or a template: the keys of all, and by `type` those of the type.
fn typed(table: &[Key], admits: impl Fn(&StepType) -> bool) -> Value {
    let mut step = object(table);
    step.remove("additionalProperties");
    let by_type: Vec<Value> = types::all()
        .filter(|ty| ty.form != Form::Unavailable && admits(ty))
        .map(|ty| json!({"if": {"properties": {"type": {"const": ty.name}}, "required": ["type"]}, "then": of_type(ty)}))
        .collect();
    step.insert("allOf".to_owned(), json!(by_type));
    step.insert("unevaluatedProperties".to_owned(), json!(false));
    Value::Object(step)
}

/// A parameter stands under `params` or beside `type`.
fn of_type(ty: StepType) -> Value {
    let mut properties = Map::new();
    properties.insert("params".to_owned(), json!({"$ref": format!("#/$defs/{}", params_name(ty))}));
    properties.extend(ty.params().map(|param| (param.name.to_owned(), param_schema(param))));
    let mut then = Map::new();
    then.insert("properties".to_owned(), Value::Object(properties));
    let required: Vec<Value> = ty
        .params()
        .filter(|param| param.required)
        .map(|param| json!({"anyOf": [{"required": [param.name]}, {"required": ["params"], "properties": {"params": {"required": [param.name]}}}]}))
        .collect();
    if !required.is_empty() {
        then.insert("allOf".to_owned(), json!(required));
    }
    Value::Object(then)
}

fn params_name(ty: StepType) -> String {
    format!("{}_params", ty.name)
}

fn params(ty: StepType) -> Value {
    let properties: Map<String, Value> = ty.params().map(|param| (param.name.to_owned(), param_schema(param))).collect();
    json!({"type": "object", "description": ty.summary(), "properties": properties, "additionalProperties": false})
}

fn param_schema(param: &Param) -> Value {
    let shape = match (param.name, param.syntax) {
        ("steps", _) => json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}),
        ("step_template", _) => json!({"$ref": "#/$defs/template"}),
        (_, Syntax::Expression) => expression(),
        (_, Syntax::Expressions) => json!({"type": "object", "additionalProperties": expression()}),
        (_, Syntax::Shell) => json!({"type": "string"}),
        (_, Syntax::Raw) => plain(param.ty),
        (_, Syntax::Template) => match param.ty {
            ParamType::Text | ParamType::Any => plain(param.ty),
            // A text with a reference is admitted everywhere.
            ty => json!({"anyOf": [plain(ty), {"type": "string", "pattern": "\\$\\{|\\{\\{"}]}),
        },
    };
    let Value::Object(mut schema) = described(shape, param.help) else { return Value::Bool(true) };
    if let Some(default) = param.default.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        schema.insert("default".to_owned(), default);
    }
    Value::Object(schema)
}

fn expression() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

fn plain(ty: ParamType) -> Value {
    match ty {
        ParamType::Text => json!({"type": "string"}),
        ParamType::Word(words) => json!({"enum": words}),
        ParamType::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        ParamType::Number => json!({"type": "number", "minimum": 0}),
        ParamType::Boolean => json!({"type": "boolean"}),
        ParamType::List => json!({"type": "array"}),
        ParamType::Texts => json!({"type": "array", "items": {"type": "string"}}),
        ParamType::Map => json!({"type": "object"}),
        ParamType::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn sources(folder: &str) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.to_string_lossy();
                (name.ends_with(".yaml") || name.ends_with(".json")) && !name.contains(".golden.")
            })
            .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = root().join("schemas/workflow.schema.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap_or_default() == text, "schemas/workflow.schema.json is stale: run the tests with UPDATE_GOLDENS=1");
    }

    #[test]
    fn the_schema_admits_every_good_file() {
        let schema = json_schema();
        assert!(jsonschema::meta::is_valid(&schema), "the schema is not a schema");
        let validator = jsonschema::validator_for(&schema).unwrap();
        let reference = root().join("examples/reference.yaml");
        let example = (reference.display().to_string(), fs::read_to_string(&reference).unwrap());
        for (path, text) in sources("tests/cases/good").into_iter().chain([example]) {
            let (node, problems) = crate::parse::parse(&text);
            assert_eq!(problems, []);
            let problems: Vec<String> =
                validator.iter_errors(&node.unwrap().to_json()).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(problems.is_empty(), "{path}: {problems:#?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_has_a_wrong_shape() {
        let validator = jsonschema::validator_for(&json_schema()).unwrap();
        let wrong = [
            "bad_inputs.yaml",
            "bad_names.yaml",
            "everything_missing.yaml",
            "missing_params.yaml",
            "no_steps.yaml",
            "numbers.yaml",
            "unknown_keys.yaml",
            "unknown_operator.yaml",
            "unknown_type.yaml",
            "wrong_types.yaml",
            "wrong_types_params.yaml",
            "wrong_types_step.yaml",
        ];
        for name in wrong {
            let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bad").join(name)).unwrap();
            let node = crate::parse::parse(&text).0.unwrap();
            assert!(!validator.is_valid(&node.to_json()), "the schema admits {name}");
        }
    }
}
