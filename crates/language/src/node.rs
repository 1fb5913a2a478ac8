//! The tree of a document: values, each with the bytes at which it stands.

use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A value of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Bytes of the source. Of an alias: those of what it stands for.
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Null,
    Boolean(bool),
    /// A number, and how it is written: money is read from its text.
    Number(Number, String),
    Text(String, TextStyle),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// How a text is written, which decides how places in it are found again in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextStyle {
    Plain,
    Quoted,
    Literal,
    Folded,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text, _) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.key == key)
    }

    /// The value of a key of this map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of a scalar as it is written: of a text what it says, of a number or boolean its source.
    pub(crate) fn scalar(&self) -> Option<String> {
        match &self.content {
            Content::Boolean(value) => Some(value.to_string()),
            Content::Number(_, raw) => Some(raw.clone()),
            Content::Text(text, _) => Some(text.clone()),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The child that a segment of a JSON pointer names.
    pub(crate) fn child(&self, segment: &str) -> Option<&Self> {
        match &self.content {
            Content::List(items) => items.get(segment.parse::<usize>().ok()?),
            Content::Map(_) => self.get(segment),
            _ => None,
        }
    }

    /// The node at a JSON pointer below this one, or the last one on the way that exists.
    pub(crate) fn at_pointer(&self, pointer: &str) -> &Self {
        let mut at = self;
        for segment in pointer.split('/').skip(1) {
            let Some(child) = at.child(&segment.replace("~1", "/").replace("~0", "~")) else {
                return at;
            };
            at = child;
        }
        at
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Boolean(value) => Value::Bool(*value),
            Content::Number(number, _) => Value::Number(number.clone()),
            Content::Text(text, _) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Map(entries) => Value::Object(map_to_json(entries)),
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        const SHOWN_CHARS: usize = 40;
        let shorten = |text: &str| -> String {
            let line = text.lines().next().unwrap_or_default();
            let short: String = line.chars().take(SHOWN_CHARS).collect();
            if short.len() < text.trim_end().len() { format!("{short}…") } else { short }
        };
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Boolean(value) => format!("`{value}`"),
            Content::Number(_, raw) => format!("the number `{}`", shorten(raw)),
            Content::Text(text, _) => format!("the text `{}`", shorten(text)),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }

    /// The number of nodes of this tree, the bytes of its texts, its depth.
    pub(crate) fn measure(&self) -> (usize, usize, usize) {
        let fold = |sum: (usize, usize, usize), child: &Self| {
            let (nodes, bytes, depth) = child.measure();
            (sum.0 + nodes, sum.1 + bytes, sum.2.max(depth + 1))
        };
        match &self.content {
            Content::Null | Content::Boolean(_) => (1, 0, 0),
            Content::Number(_, raw) => (1, raw.len(), 0),
            Content::Text(text, _) => (1, text.len(), 0),
            Content::List(items) => items.iter().fold((1, 0, 1), fold),
            Content::Map(entries) => {
                let keys = entries.iter().map(|entry| entry.key.len()).sum();
                entries.iter().map(|entry| &entry.value).fold((1, keys, 1), fold)
            }
        }
    }
}

pub(crate) fn map_to_json(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
}
