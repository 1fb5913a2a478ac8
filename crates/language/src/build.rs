//! Nodes that no file holds: parts of the native tree, each with the bytes of what it was made from.

use std::collections::HashSet;
use std::ops::Range;

use gorgon_core::step::KINDS;
use serde_json::Value;

use crate::keys::Key;
use crate::node::{Content, Entry, Node, TextStyle};

pub(crate) fn text(at: &Range<usize>, text: impl Into<String>) -> Node {
    // Places inside of it are found only if the source holds the very same text.
    Node { span: at.clone(), content: Content::Text(text.into(), TextStyle::Quoted) }
}

pub(crate) fn list(at: &Range<usize>, items: Vec<Node>) -> Node {
    Node { span: at.clone(), content: Content::List(items) }
}

/// Names, each once, with the bytes that say it first.
pub(crate) fn names<'a>(said: impl Iterator<Item = (&'a str, Range<usize>)>) -> Vec<Node> {
    let mut seen = HashSet::new();
    said.filter(|(name, _)| seen.insert(*name)).map(|(name, at)| text(&at, name)).collect()
}

/// A value that consists of numbers, words and texts of this program.
pub(crate) fn value(at: &Range<usize>, value: &Value) -> Node {
    let content = match value {
        Value::Null => Content::Null,
        Value::Bool(value) => Content::Boolean(*value),
        Value::Number(number) => Content::Number(number.clone(), number.to_string()),
        Value::String(text) => Content::Text(text.clone(), TextStyle::Quoted),
        Value::Array(items) => Content::List(items.iter().map(|item| self::value(at, item)).collect()),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, item)| Entry { key: key.clone(), key_span: at.clone(), value: self::value(at, item) });
            Content::Map(entries.collect())
        }
    };
    Node { span: at.clone(), content }
}

/// A map that grows. A key that is there already keeps its value.
pub(crate) struct Map {
    span: Range<usize>,
    entries: Vec<Entry>,
}

impl Map {
    pub(crate) fn new(at: &Range<usize>) -> Self {
        Self { span: at.clone(), entries: Vec::new() }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// A key, and the bytes that say it.
    pub(crate) fn put_at(&mut self, key: &str, at: &Range<usize>, value: Node) {
        if !self.has(key) {
            self.entries.push(Entry { key: key.to_owned(), key_span: at.clone(), value });
        }
    }

    pub(crate) fn put(&mut self, key: &str, value: Node) {
        let at = value.span.clone();
        self.put_at(key, &at, value);
    }

    pub(crate) fn put_text(&mut self, key: &str, at: &Range<usize>, words: impl Into<String>) {
        self.put(key, text(at, words));
    }

    /// The same key of another map, as it stands there.
    pub(crate) fn copy(&mut self, from: &Node, key: &str) {
        self.copy_as(from, key, key);
    }

    /// A key of another map under a new name.
    pub(crate) fn copy_as(&mut self, from: &Node, key: &str, name: &str) {
        if let Some(entry) = from.entry(key).filter(|entry| !entry.value.is_null()) {
            self.put_at(name, &entry.key_span, entry.value.clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The map of a step or a workflow, with its keys in the order of the reference.
    pub(crate) fn finish_by(mut self, table: &[Key]) -> Node {
        self.entries.sort_by_key(|entry| table.iter().position(|key| key.name == entry.key));
        self.finish()
    }

    pub(crate) fn finish(self) -> Node {
        Node { span: self.span, content: Content::Map(self.entries) }
    }
}

/// The native type of a step that cannot be said: nothing is known of it, so nothing of it is wrong beyond what was told.
pub(crate) fn unread() -> &'static str {
    KINDS.iter().find(|kind| kind.unavailable().is_some()).map_or("noop", |kind| kind.name())
}

/// What a value is, for messages: a text as it is.
pub(crate) fn said(node: &Node) -> String {
    node.as_text().map_or_else(|| node.describe(), |text| format!("`{text}`"))
}

/// The same value with other texts.
pub(crate) fn with_texts(node: &Node, change: &mut dyn FnMut(&Node, &str) -> String) -> Node {
    let content = match &node.content {
        Content::Text(text, style) => {
            let changed = change(node, text);
            let style = if changed == *text { *style } else { TextStyle::Quoted };
            Content::Text(changed, style)
        }
        Content::List(items) => Content::List(items.iter().map(|item| with_texts(item, change)).collect()),
        Content::Map(entries) => {
            let changed = entries.iter().map(|entry| Entry { value: with_texts(&entry.value, change), ..entry.clone() });
            Content::Map(changed.collect())
        }
        other => other.clone(),
    };
    Node { span: node.span.clone(), content }
}
