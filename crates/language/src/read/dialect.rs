//! Files of the predecessors' other dialects, recognised so that they are named instead of picked to pieces.

use std::ops::Range;

use crate::node::Node;

/// The dialect that a document looks like, if it is not the native one, and the bytes that gave it away.
pub(super) fn other(root: &Node) -> Option<(&'static str, Option<Range<usize>>)> {
    let key = |key: &str| root.entry(key).map(|entry| entry.key_span.clone());
    if root.get("nodes").is_some_and(|node| node.as_list().is_some()) && root.get("edges").is_some() && root.get("steps").is_none() {
        return Some(("a graph of nodes and edges", key("nodes")));
    }
    let steps = root.get("steps")?.as_list()?;
    let first = |key: &str| steps.iter().find_map(|step| step.entry(key)).map(|entry| entry.key_span.clone());
    if root.get("workflow_id").is_some() || first("step_type").is_some() {
        return Some(("the examples dialect (`workflow_id`, `step_type`, `parameters`)", key("workflow_id").or_else(|| first("step_type"))));
    }
    // `files` has an `action` too, which may stand beside its `type`.
    let acts = steps.iter().find_map(|step| step.entry("action").filter(|_| step.get("type").and_then(Node::as_text) != Some("files")))?;
    let is_classic = root.get("variables").is_some() || root.get("id").is_some() || first("next_step").is_some();
    is_classic.then(|| ("the classic JSON dialect (`action` steps)", Some(acts.key_span.clone())))
}
