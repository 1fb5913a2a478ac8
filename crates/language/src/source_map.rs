//! Where the parts of a workflow stand in its text.

use std::collections::HashMap;
use std::ops::Range;

use gorgon_core::definition::Definition;

use crate::node::Node;
use crate::path;
use crate::read::StepSource;

/// Finds the bytes of a path, for problems that are found after loading.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    root: Option<Node>,
    /// Path of each step, by its id.
    steps: HashMap<String, String>,
}

impl SourceMap {
    pub(crate) fn new(root: Node, steps: HashMap<String, String>) -> Self {
        Self { root: Some(root), steps }
    }

    /// The native tree of the document.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// The bytes of what a path names: a path into the document (`steps[2].params.command`), or one by step id (`steps.build.params.command`). What
    /// does not exist stands at what would hold it.
    #[must_use]
    pub fn span(&self, at: &str) -> Option<Range<usize>> {
        let root = self.root.as_ref()?;
        let by_id = at.strip_prefix("steps.").and_then(|rest| {
            let (id, rest) = rest.split_once('.').unwrap_or((rest, ""));
            Some(format!("{}.{rest}", self.steps.get(id)?))
        });
        Some(path::find(root, by_id.as_deref().unwrap_or(at)).span.clone())
    }

    /// The bytes of a step, nested ones included.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<Range<usize>> {
        Some(path::find(self.root.as_ref()?, self.steps.get(id)?).span.clone())
    }
}

/// The path of each step: sources and steps are in one order, parents before the steps inside of them.
pub(crate) fn steps_of(definition: Option<&Definition>, root: &Node, sources: &[StepSource<'_>]) -> HashMap<String, String> {
    let Some(definition) = definition else { return HashMap::new() };
    let wanted: HashMap<*const Node, &str> =
        definition.all_steps().zip(sources).map(|(step, source)| (std::ptr::from_ref(source.node), step.id.as_str())).collect();
    let mut found = HashMap::with_capacity(wanted.len());
    in_lists(root, "", &wanted, &mut found);
    found
}

/// Steps stand only in `steps` and `params.steps`.
fn in_lists(holder: &Node, prefix: &str, wanted: &HashMap<*const Node, &str>, found: &mut HashMap<String, String>) {
    let dot = if prefix.is_empty() { "" } else { "." };
    let lists = [(holder.get("steps"), "steps"), (holder.get("params").and_then(|params| params.get("steps")), "params.steps")];
    for (list, name) in lists {
        for (place, item) in list.and_then(Node::as_list).into_iter().flatten().enumerate() {
            if let Some(id) = wanted.get(&std::ptr::from_ref(item)) {
                let path = format!("{prefix}{dot}{name}[{place}]");
                in_lists(item, &path, wanted, found);
                found.insert((*id).to_owned(), path);
            }
        }
    }
}
