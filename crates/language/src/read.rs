//! From a tree to a definition: every key read, every default written out, every problem collected.

mod approval;
mod budget;
mod failure;
mod fan_in;
mod fan_out;
mod guard;
mod input;
mod output;
mod params;
mod retry;
mod step;
mod workflow;

use gorgon_core::diagnostic::Code;

use crate::keys::Key;
use crate::limits::{NAME_CHARS_MAX, SECONDS_MAX};
use crate::node::{Content, Entry, Node};
pub(crate) use crate::read::fan_out::ITEMS;
pub(crate) use crate::read::step::StepSource;
use crate::report::{Report, Spot, did_you_mean};
use crate::words::Words;

/// Reads one document.
pub(crate) struct Reader<'n> {
    pub(crate) report: Report<'n>,
    /// Where each step came from, in the order of `Definition::all_steps`.
    pub(crate) sources: Vec<StepSource<'n>>,
}

impl<'n> Reader<'n> {
    pub(crate) fn new() -> Self {
        Self { report: Report::default(), sources: Vec::new() }
    }

    fn wrong_type(&mut self, node: &'n Node, what: &str, expected: &str) {
        let help = if expected == "a text" && node.scalar().is_some() { "put it in quotes".to_owned() } else { format!("write {expected}") };
        self.report.error(Code::WrongType, Spot::of(node), format!("{what} must be {expected}, but it is {}", node.describe()), help);
    }

    /// A map whose keys are all in the table; what is not known is reported. Required keys are checked as well.
    fn fields(&mut self, node: &'n Node, what: &str, table: &'static [Key]) -> Option<&'n [Entry]> {
        let entries = self.map(node, what)?;
        for entry in entries {
            if !table.iter().any(|key| key.name == entry.key) {
                self.unknown_key(node, entry, what, table.iter().map(|key| key.name));
            }
        }
        for key in table.iter().filter(|key| key.required && present(node, key.name).is_none()) {
            self.missing_key(node, what, key.name, key.help);
        }
        Some(entries)
    }

    fn unknown_key<'a>(&mut self, map: &'n Node, entry: &'n Entry, what: &str, known: impl Iterator<Item = &'a str> + Clone) {
        if self.report.is_full() {
            return;
        }
        let help = did_you_mean(&entry.key, known);
        self.report.error(Code::UnknownKey, Spot::key(map, entry), format!("{what} has no key `{}`", entry.key), help);
    }

    fn missing_key(&mut self, map: &'n Node, what: &str, key: &str, help: &str) {
        self.report.error(Code::MissingKey, Spot::head(map), format!("{what} needs `{key}`"), format!("add `{key}:` — {}", lower_first(help)));
    }

    fn map(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        let found = node.as_map();
        if found.is_none() {
            self.wrong_type(node, what, "a map");
        }
        found
    }

    fn list(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let found = node.as_list();
        if found.is_none() {
            self.wrong_type(node, what, "a list");
        }
        found
    }

    fn text(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let found = node.as_text();
        if found.is_none() {
            self.wrong_type(node, what, "a text");
        }
        found
    }

    fn boolean(&mut self, node: &'n Node, what: &str) -> Option<bool> {
        if let Content::Boolean(value) = node.content {
            return Some(value);
        }
        self.wrong_type(node, what, "`true` or `false`");
        None
    }

    fn integer(&mut self, node: &'n Node, what: &str, min: u64, max: u64) -> Option<u64> {
        let Content::Number(number, _) = &node.content else {
            self.wrong_type(node, what, "a whole number");
            return None;
        };
        let found = number.as_u64().filter(|n| (min..=max).contains(n));
        if found.is_none() {
            let bounds = if max == u64::MAX { format!("at least {min}") } else { format!("from {min} to {max}") };
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                format!("{what} must be a whole number, {bounds}, but it is {}", node.describe()),
                format!("write a whole number, {bounds}"),
            );
        }
        found
    }

    fn number(&mut self, node: &'n Node, what: &str, min: f64, max: f64) -> Option<f64> {
        let Content::Number(number, _) = &node.content else {
            self.wrong_type(node, what, "a number");
            return None;
        };
        let found = number.as_f64().filter(|n| (min..=max).contains(n));
        if found.is_none() {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                format!("{what} must be from {min} to {max}, but it is {}", node.describe()),
                "write a number in this range",
            );
        }
        found
    }

    /// A number of some unit as milliseconds: more than nothing, at most a year.
    fn duration_ms(&mut self, node: &'n Node, what: &str, unit_ms: f64) -> Option<u64> {
        let Content::Number(number, _) = &node.content else {
            self.wrong_type(node, what, "a number");
            return None;
        };
        let ms = number.as_f64().map(|n| (n * unit_ms).round()).filter(|ms| (1.0..=SECONDS_MAX * 1_000.0).contains(ms));
        if ms.is_none() {
            self.report.error(
                Code::BadValue,
                Spot::of(node),
                format!("{what} must be more than 0 and at most a year, but it is {}", node.describe()),
                "leave it out for no limit of its own",
            );
        }
        ms.map(whole)
    }

    /// One of some words.
    fn word<T: Copy>(&mut self, node: &'n Node, what: &str, words: Words<T>, code: Code) -> Option<T> {
        let Some(text) = node.as_text() else {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.wrong_type(node, what, &format!("one of {}", all.join(", ")));
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let help = did_you_mean(text, words.iter().map(|(word, _)| *word));
            self.report.error(code, Spot::of(node), format!("{what} cannot be `{text}`"), help);
        }
        found
    }

    /// A name of a step, an input, an output.
    fn name(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = self.text(node, what)?;
        self.check_name(Spot::of(node), what, text).then_some(text)
    }

    fn check_name(&mut self, spot: Spot<'n>, what: &str, text: &str) -> bool {
        if is_name(text) {
            return true;
        }
        let shown: String = text.chars().take(NAME_CHARS_MAX).collect();
        let help = format!("begin with a letter or `_`, go on with letters, digits, `_` and `-`, at most {NAME_CHARS_MAX} of them");
        self.report.error(Code::BadName, spot, format!("{what} cannot be `{shown}`"), help);
        false
    }

    /// One name, or a list of them.
    fn names(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Node, &'n str)> {
        let nodes = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(..) => std::slice::from_ref(node),
            _ => {
                self.wrong_type(node, what, "a name or a list of names");
                return Vec::new();
            }
        };
        let mut found: Vec<(&'n Node, &'n str)> = Vec::new();
        for item in nodes {
            let Some(name) = self.name(item, &format!("an element of {what}")) else { continue };
            if found.iter().any(|(_, other)| *other == name) {
                self.report.error(Code::BadValue, Spot::of(item), format!("{what} names `{name}` twice"), "keep one of them");
            } else {
                found.push((item, name));
            }
        }
        found
    }
}

/// Whether a text may name a step, an input, an output.
pub(crate) fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && text.len() <= NAME_CHARS_MAX
}

/// The value of a key, unless it is `null`: a key without a value is as good as absent.
fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|value| !value.is_null())
}

/// A number that was checked to be whole and within 53 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the callers have checked the range")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// The first sentence of a help text, as it goes on after a dash.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    let rest = chars.as_str();
    first + rest.split(". ").next().unwrap_or(rest).trim_end_matches('.')
}
