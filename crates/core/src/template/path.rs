//! Plain paths: `inputs.repo`, `steps.run-tests.stdout`, `item.files[0].name`, `plan['due date']`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

use super::limits::PATH_SEGMENTS_MAX;
use super::problem::Problem;
use super::reference::{Reference, Root, RunField, Scope};

/// One step on the way into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of an object.
    Key(String),
    /// A position in a list, from 0; of an object, the key with those digits.
    Index(usize),
}

impl Segment {
    fn into_key(self) -> String {
        match self {
            Self::Key(key) => key,
            Self::Index(index) => index.to_string(),
        }
    }
}

/// A path on its own, as the `field:` of a condition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    reference: Reference,
}

impl Path {
    /// Reads a path; nothing else may stand before or after it.
    ///
    /// # Errors
    ///
    /// If the text is no plain path, or names a root that does not exist.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let trimmed = text.trim();
        let from = text.len() - text.trim_start().len();
        match scan(trimmed) {
            Some(found) if found.end == trimmed.len() => Ok(Self { reference: reference(found.segments, trimmed, from)? }),
            _ => Err(Problem::error(0..text.len(), format!("`{}` is not a path", super::value::shorten(text)))
                .with_help("a path looks like `inputs.NAME`, `steps.ID.OUTPUT` or `NAME.key[0]`")),
        }
    }

    /// The path as a reference; its root can be bound by [`Names::bind`](super::Names::bind).
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    pub(super) fn reference_mut(&mut self) -> &mut Reference {
        &mut self.reference
    }

    /// The value there, or `None`. A secret is never there.
    #[must_use]
    pub fn find<'s>(&self, scope: &'s dyn Scope) -> Option<Cow<'s, Value>> {
        self.reference.find(scope).ok().flatten()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reference.text)
    }
}

/// A path at the start of a text.
pub(super) struct Scanned {
    pub(super) segments: Vec<Segment>,
    pub(super) end: usize,
}

/// Words that an expression reads as something else than a name.
pub(super) const KEYWORDS: [&str; 14] = ["true", "false", "none", "null", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"];

/// Reads the longest plain path at the start of `text`. Dashes belong to its words; a trailing dot does not.
pub(super) fn scan(text: &str) -> Option<Scanned> {
    let bytes = text.as_bytes();
    let first = word_len(bytes, |byte| byte.is_ascii_alphabetic() || byte == b'_')?;
    if KEYWORDS.contains(&&text[..first]) {
        return None;
    }
    let mut segments = vec![Segment::Key(text[..first].to_owned())];
    let mut at = first;
    while segments.len() < PATH_SEGMENTS_MAX {
        let Some((segment, end)) = scan_segment(text, at) else {
            break;
        };
        segments.push(segment);
        at = end;
    }
    Some(Scanned { segments, end: at })
}

fn scan_segment(text: &str, at: usize) -> Option<(Segment, usize)> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'.' => {
            let start = at + 1;
            let len = word_len(&bytes[start..], |byte| byte.is_ascii_alphanumeric() || byte == b'_')?;
            let word = &text[start..start + len];
            Some((segment_of(word), start + len))
        }
        b'[' => {
            let inner = &text[at + 1..];
            let close = inner.find(']')?;
            let quote = inner.as_bytes()[0];
            if quote == b'\'' || quote == b'"' {
                // A key that holds a bracket, a quote or a backslash is left to the expression parser.
                let end = inner[1..].find(char::from(quote))? + 1;
                let key = &inner[1..end];
                if key.contains('\\') || inner.as_bytes().get(end + 1) != Some(&b']') {
                    return None;
                }
                return Some((Segment::Key(key.to_owned()), at + end + 3));
            }
            let digits = &inner[..close];
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            Some((Segment::Index(digits.parse().ok()?), at + close + 2))
        }
        _ => None,
    }
}

fn word_len(bytes: &[u8], is_start: impl Fn(u8) -> bool) -> Option<usize> {
    if !is_start(*bytes.first()?) {
        return None;
    }
    Some(bytes.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && *byte != b'-').unwrap_or(bytes.len()))
}

/// A word after a dot: a position if it is all digits, else a key.
pub(super) fn segment_of(word: &str) -> Segment {
    match word.parse() {
        // `007` is a key: a position has one spelling only.
        Ok(index) if word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0')) => Segment::Index(index),
        _ => Segment::Key(word.to_owned()),
    }
}

/// Makes a reference of the segments of a path that was written as `text` at `from`.
pub(super) fn reference(segments: Vec<Segment>, text: &str, from: usize) -> Result<Reference, Problem> {
    let span = from..from + text.len();
    let (root, path) = split_root(segments, text, &span)?;
    Ok(Reference { root, path, text: text.to_owned(), span, pointer: String::new(), has_default: false })
}

fn split_root(segments: Vec<Segment>, text: &str, span: &Range<usize>) -> Result<(Root, Vec<Segment>), Problem> {
    let problem = |message: String, help: &str| Err(Problem::error(span.clone(), message).with_help(help));
    let count = segments.len();
    let mut rest = segments.into_iter();
    let mut next = || rest.next().map(Segment::into_key).unwrap_or_default();
    let first = next();
    let root = match first.as_str() {
        "inputs" if count > 1 => Root::Input(next()),
        "env" if count > 1 => Root::Env(next()),
        "secrets" if count > 1 => Root::Secret(next()),
        "steps" if count > 2 => Root::Step { step: next(), field: next() },
        "steps" if count > 1 => {
            return problem(
                format!("`{text}` names a step, but none of its outputs"),
                "write `steps.ID.OUTPUT`; an id with other signs than letters, digits, `_` and `-` as `steps['ID'].OUTPUT`",
            );
        }
        "run" if count > 1 => match next().as_str() {
            "id" => Root::Run(RunField::Id),
            "name" => Root::Run(RunField::Name),
            "started_at" => Root::Run(RunField::StartedAt),
            other => {
                return problem(format!("`run` has no `{other}`"), "it has `run.id`, `run.name` and `run.started_at`");
            }
        },
        // `run` alone may be the name of an input; these four are never anything else.
        "inputs" | "steps" | "env" | "secrets" => {
            return problem(
                format!("`{first}` alone has no value"),
                "name what is in it, by a word that is known before the run: `inputs.NAME`, `steps.ID.OUTPUT`",
            );
        }
        "item" => Root::Item,
        "index" => Root::Index,
        _ => Root::Name(first),
    };
    Ok((root, rest.collect()))
}

/// Follows a path into a value, without a copy if the value is borrowed.
pub(super) fn walk<'v>(value: Cow<'v, Value>, path: &[Segment]) -> Option<Cow<'v, Value>> {
    let mut value = value;
    for segment in path {
        value = match value {
            Cow::Borrowed(value) => child(value, segment)?,
            Cow::Owned(value) => Cow::Owned(child(&value, segment)?.into_owned()),
        };
    }
    Some(value)
}

fn child<'v>(value: &'v Value, segment: &Segment) -> Option<Cow<'v, Value>> {
    let found = match (value, segment) {
        (Value::Object(map), Segment::Key(key)) => map.get(key)?,
        (Value::Object(map), Segment::Index(index)) => map.get(&index.to_string())?,
        (Value::Array(items), Segment::Index(index)) => items.get(*index)?,
        (Value::Array(items), Segment::Key(key)) => items.get(key.parse::<usize>().ok()?)?,
        (Value::String(text), Segment::Index(index)) => {
            let char = text.chars().nth(*index)?;
            return Some(Cow::Owned(Value::String(char.to_string())));
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => return None,
    };
    Some(Cow::Borrowed(found))
}
