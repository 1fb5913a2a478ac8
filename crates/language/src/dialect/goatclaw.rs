//! GOATCLAW's task graphs: whole (`nodes` by id), or as its planner writes them (`nodes` as a list).
//!
//! A node gets what the nodes in its `dependencies` gave: a model is told of it, and every node can name it as `{{ID}}` or `{{ID.KEY}}`.

mod agents;
mod task;

use std::collections::{HashMap, HashSet};

use gorgon_core::diagnostic::Code;
use serde_json::json;

use super::ids::Ids;
use super::references::first_result;
use super::{Lowering, given, head};
use crate::build::{self, Map};
use crate::keys::TOP;
use crate::limits::NAME_CHARS_MAX;
use crate::node::{Content, Node};
use crate::report::did_you_mean;

/// Keys of a graph. The second line is what a graph that was run once says of that.
const KEYS: &[&str] = &[
    "graph_id",
    "name",
    "goal_summary",
    "nodes",
    "execution_mode",
    "max_parallel_tasks",
    "metadata",
    "description",
    "risk_level",
    "confidence_score",
    "execution_order",
    "created_at",
    "status",
    "total_estimated_time_seconds",
    "actual_time_seconds",
];

/// Most nodes of a graph at once, if it runs in parallel and does not say.
const PARALLEL_TASKS: u64 = 5;

/// The nodes of a graph, in order of their priority.
pub(super) struct Tasks<'n> {
    pub(super) nodes: Vec<(String, &'n Node)>,
    pub(super) ids: Ids,
    places: HashMap<String, usize>,
}

pub(super) fn lower(cx: &mut Lowering<'_>, root: &Node) -> Node {
    cx.no_effect(root, KEYS);
    let mut top = Map::new(&root.span);
    let goal = cx.text(root, "goal_summary").unwrap_or_default();
    match given(root, "name") {
        Some(_) => top.copy(root, "name"),
        None => {
            let at = root.get("goal_summary").map_or_else(|| head(root), |node| node.span.clone());
            top.put_text("name", &at, name_of(goal));
        }
    }
    top.copy(root, "description");
    top.copy_as(root, "goal_summary", "description");
    top.copy_as(root, "graph_id", "id");
    top.copy(root, "metadata");
    concurrency(cx, root, &mut top);
    let tasks = Tasks::of(cx, root);
    let at = root.entry("nodes").map_or_else(|| head(root), |entry| entry.key_span.clone());
    top.put_at("outputs", &at, tasks.results(root));
    let mut steps: Vec<Node> = tasks.nodes.iter().map(|(id, node)| tasks.step(cx, id, node)).collect();
    super::results::name(&mut steps);
    let list = root.get("nodes").map_or_else(|| at.clone(), |node| node.span.clone());
    top.put_at("steps", &at, build::list(&list, steps));
    top.finish_by(TOP)
}

/// `sequential` and `streaming` run one node at a time, the others as many as `max_parallel_tasks` says.
fn concurrency(cx: &mut Lowering<'_>, root: &Node, top: &mut Map) {
    const MODES: [&str; 4] = ["sequential", "parallel", "distributed", "streaming"];
    let at = root.get("execution_mode").map_or_else(|| head(root), |node| node.span.clone());
    let mode = cx.text(root, "execution_mode").unwrap_or("sequential");
    if !MODES.contains(&mode) {
        cx.error(Code::BadValue, &at, format!("`execution_mode` cannot be `{mode}`"), did_you_mean(mode, MODES.into_iter()));
    }
    if matches!(mode, "parallel" | "distributed") {
        top.copy_as(root, "max_parallel_tasks", "concurrency");
        top.put("concurrency", build::value(&at, &json!(PARALLEL_TASKS)));
    } else {
        top.put("concurrency", build::value(&at, &json!(1)));
    }
}

/// A goal as a name: what a name may not have in it is left out.
fn name_of(goal: &str) -> String {
    let line: String = goal.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\') { ' ' } else { c }).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut name = words.join(" ");
    while name.contains("..") {
        name = name.replace("..", ".");
    }
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    if name.trim().is_empty() { "task graph".to_owned() } else { name.trim_end().to_owned() }
}

impl<'n> Tasks<'n> {
    fn of(cx: &mut Lowering<'_>, root: &'n Node) -> Self {
        let mut nodes: Vec<(String, &'n Node)> = Vec::new();
        let listed: Vec<(Option<String>, &'n Node)> = match root.get("nodes").map(|node| &node.content) {
            Some(Content::List(items)) => items.iter().map(|node| (None, node)).collect(),
            Some(Content::Map(entries)) => entries.iter().map(|entry| (Some(entry.key.clone()), &entry.value)).collect(),
            _ => Vec::new(),
        };
        if listed.is_empty() {
            let at = root.get("nodes").map_or_else(|| head(root), |node| node.span.clone());
            cx.error(Code::MissingKey, &at, "`nodes` is empty", "a task graph needs at least one node");
        }
        for (key, node) in listed {
            if node.as_map().is_none() {
                cx.wrong_type(node, "a node", "a map");
                continue;
            }
            let own = if key.is_none() || given(node, "node_id").is_some() { cx.id(node, "node_id", "a node") } else { None };
            if let (Some(key), Some(own)) = (&key, &own)
                && key != own
            {
                let at = node.get("node_id").map_or_else(|| node.span.clone(), |node| node.span.clone());
                cx.error(Code::BadValue, &at, format!("the node under `{key}` says that it is `{own}`"), "make the two the same");
            }
            if let Some(id) = key.or(own) {
                nodes.push((id, node));
            }
        }
        // Of the nodes that are ready the one with the highest priority goes first, and the first in the file among equals.
        let priority = |node: &Node| match node.get("priority").map(|node| &node.content) {
            Some(Content::Number(number, _)) => number.as_f64().unwrap_or_default(),
            _ => 0.0,
        };
        nodes.sort_by(|(_, one), (_, other)| priority(other).total_cmp(&priority(one)));
        let ids = Ids::of(nodes.iter().map(|(id, _)| id.clone()));
        let mut places = HashMap::with_capacity(nodes.len());
        for (at, (id, _)) in nodes.iter().enumerate() {
            places.entry(id.clone()).or_insert(at);
        }
        Self { nodes, ids, places }
    }

    pub(super) fn find(&self, id: &str) -> Option<&'n Node> {
        self.places.get(id).map(|&at| self.nodes[at].1)
    }

    pub(super) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.ids.find(id).unwrap_or(id)
    }

    /// The native path of `ID` or `ID.KEY`.
    pub(super) fn resolve(&self, name: &str) -> Option<String> {
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        let node = self.find(head)?;
        let field = if rest.is_empty() { first_result(agents::native_type(node)) } else { rest };
        Some(format!("steps.{}.{field}", self.name(head)))
    }

    /// What a run gives: the results of the nodes on which no other one depends.
    fn results(&self, root: &Node) -> Node {
        let dependencies = self.nodes.iter().filter_map(|(_, node)| node.get("dependencies")?.as_list()).flatten();
        let needed: HashSet<String> = dependencies.filter_map(Node::scalar).collect();
        let last = self.nodes.iter().filter(|(id, _)| !needed.contains(id));
        let names = build::names(last.map(|(id, node)| (self.name(id), node.get("node_id").map_or_else(|| head(node), |node| node.span.clone()))));
        build::list(&head(root), names)
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_goal_becomes_a_name() {
        for (goal, name) in
            [("Deploy the site", "Deploy the site"), ("  read a/b\\c\nand ../d ...", "read a b c and . d ."), ("", "task graph"), ("/", "task graph")]
        {
            assert_eq!(name_of(goal), name);
        }
        assert_eq!(name_of(&"é ".repeat(200)).chars().count(), 127);
    }
}
