//! Rules that stand in files of their own: `custom: NAME` becomes the script of `rules/NAME.lua`.

use gorgon_core::definition::{Definition, Step};
use gorgon_core::diagnostic::{Code, Diagnostic};
use serde_json::Value;

use crate::inline::Files;

pub(crate) fn resolve(definition: &mut Definition, files: Files<'_>, problems: &mut Vec<Diagnostic>) {
    definition.steps.iter_mut().for_each(|step| of_step(step, files, problems));
}

fn of_step(step: &mut Step, files: Files<'_>, problems: &mut Vec<Diagnostic>) {
    step.steps.iter_mut().for_each(|inside| of_step(inside, files, problems));
    let rules = step.params.get_mut("rules").filter(|_| step.kind == "agent").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        let Some(name) = rule.as_str().and_then(|text| text.trim_start().strip_prefix("custom:")).map(|name| name.trim().to_owned()) else {
            continue;
        };
        let file = format!("rules/{name}.lua");
        match files.find(&file) {
            Ok((source, _)) => *rule = Value::String(format!("script: -- {file}\n{source}")),
            Err(why) => {
                let message = format!("the rule `{name}` cannot be read from `{file}`: {why}");
                let help = "write the file beside the workflow: Lua that sees `output` and returns whether it holds";
                problems.push(Diagnostic::error(Code::BadValue, format!("steps.{}.params.rules", step.id), message).help(help));
            }
        }
    }
}
