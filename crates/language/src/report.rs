//! What was found wrong with a document, on its way to diagnostics.

use std::ops::Range;

use gorgon_core::diagnostic::{Code, Diagnostic, Place, Severity};
use gorgon_core::template::nearest;

use crate::limits::PROBLEMS_MAX;
use crate::node::{Entry, Node};
use crate::path;

/// A place in a document: a node, perhaps one key of it, and the bytes to point at.
#[derive(Debug, Clone)]
pub(crate) struct Spot<'n> {
    node: &'n Node,
    key: Option<&'n str>,
    span: Range<usize>,
}

impl<'n> Spot<'n> {
    /// A whole value.
    pub(crate) fn of(node: &'n Node) -> Self {
        Self { node, key: None, span: node.span.clone() }
    }

    /// Some bytes of a value.
    pub(crate) fn within(node: &'n Node, span: Range<usize>) -> Self {
        Self { node, key: None, span }
    }

    /// A key of a map.
    pub(crate) fn key(map: &'n Node, entry: &'n Entry) -> Self {
        Self { node: map, key: Some(&entry.key), span: entry.key_span.clone() }
    }

    /// A map in which something is missing: its first key stands for it, for the whole may fill pages.
    pub(crate) fn head(node: &'n Node) -> Self {
        let span = node.as_map().and_then(|entries| entries.first()).map_or_else(|| node.span.clone(), |entry| entry.key_span.clone());
        Self { node, key: None, span }
    }
}

/// Collects problems; paths are found at the end, for only files with problems need them.
#[derive(Debug, Default)]
pub(crate) struct Report<'n> {
    found: Vec<(Spot<'n>, Diagnostic)>,
}

impl<'n> Report<'n> {
    pub(crate) fn error(&mut self, code: Code, spot: Spot<'n>, message: impl Into<String>, help: impl Into<String>) {
        self.add(spot, Diagnostic::error(code, "", message).help(help));
    }

    pub(crate) fn warning(&mut self, code: Code, spot: Spot<'n>, message: impl Into<String>, help: impl Into<String>) {
        self.add(spot, Diagnostic::warning(code, "", message).help(help));
    }

    /// Whether nothing more is kept. What is expensive to find need not be looked for then.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= PROBLEMS_MAX
    }

    pub(crate) fn add(&mut self, spot: Spot<'n>, problem: Diagnostic) {
        if !self.is_full() {
            let help = problem.help.filter(|help| !help.is_empty()).unwrap_or_else(|| cure(problem.code).to_owned());
            self.found.push((spot, Diagnostic { help: Some(help), ..problem }));
        }
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.found.iter().filter(|(_, problem)| problem.is_error()).count()
    }

    /// The diagnostics with their paths.
    pub(crate) fn finish(self, root: &Node) -> Vec<Diagnostic> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let is_full = self.is_full();
        let paths = path::of(root, self.found.iter().map(|(spot, _)| spot.node));
        let located = self.found.into_iter().map(|(spot, problem)| {
            let mut at = paths.get(&std::ptr::from_ref(spot.node)).cloned().unwrap_or_default();
            if let Some(key) = spot.key {
                path::push_key(&mut at, key);
            }
            Diagnostic { place: Place { path: at, span: Some(spot.span) }, ..problem }
        });
        let mut located: Vec<Diagnostic> = located.collect();
        if is_full {
            let end = root.span.end..root.span.end;
            let more = Diagnostic::error(Code::TooLarge, "", format!("the file has more problems than these {PROBLEMS_MAX}"));
            located.push(Diagnostic { place: Place { path: String::new(), span: Some(end) }, ..more.help("correct these first") });
        }
        located
    }
}

/// Sorts by place and drops what was found twice.
pub(crate) fn in_order(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| {
        let span = problem.place.span.clone().unwrap_or_default();
        (span.start, span.end, problem.severity == Severity::Warning, problem.code)
    });
    problems.dedup();
    problems
}

/// What helps in general, where nobody knew better.
fn cure(code: Code) -> &'static str {
    match code {
        Code::BadTemplate => "an expression looks like `count > 3 and name is defined`; a reference like `${steps.ID.OUTPUT}`",
        Code::UnknownReference => "declare it under `inputs:` or the `outputs:` of a step",
        Code::MissingKey => "add it",
        _ => "see the reference page of the language",
    }
}

/// A cure for an unknown word: the nearest known one, else all of them.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => one_of(known),
    }
}

/// `one of `a`, `b`, `c``.
pub(crate) fn one_of<'a>(known: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 30;
    let all: Vec<String> = known.map(|word| format!("`{word}`")).collect();
    let more = all.len().saturating_sub(SHOWN);
    match (all.is_empty(), more) {
        (true, _) => "there is none that could be named".to_owned(),
        (false, 0) => format!("known are {}", all.join(", ")),
        (false, _) => format!("known are {} and {more} more", all[..SHOWN].join(", ")),
    }
}
