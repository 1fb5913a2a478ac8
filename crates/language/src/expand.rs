//! `map_reduce`: one step for each element of a list, then one step over all results. It is two steps in a group, and becomes them before it is read.

use gorgon_core::step::Syntax;
use gorgon_core::template::{Expression, Reference, Root, Template};

use crate::build::{self, Map};
use crate::keys::STEP;
use crate::node::{Content, Entry, Node};
use crate::types::MAP_REDUCE;

/// What the results of the first step are called in the texts of the second.
const RESULTS: &str = "map_results";

/// The tree with the `map_reduce` steps in it as what they stand for; `None` if there are none.
pub(crate) fn expand(root: &Node) -> Option<Node> {
    if !has_some(root) {
        return None;
    }
    let mut root = root.clone();
    in_lists(&mut root);
    Some(root)
}

fn has_some(node: &Node) -> bool {
    lists(node).any(|list| list.as_list().into_iter().flatten().any(|step| is_whole(step) || has_some(step)))
}

/// The lists of steps of a workflow or a group.
fn lists(node: &Node) -> impl Iterator<Item = &Node> {
    [node.get("steps"), node.get("params").and_then(|params| params.get("steps"))].into_iter().flatten()
}

fn in_lists(node: &mut Node) {
    let Content::Map(entries) = &mut node.content else { return };
    for entry in entries {
        match (entry.key.as_str(), &mut entry.value.content) {
            ("steps", Content::List(steps)) => {
                for step in steps {
                    match lower(step) {
                        Some(group) => *step = group,
                        None => in_lists(step),
                    }
                }
            }
            ("params", Content::Map(_)) => in_lists(&mut entry.value),
            _ => {}
        }
    }
}

fn part<'n>(step: &'n Node, name: &str) -> Option<&'n Node> {
    step.get("params").and_then(|params| params.get(name)).or_else(|| step.get(name)).filter(|node| !node.is_null())
}

/// Whether a step is one of them, and has all its parts; what is missing or of another type is told when it is read.
fn is_whole(step: &Node) -> bool {
    let is_map = |name: &str| part(step, name).is_some_and(|node| node.as_map().is_some());
    step.get("type").and_then(Node::as_text) == Some("map_reduce")
        && step.get("id").and_then(Node::as_text).is_some()
        && part(step, "items").is_some()
        && is_map("map_step")
        && is_map("reduce_step")
}

fn lower(step: &Node) -> Option<Node> {
    if !is_whole(step) {
        return None;
    }
    let (id, ty) = (step.entry("id")?, step.entry("type")?);
    let name = id.value.as_text()?;
    let (map_id, reduce_id) = (format!("{name}_map"), format!("{name}_reduce"));
    let mut map = Map::new(&part(step, "map_step")?.span);
    map.put_text("id", &id.value.span, &map_id);
    map.put_text("type", &ty.value.span, "fan_out");
    let mut params = Map::new(&step.span);
    for own in MAP_REDUCE.iter().map(|param| param.name).filter(|own| !matches!(*own, "map_step" | "reduce_step")) {
        if let Some(given) = part(step, own) {
            params.put(own, given.clone());
        }
    }
    params.put("step_template", part(step, "map_step")?.clone());
    map.put("params", params.finish());

    let given = part(step, "reduce_step")?;
    let mut reduce = Map::new(&given.span);
    reduce.put_text("id", &id.value.span, &reduce_id);
    reduce.put("depends_on", build::list(&id.value.span, vec![build::text(&id.value.span, &map_id)]));
    for entry in given.as_map()?.iter().filter(|entry| !matches!(entry.key.as_str(), "id" | "depends_on")) {
        reduce.put_at(&entry.key, &entry.key_span, entry.value.clone());
    }
    let mut reduce = reduce.finish_by(STEP);
    // Further ones inside of it come first: there, the name means their results.
    match lower(&reduce) {
        Some(group) => reduce = group,
        None => in_lists(&mut reduce),
    }
    let reduce = with_path(&reduce, &format!("steps.{map_id}.results"));

    let mut group = Map::new(&step.span);
    for entry in
        step.as_map()?.iter().filter(|entry| !matches!(entry.key.as_str(), "type" | "params") && STEP.iter().any(|key| key.name == entry.key))
    {
        group.put_at(&entry.key, &entry.key_span, entry.value.clone());
    }
    group.put_text("type", &ty.value.span, "parallel");
    let mut params = Map::new(&step.span);
    params.put_text("gives", &ty.value.span, "last");
    params.put("steps", build::list(&step.span, vec![map.finish_by(STEP), reduce]));
    group.put("params", params.finish());
    Some(group.finish_by(STEP))
}

/// A step, and what is inside of it, with the path to the results where it refers to them by their name.
fn with_path(step: &Node, path: &str) -> Node {
    let kind = step.get("type").and_then(Node::as_text).and_then(gorgon_core::step::find);
    let syntax = |name: &str| kind?.params().iter().find(|param| param.name == name).map(|param| param.syntax);
    entries_with(step, &|name, value| match (name, &value.content) {
        ("params", Content::Map(_)) => entries_with(value, &|name, value| value_with_path(name, value, syntax(name), path)),
        _ => value_with_path(name, value, syntax(name), path),
    })
}

fn entries_with(node: &Node, change: &dyn Fn(&str, &Node) -> Node) -> Node {
    let entries = node.as_map().into_iter().flatten();
    let changed = entries.map(|entry| Entry { value: change(&entry.key, &entry.value), ..entry.clone() });
    Node { span: node.span.clone(), content: Content::Map(changed.collect()) }
}

/// What stands under a name of a step or of its parameters.
fn value_with_path(name: &str, value: &Node, syntax: Option<Syntax>, path: &str) -> Node {
    let syntax = if name == "when" { Syntax::Expression } else { syntax.unwrap_or(Syntax::Template) };
    match (name, &value.content) {
        ("steps", Content::List(steps)) => build::list(&value.span, steps.iter().map(|step| with_path(step, path)).collect()),
        ("step_template", Content::Map(_)) => with_path(value, path),
        _ => build::with_texts(value, &mut |_, text| renamed(text, path, syntax)),
    }
}

/// The text with the path to the results in the place of their name. A text that cannot be read stays: what is wrong with it is told later.
fn renamed(text: &str, path: &str, syntax: Syntax) -> String {
    let is_the_name = |reference: &&Reference| matches!(&reference.root, Root::Name(name) if name == RESULTS);
    let spans = |references: &[Reference]| references.iter().filter(is_the_name).map(|reference| reference.span.start).collect::<Vec<usize>>();
    let found = match syntax {
        Syntax::Raw => Vec::new(),
        Syntax::Template => Template::parse(text).map(|template| spans(template.references())).unwrap_or_default(),
        Syntax::Expression | Syntax::Expressions => Expression::parse(text).map(|expression| spans(expression.references())).unwrap_or_default(),
        // Whether braces of the shell hold a reference depends on all names; in braces, this one is always meant.
        Syntax::Shell => {
            let all = text.match_indices("${").map(|(at, braces)| at + braces.len());
            let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_the_name = |rest: &str| rest.strip_prefix(RESULTS).is_some_and(|rest| !rest.starts_with(goes_on));
            all.filter(|at| is_the_name(&text[*at..]) && !text[..*at].ends_with("$${")).collect()
        }
    };
    let mut out = text.to_owned();
    for at in found.into_iter().rev() {
        out.replace_range(at..at + RESULTS.len(), path);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_itself_is_a_reference() {
        let template = |text| renamed(text, "P", Syntax::Template);
        for (text, renamed_to) in [
            ("map_results", "map_results"),
            ("${map_results}", "${P}"),
            ("a {{ map_results | length }} b ${map_results[0]}", "a {{ P | length }} b ${P[0]}"),
            (
                "$${map_results} ${x.map_results} ${map_results_2} ${my_map_results}",
                "$${map_results} ${x.map_results} ${map_results_2} ${my_map_results}",
            ),
            ("${a} map_results", "${a} map_results"),
            ("${ ('}' + x) ~ map_results } ${'map_results'}", "${ ('}' + x) ~ P } ${'map_results'}"),
        ] {
            assert_eq!(template(text), renamed_to);
        }
        assert_eq!(renamed("map_results | length > 1 and x.map_results", "P", Syntax::Expression), "P | length > 1 and x.map_results");
        assert_eq!(renamed("echo $${map_results} \"${map_results}\" {{ a", "P", Syntax::Shell), "echo $${map_results} \"${P}\" {{ a");
    }
}
