//! `preview_from` of approvals: names that become references once all names are known.

use std::collections::HashMap;

use gorgon_core::definition::{Definition, Step};

use crate::read::Reader;

pub(super) fn expand(definition: &mut Definition, reader: &mut Reader<'_>) {
    let mut results: HashMap<String, Vec<String>> = HashMap::new();
    let mut names: Vec<String> = definition.inputs.keys().cloned().collect();
    for step in definition.all_steps() {
        names.extend(step.outputs.iter().cloned());
        results.insert(step.id.to_string(), shown(step));
    }
    let mut at = 0;
    for step in &mut definition.steps {
        walk(step, &mut at, reader, &results, &names);
    }
}

fn walk(step: &mut Step, at: &mut usize, reader: &mut Reader<'_>, results: &HashMap<String, Vec<String>>, names: &[String]) {
    let source = *at;
    *at += 1;
    if step.kind == "approval"
        && let Some(from) = reader.sources[source].params.get("preview_from").copied()
        && step.params.contains_key("preview_from")
    {
        reader.preview(from, &mut step.params, &|id| results.get(id).cloned(), &|name| names.iter().any(|known| known == name));
        reader.sources[source].params.insert("preview", from);
    }
    for nested in &mut step.steps {
        walk(nested, at, reader, results, names);
    }
}

/// What of a step is worth showing: its declared outputs, else its first result.
fn shown(step: &Step) -> Vec<String> {
    if !step.outputs.is_empty() {
        return step.outputs.clone();
    }
    if step.fan_out.is_some() {
        return vec!["results".to_owned()];
    }
    let first = gorgon_core::step::find(&step.kind).and_then(|kind| kind.results().first());
    vec![first.map_or("status", |(name, _)| *name).to_owned()]
}
