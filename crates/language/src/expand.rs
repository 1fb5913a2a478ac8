//! `map_reduce`: one step for each element of a list, then one step over all results. It is two steps in a group, and becomes them before it is read.

use crate::build::{self, Map};
use crate::keys::STEP;
use crate::node::{Content, Node};
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
        let path = format!("steps.{map_id}.results");
        // A condition is an expression without braces.
        let is_bare = entry.key == "when";
        reduce.put_at(&entry.key, &entry.key_span, build::with_texts(&entry.value, &mut |_, text| renamed(text, &path, is_bare)));
    }

    let mut group = Map::new(&step.span);
    for entry in
        step.as_map()?.iter().filter(|entry| !matches!(entry.key.as_str(), "type" | "params") && STEP.iter().any(|key| key.name == entry.key))
    {
        group.put_at(&entry.key, &entry.key_span, entry.value.clone());
    }
    group.put_text("type", &ty.value.span, "parallel");
    let mut params = Map::new(&step.span);
    params.put_text("gives", &ty.value.span, "last");
    params.put("steps", build::list(&step.span, vec![map.finish_by(STEP), reduce.finish_by(STEP)]));
    group.put("params", params.finish());
    Some(group.finish_by(STEP))
}

/// The text with the name of the results, where it stands in braces or in a bare expression, as the path to them.
fn renamed(text: &str, path: &str, is_bare: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (found, name) in text.match_indices(RESULTS) {
        let before = &text[..found];
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let stands_alone = !before.ends_with(|c| word(c) || c == '.') && !text[found + name.len()..].starts_with(word);
        if stands_alone && (is_bare || in_braces(before)) {
            out.push_str(&text[at..found]);
            out.push_str(path);
            at = found + name.len();
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Whether a text ends within a reference.
fn in_braces(before: &str) -> bool {
    let last = [before.rfind("${"), before.rfind("{{")].into_iter().flatten().max();
    last.is_some_and(|at| !before[..at].ends_with('$') && !before[at..].contains('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_in_braces_is_a_reference() {
        for (text, renamed_to) in [
            ("map_results", "map_results"),
            ("${map_results}", "${P}"),
            ("a {{ map_results | length }} b ${map_results[0]}", "a {{ P | length }} b ${P[0]}"),
            (
                "$${map_results} ${x.map_results} ${map_results_2} ${my_map_results}",
                "$${map_results} ${x.map_results} ${map_results_2} ${my_map_results}",
            ),
            ("${a} map_results", "${a} map_results"),
        ] {
            assert_eq!(renamed(text, "P", false), renamed_to);
        }
        assert_eq!(renamed("map_results | length > 1 and x.map_results", "P", true), "P | length > 1 and x.map_results");
    }
}
