//! The tables of the reference page, from the tables that the loader checks with.

use std::fmt::Write;

use gorgon_core::definition::EffectClass;
use gorgon_core::step::{Param, ParamType, Syntax};
use serde_json::Map;

use crate::keys::{APPROVAL, BUDGET, CONDITION, FALLBACK, INPUT, Key, RETRY, SETTINGS, STEP, TEMPLATE, TOP};
use crate::types::{self, Form, StepType};
use crate::words::EFFECTS;

/// The generated part of the reference page: every key and every step type, as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = String::new();
    let tables = [
        ("Keys of a workflow", TOP),
        ("Keys of an input", INPUT),
        ("Keys of `budget`", BUDGET),
        ("Keys of `settings`", SETTINGS),
        ("Keys of a step", STEP),
        ("Keys of `condition`", CONDITION),
        ("Keys of `retry`", RETRY),
        ("Keys of `fallback`", FALLBACK),
        ("Keys of `approval` on a step", APPROVAL),
        ("Keys of `step_template` in a `fan_out`", TEMPLATE),
    ];
    for (title, table) in tables {
        keys(&mut out, title, table);
    }
    line(&mut out, "## Step types\n");
    for ty in types::all().filter(|ty| ty.form != Form::Unavailable) {
        step_type(&mut out, ty);
    }
    line(&mut out, "### Types that load, but do not run yet\n");
    line(
        &mut out,
        "Their files are read and checked; their parameters are free. A run of such a file is refused before its first step, with the name of the type.\n",
    );
    line(&mut out, "| type | why |\n|---|---|");
    for kind in gorgon_core::step::KINDS {
        if let Some(why) = kind.unavailable() {
            line(&mut out, &format!("| `{}` | {} |", kind.name(), cell(why)));
        }
    }
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn keys(out: &mut String, title: &str, table: &[Key]) {
    line(out, &format!("## {title}\n"));
    line(out, "| key | value | if absent | |\n|---|---|---|---|");
    for key in table {
        let absent = if key.required { "**required**" } else { key.default };
        line(out, &format!("| `{}` | {} | {} | {} |", key.name, cell(key.shape), cell(absent), cell(key.help)));
    }
    line(out, "");
}

fn step_type(out: &mut String, ty: StepType) {
    line(out, &format!("### `{}`\n", ty.name));
    line(out, &format!("{}\n", ty.summary()));
    if let Some(facts) = facts(ty) {
        line(out, &format!("{facts}\n"));
    }
    if ty.params().next().is_some() {
        line(out, "| parameter | value | if absent | |\n|---|---|---|---|");
        for param in ty.params() {
            line(out, &param_row(param));
        }
        line(out, "");
    }
    if !ty.results().is_empty() {
        line(out, "| result | |\n|---|---|");
        for (name, meaning) in ty.results() {
            line(out, &format!("| `{name}` | {} |", cell(meaning)));
        }
        line(out, "");
    }
}

/// Defaults that are not parameters.
fn facts(ty: StepType) -> Option<String> {
    let kind = ty.kind?;
    let effect = EFFECTS.iter().find(|(_, effect)| *effect == kind.default_effect(&Map::new())).map_or("", |(word, _)| word);
    let mut facts = match ty.form {
        Form::Agent { provider, model, role } => {
            let role = role.map_or_else(String::new, |role| format!(", role `{role}` if neither `role` nor `system_prompt` is said"));
            format!("Provider `{provider}`, model `{model}` unless said otherwise{role}. ")
        }
        _ => String::new(),
    };
    let _ = write!(facts, "Effect `{effect}`");
    let varies = match ty.name {
        "http" => " (`idempotent` for the methods that write)",
        "files" => " (`idempotent` for `write`, `at_most_once` for `append`)",
        _ => "",
    };
    facts.push_str(varies);
    if kind.default_effect(&Map::new()) != EffectClass::Pure || ty.name == "script" {
        let _ = write!(facts, ", {} s for one attempt", kind.default_timeout_ms() / 1_000);
    }
    facts.push('.');
    Some(facts)
}

fn param_row(param: &Param) -> String {
    let absent = match (param.required, param.default) {
        (true, _) => "**required**".to_owned(),
        (false, Some(default)) => format!("`{default}`"),
        (false, None) => String::new(),
    };
    format!("| `{}` | {} | {} | {} |", param.name, cell(&shape(param)), cell(&absent), cell(param.help))
}

fn shape(param: &Param) -> String {
    match param.syntax {
        Syntax::Shell => return "shell text".to_owned(),
        Syntax::Expression => return "expression".to_owned(),
        Syntax::Expressions => return "map of expressions".to_owned(),
        Syntax::Template | Syntax::Raw => {}
    }
    match param.ty {
        ParamType::Text => "text".to_owned(),
        ParamType::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        ParamType::Integer(min, max) => format!("whole number, {min} to {max}"),
        ParamType::Number => "number, 0 or more".to_owned(),
        ParamType::Boolean => "`true` or `false`".to_owned(),
        ParamType::List => "list".to_owned(),
        ParamType::Texts => "list of texts".to_owned(),
        ParamType::Map => "map".to_owned(),
        ParamType::Any => "anything".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const BEGIN: &str = "<!-- generated: begin -->\n";
    const END: &str = "<!-- generated: end -->\n";

    #[test]
    fn the_reference_page_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/workflow.md");
        let page = fs::read_to_string(&path).unwrap_or_default();
        let (before, rest) = page.split_once(BEGIN).expect("the page has a begin marker");
        let (found, after) = rest.split_once(END).expect("the page has an end marker");
        let current = format!("\n{}\n", reference_markdown());
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{current}{END}{after}")).expect("the page can be written");
            return;
        }
        assert!(found == current, "docs/reference/workflow.md is stale: run the tests with UPDATE_GOLDENS=1");
    }
}
