//! What an agent is told of the steps before it: the results of those that it depends on and does not refer to, as a labelled block.

use serde_json::{Map, Value};

use super::decider::Decider;
use crate::plan::{EdgeKind, NodeIx};
use crate::run::StepStatus;
use crate::step::{CONTEXT, CONTEXT_BLOCK};

/// Most bytes of the block. Where the results are longer together, the longest are cut, and that is said.
pub(crate) const CONTEXT_BYTES_MAX: usize = 32 * 1024;

/// The most that the note of a cut takes.
const NOTE_BYTES_MAX: usize = 48;

impl Decider<'_> {
    /// The block, if the step takes one and there is something to tell. It is rendered once, and stored with the parameters of the attempt.
    pub(super) fn context_of(&self, ix: NodeIx, params: &Map<String, Value>) -> Option<String> {
        let node = &self.state.program.nodes[ix];
        if !node.kind.takes_context() || params.get(CONTEXT).and_then(Value::as_str) == Some("none") {
            return None;
        }
        let mut sections = Vec::new();
        for &(from, kind) in &node.after {
            if kind != EdgeKind::DependsOn || self.state.steps[from].status != StepStatus::Succeeded {
                continue;
            }
            let before = &self.state.program.nodes[from];
            let value = self.state.step_value(from);
            let mut section = format!("## {}\n", before.step.id);
            let named: Vec<&String> = before.step.outputs.iter().filter(|name| value.get(name.as_str()).is_some()).collect();
            if named.is_empty() {
                section.push_str(&text_of(value));
                section.push('\n');
            }
            for name in named {
                section.push_str(&format!("{name}: {}\n", value.get(name.as_str()).map(text_of).unwrap_or_default()));
            }
            section.push('\n');
            sections.push(section);
        }
        let longest = fair_share(sections.iter().map(String::len), CONTEXT_BYTES_MAX);
        let block: String = sections.into_iter().map(|section| cut(section, longest)).collect();
        (!block.is_empty()).then_some(block)
    }

    /// The parameters with the block, if there is one.
    pub(super) fn with_context(&self, ix: NodeIx, params: Option<Map<String, Value>>) -> Option<Map<String, Value>> {
        let node = &self.state.program.nodes[ix];
        let empty = Map::new();
        let seen = params.as_ref().or(node.code.literal()).unwrap_or(&empty);
        let Some(block) = self.context_of(ix, seen) else { return params };
        let mut told = seen.clone();
        told.insert(CONTEXT_BLOCK.to_owned(), Value::String(block));
        Some(told)
    }
}

/// A text as it is, anything else as JSON.
fn text_of(value: &Value) -> String {
    if let Value::String(text) = value { text.clone() } else { value.to_string() }
}

/// The most that each of these may have, so that all together have no more than `room`: what the short ones leave is the long ones'.
fn fair_share(sizes: impl Iterator<Item = usize>, room: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    let mut left = room;
    for (place, &size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - place);
        if size > share {
            return share;
        }
        left -= size;
    }
    room
}

/// The section in no more bytes than that.
fn cut(mut section: String, longest: usize) -> String {
    if section.len() > longest {
        let end = section.floor_char_boundary(longest.saturating_sub(NOTE_BYTES_MAX));
        let note = format!("\n[cut here: {} bytes more]\n\n", section.len() - end);
        section.truncate(end);
        // Hundreds of long results leave none of them room for more than a few words.
        if note.len() <= longest {
            section.push_str(&note);
        }
    }
    section
}
