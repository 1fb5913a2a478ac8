//! Scripts of a workflow, read before anything runs: what cannot be read is not found out after a model was paid.

use gorgon_core::contract::Rule;
use gorgon_core::definition::Definition;
use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_tools::script::check_syntax;
use serde_json::Value;

/// What cannot be read in the scripts of steps and of rules.
pub(crate) fn problems(definition: &Definition) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut look = |place: String, source: &str| {
        if let Err(why) = check_syntax(source) {
            problems.push(Diagnostic::error(Code::BadTemplate, place, why).help("scripts are written in Luau, a dialect of Lua 5.1"));
        }
    };
    for step in definition.all_steps() {
        if let (true, Some(source)) = (step.kind.as_str() == "script", step.params.get("script").and_then(Value::as_str)) {
            look(format!("steps.{}.script", step.id), source);
        }
        for (n, rule) in step.params.get("rules").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if let Some(rule) = rule.as_str().and_then(|text| Rule::parse(text).ok())
                && let Some(source) = rule.script()
            {
                look(format!("steps.{}.rules[{n}]", step.id), source);
            }
        }
    }
    problems
}
