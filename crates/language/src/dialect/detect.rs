//! Which dialect a document is written in, by the keys that only that dialect has.

use std::ops::Range;

use gorgon_core::diagnostic::{Code, Diagnostic};

use super::Dialect;
use crate::node::{Content, Node};

/// What gave a dialect away.
struct Sign {
    dialect: Dialect,
    /// The dialect and the key, for people.
    what: String,
    at: Range<usize>,
}

const CURE: &str = "docs/reference/dialects.md says by which keys each dialect is known";

/// The dialect of a document; what has no sign of another one is native.
pub(super) fn detect(root: &Node) -> Result<Dialect, Diagnostic> {
    let signs = signs(root);
    if let Some((first, other)) = signs.first().and_then(|first| Some((first, signs.iter().find(|sign| sign.dialect != first.dialect)?))) {
        let message = format!("this looks like two languages at once: {}, and {}", first.what, other.what);
        return Err(refusal(&other.at, message, CURE));
    }
    if let Some((what, at)) = unread(root) {
        return Err(refusal(&at, what.to_owned(), CURE));
    }
    Ok(signs.first().map_or(Dialect::Native, |sign| sign.dialect))
}

fn refusal(at: &Range<usize>, message: String, help: &str) -> Diagnostic {
    let mut problem = Diagnostic::error(Code::OtherDialect, "", message).help(help);
    problem.place.span = Some(at.clone());
    problem
}

fn signs(root: &Node) -> Vec<Sign> {
    let mut found = Vec::new();
    let mut sign = |dialect, name: &str, key: &str, at: Option<Range<usize>>| {
        if let Some(at) = at {
            found.push(Sign { dialect, what: format!("{name} by `{key}`"), at });
        }
    };
    let top = |key: &str| root.entry(key).map(|entry| entry.key_span.clone());
    let steps = root.get("steps").and_then(Node::as_list);
    let in_steps = |key: &str| steps.into_iter().flatten().find_map(|step| step.entry(key)).map(|entry| entry.key_span.clone());
    let nodes = root.get("nodes").filter(|node| matches!(node.content, Content::List(_) | Content::Map(_)));
    let in_nodes = |key: &str| first_in(nodes, key);
    if nodes.is_some() {
        sign(Dialect::Graph, "a graph of nodes and edges", "edges", top("edges"));
        let task = ["goal_summary", "graph_id"].into_iter().find_map(|key| Some((key, top(key)?)));
        let task = task.or_else(|| ["agent_type", "node_id", "dependencies"].into_iter().find_map(|key| Some((key, in_nodes(key)?))));
        if let Some((key, at)) = task {
            sign(Dialect::TaskGraph, "a GOATCLAW task graph", key, Some(at));
        }
    }
    for key in ["workflow_id", "step_id", "step_type", "parameters"] {
        sign(Dialect::Examples, "Gorgon (Python)'s examples JSON", key, if key == "workflow_id" { top(key) } else { in_steps(key) });
    }
    sign(Dialect::Classic, "Gorgon (Python)'s classic JSON", "next_step", in_steps("next_step"));
    let native = ["inputs", "settings", "budget", "token_budget", "goals"].into_iter().find_map(|key| Some((key, top(key)?)));
    if nodes.is_none() && top("workflow_id").is_none() && native.is_none() && (root.get("variables").is_some() || root.get("id").is_some()) {
        // `files` has an `action` too, which may stand beside its `type`.
        let is_classic = |step: &&Node| step.get("type").and_then(Node::as_text).is_some_and(|ty| ty != "files") && step.get("action").is_some();
        let action = steps.into_iter().flatten().find(is_classic).and_then(|step| step.entry("action"));
        sign(Dialect::Classic, "Gorgon (Python)'s classic JSON", "action", action.map(|entry| entry.key_span.clone()));
    }
    let is_typed = ["type", "params", "step_type"].iter().any(|key| in_steps(key).is_some());
    if !is_typed {
        sign(Dialect::AwoRun, "an AWO `run` file", "agent", in_steps("agent"));
    }
    if nodes.is_some() && steps.is_some() {
        sign(Dialect::Native, "a file of steps", "steps", top("steps"));
    }
    // Only beside the sign of another dialect these say anything.
    if let Some((key, at)) = native
        && !found.is_empty()
    {
        found.push(Sign { dialect: Dialect::Native, what: format!("the native language by `{key}`"), at });
    }
    found
}

/// Some key of some node, whether they stand in a list or under their ids.
fn first_in(nodes: Option<&Node>, key: &str) -> Option<Range<usize>> {
    let entry = match &nodes?.content {
        Content::List(items) => items.iter().find_map(|node| node.entry(key)),
        Content::Map(entries) => entries.iter().find_map(|entry| entry.value.entry(key)),
        _ => None,
    };
    entry.map(|entry| entry.key_span.clone())
}

/// Files of the earlier systems that are known, and are no workflow that could be run.
fn unread(root: &Node) -> Option<(&'static str, Range<usize>)> {
    let top = |key: &str| root.entry(key).map(|entry| entry.key_span.clone());
    let steps = root.get("steps").and_then(Node::as_list);
    let in_steps = |key: &str| steps.into_iter().flatten().find_map(|step| step.entry(key)).map(|entry| entry.key_span.clone());
    if in_steps("type").is_none()
        && let Some(at) = top("target_dir").or_else(|| in_steps("commit_message")).or_else(|| in_steps("context_files")).filter(|_| steps.is_some())
    {
        return Some(("this is an AWO `auto` file, which changes code in a repository; that is not in this release", at));
    }
    if steps.is_none() && root.get("nodes").is_some() && signs(root).is_empty() {
        let what =
            "`nodes` belong to a graph, but there are neither the `edges` of one of ReactFlow nor the `goal_summary` or `agent_type` of GOATCLAW";
        return Some((what, top("nodes")?));
    }
    let is_queue = |tasks: &Node| tasks.as_list().is_some_and(|tasks| tasks.iter().any(|task| task.get("workflow").is_some()));
    if steps.is_none() && root.get("tasks").is_some_and(is_queue) {
        return Some(("this is a queue of AWO, not a workflow", top("tasks")?));
    }
    None
}
