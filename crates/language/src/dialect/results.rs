//! The result of a step under the step's own name: so the earlier systems gave what a run came to.

use std::collections::HashSet;

use crate::build;
use crate::keys::STEP;
use crate::node::{Content, Entry, Node};
use crate::types;

/// Types whose first result is there in every case.
const NAMED: [&str; 6] = ["agent", "claude_code", "openai", "transform", "shell", "http"];

/// Names the first result of each step after the step, where it has no name yet and the name is free.
pub(super) fn name(steps: &mut [Node]) {
    let declared = |step: &Node| -> Vec<String> {
        let outputs = step.get("outputs").map(|node| node.as_list().unwrap_or(std::slice::from_ref(node)));
        outputs.into_iter().flatten().filter_map(|node| node.as_text().map(str::to_owned)).collect()
    };
    let mut taken: HashSet<String> = steps.iter().flat_map(declared).collect();
    for step in steps {
        let (Some(id), Some(ty)) = (step.get("id"), step.get("type").and_then(Node::as_text).and_then(types::find)) else { continue };
        let Some(name) = id.as_text() else { continue };
        // A result that is called so already is another one.
        let is_result = ty.results().iter().skip(1).any(|(result, _)| *result == name);
        if !NAMED.contains(&ty.name) || is_result || step.get("outputs").is_some() || !taken.insert(name.to_owned()) {
            continue;
        }
        let outputs = build::list(&id.span, vec![id.clone()]);
        let key_span = id.span.clone();
        if let Content::Map(entries) = &mut step.content {
            entries.push(Entry { key: "outputs".to_owned(), key_span, value: outputs });
            entries.sort_by_key(|entry| STEP.iter().position(|key| key.name == entry.key));
        }
    }
}
