//! The front door: which dialect a text is written in, and the way from that dialect to the native language.
//!
//! Every dialect is lowered to the tree of a native file, whose nodes keep the bytes of the file that was read. So the reader, the checks, the places of
//! problems and `convert` know one language only.

mod action;
mod awo;
mod braces;
mod classic;
mod detect;
mod examples;
mod goatclaw;
mod graph;
mod ids;
mod references;
mod results;

use std::ops::Range;

use gorgon_core::diagnostic::{Code, Diagnostic};
use gorgon_core::template::nearest;

use crate::limits::PROBLEMS_MAX;
use crate::node::{Entry, Node};
use crate::spans;

/// Reads a file that the workflow names, such as a prompt: its text, nothing if there is no such file, or why it cannot be had.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

/// Why there is no text of a file that nobody finds.
pub(crate) const NO_SUCH_FILE: &str = "there is no such file";

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Gorgon's own.
    Native,
    /// Gorgon (Python): JSON with `next_step`.
    Classic,
    /// Gorgon (Python): JSON with `step_id`, `step_type`, `parameters`.
    Examples,
    /// Gorgon (Python): nodes and edges, as ReactFlow keeps them.
    Graph,
    /// GOATCLAW: a task graph, whole or as its planner writes it.
    TaskGraph,
    /// AWO: the YAML of `run`.
    AwoRun,
}

/// The native tree of a document in another dialect; `None` if the document is native already. What is wrong is added to `problems`.
///
/// # Errors
/// Why the dialect cannot be told, or is not read.
pub(crate) fn lower(source: &str, root: &Node, read: ReadFile<'_>, problems: &mut Vec<Diagnostic>) -> Result<Option<Node>, Diagnostic> {
    let mut cx = Lowering { source, read, problems: Vec::new(), guesses: 0 };
    let lowered = match detect::detect(root)? {
        Dialect::Native => return Ok(None),
        Dialect::Classic => classic::lower(&mut cx, root),
        Dialect::Examples => examples::lower(&mut cx, root),
        Dialect::Graph => graph::lower(&mut cx, root),
        Dialect::TaskGraph => goatclaw::lower(&mut cx, root),
        Dialect::AwoRun => awo::lower(&mut cx, root),
    };
    if cx.is_full() {
        // What was not told may have been an error, so the file is not used.
        let end = root.span.end..root.span.end;
        let more = Diagnostic::error(Code::TooLarge, "", format!("the file has more problems than these {PROBLEMS_MAX}")).help("correct these first");
        cx.problems.push(Diagnostic { place: gorgon_core::diagnostic::Place { span: Some(end), ..more.place.clone() }, ..more });
    }
    problems.append(&mut cx.problems);
    Ok(Some(lowered))
}

/// What lowering a document has at hand, and what it finds.
pub(crate) struct Lowering<'a> {
    source: &'a str,
    read: ReadFile<'a>,
    problems: Vec<Diagnostic>,
    /// How often a name was looked for among those that are like it.
    guesses: usize,
}

impl Lowering<'_> {
    fn error(&mut self, code: Code, at: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(at, Diagnostic::error(code, "", message).help(help));
    }

    fn warning(&mut self, code: Code, at: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(at, Diagnostic::warning(code, "", message).help(help));
    }

    fn add(&mut self, at: &Range<usize>, mut problem: Diagnostic) {
        if !self.is_full() {
            problem.place.span = Some(at.clone());
            self.problems.push(problem);
        }
    }

    /// Whether nothing more is kept. What is expensive to find need not be looked for then.
    fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEMS_MAX
    }

    /// The known name that is probably meant. Among thousands that takes time, so a file gets so many guesses and no more.
    fn guess<'k>(&mut self, name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
        self.guesses += 1;
        if self.guesses > PROBLEMS_MAX { None } else { nearest(name, known) }
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{what} must be {expected}, but it is {}", node.describe());
        self.error(Code::WrongType, &node.span, message, format!("write {expected}"));
    }

    fn missing(&mut self, map: &Node, what: &str, key: &str, why: &str) {
        self.error(Code::MissingKey, &head(map), format!("{what} needs `{key}`"), format!("add `{key}`: {why}"));
    }

    /// The elements of a list that has to be there.
    fn list<'n>(&mut self, map: &'n Node, key: &str, what: &str, why: &str) -> &'n [Node] {
        let Some(node) = given(map, key) else {
            self.missing(map, what, key, why);
            return &[];
        };
        let found = node.as_list();
        if found.is_none() {
            self.wrong_type(node, &format!("`{key}`"), "a list");
        }
        found.unwrap_or_default()
    }

    /// The entries of a map that may be left out.
    fn map<'n>(&mut self, map: &'n Node, key: &str) -> &'n [Entry] {
        let Some(node) = given(map, key) else { return &[] };
        let found = node.as_map();
        if found.is_none() {
            self.wrong_type(node, &format!("`{key}`"), "a map");
        }
        found.unwrap_or_default()
    }

    /// A text that may be left out.
    fn text<'n>(&mut self, map: &'n Node, key: &str) -> Option<&'n str> {
        let node = given(map, key)?;
        let found = node.as_text();
        if found.is_none() {
            self.wrong_type(node, &format!("`{key}`"), "a text");
        }
        found
    }

    /// Keys of which this dialect knows nothing: its own system ignored them, so they are no error.
    fn no_effect(&mut self, map: &Node, known: &[&str]) {
        for entry in map.as_map().unwrap_or_default().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            if self.is_full() {
                return;
            }
            let help = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out".to_owned(),
            };
            self.warning(Code::UnknownKey, &entry.key_span, format!("`{}` has no effect", entry.key), help);
        }
    }

    /// The bytes of the source at which a range of a node's text stands.
    fn inside(&self, node: &Node, inner: &Range<usize>) -> Range<usize> {
        spans::inside(self.source, node, inner)
    }
}

/// The value of a key, unless it is `null`.
fn given<'n>(map: &'n Node, key: &str) -> Option<&'n Node> {
    map.get(key).filter(|value| !value.is_null())
}

/// A map in which something is missing: its first key stands for it.
fn head(node: &Node) -> Range<usize> {
    node.as_map().and_then(|entries| entries.first()).map_or_else(|| node.span.clone(), |entry| entry.key_span.clone())
}
