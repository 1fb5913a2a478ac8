//! A text with references in it.

use std::borrow::Cow;

use serde_json::Value;

use super::error::RenderError;
use super::limits::{RENDERED_BYTES_MAX, TEMPLATE_BYTES_MAX};
use super::names::Names;
use super::piece::{self, Braces, Piece};
use super::problem::Problem;
use super::reference::{Reference, Scope};
use super::value::text_of;

/// A parsed text with `${…}` and `{{ … }}` in it.
///
/// What stands between the braces is a plain path or an [`Expression`](super::Expression). In a plain path a dash is
/// part of a word, so `${steps.run-tests.stdout}` is a path and `${total - used}`, with spaces, a difference.
#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
    references: Vec<Reference>,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// All problems at once, each with its place in the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(vec![Problem::error(0..text.len(), format!("the text is longer than {TEMPLATE_BYTES_MAX} bytes"))]);
        }
        let mut parsed = Parsed::default();
        parsed.read(text);
        if !parsed.problems.is_empty() {
            return Err(parsed.problems);
        }
        parsed.end_literal();
        Ok(Self { pieces: parsed.pieces, references: parsed.references })
    }

    /// Every use of a root, in the order of the text.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    pub(super) fn references_mut(&mut self) -> &mut [Reference] {
        &mut self.references
    }

    /// Decides what the bare words mean; call it once, after parsing.
    pub fn bind(&mut self, names: &Names) -> Vec<Problem> {
        names.bind(&mut self.references)
    }

    /// The text, if rendering it needs no scope.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether rendering needs no scope.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.as_literal().is_some()
    }

    /// Puts the values in place, once. A reference that is the whole text gives its value as it is; inside other text
    /// strings stand as they are, numbers and booleans as in JSON, lists and objects as compact JSON.
    ///
    /// # Errors
    ///
    /// If a reference has no value and no default, is null inside other text or is a secret, if an expression fails,
    /// or if the text would outgrow [`RENDERED_BYTES_MAX`].
    pub fn render(&self, scope: &dyn Scope) -> Result<Value, RenderError> {
        if let [piece] = self.pieces.as_slice()
            && let Some(value) = piece.value(&self.references, scope)?
        {
            return Ok(value.into_owned());
        }
        self.render_text(scope).map(|text| Value::String(text.into_owned()))
    }

    /// Renders to text, also where a reference is the whole.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render); null is an error here also where it is the whole.
    pub fn render_text(&self, scope: &dyn Scope) -> Result<Cow<'_, str>, RenderError> {
        if let Some(text) = self.as_literal() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Path(_) | Piece::Expression(_) => {
                    let source = piece.source(&self.references);
                    if let Some(value) = piece.value(&self.references, scope)? {
                        let text = text_of(&value).ok_or_else(|| RenderError::Null { path: source.to_owned() })?;
                        out.push_str(&text);
                    }
                    if out.len() > RENDERED_BYTES_MAX {
                        return Err(RenderError::TooLarge { what: format!("the text up to `{source}`"), bytes_max: RENDERED_BYTES_MAX });
                    }
                }
            }
        }
        Ok(Cow::Owned(out))
    }
}

/// Whether a text has something in it that is put in when its step starts: until then what it says is not known.
#[must_use]
pub fn is_computed(text: &str) -> bool {
    text.contains("${") || text.contains("{{")
}

/// Writes a text so that it parses to itself, whatever it contains.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with("${") {
            out.push_str("$${");
            2
        } else if rest.starts_with("{{") {
            out.push_str("{{ '{{' }}");
            2
        } else {
            out.push_str(&rest[..1]);
            1
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

#[derive(Default)]
struct Parsed {
    pieces: Vec<Piece>,
    references: Vec<Reference>,
    problems: Vec<Problem>,
    literal: String,
}

impl Parsed {
    fn read(&mut self, text: &str) {
        let mut at = 0;
        while let Some(found) = text[at..].find(['$', '{']) {
            self.literal.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            let braces = if rest.starts_with("$${") {
                self.literal.push_str("${");
                at += 3;
                continue;
            } else if rest.starts_with("${") {
                Braces::Dollar
            } else if rest.starts_with("{{") {
                Braces::Double
            } else {
                self.literal.push_str(&rest[..1]);
                at += 1;
                continue;
            };
            let Some(end) = piece::closing(text, at + 2, braces) else {
                self.problems.push(unclosed(at, braces));
                return;
            };
            match Piece::parse(&text[at + 2..end], at + 2, &mut self.references) {
                Ok(Piece::Text(text)) => self.literal.push_str(&text),
                Ok(piece) => {
                    self.end_literal();
                    self.pieces.push(piece);
                }
                Err(problem) => self.problems.push(problem),
            }
            at = end + if braces == Braces::Double { 2 } else { 1 };
        }
        self.literal.push_str(&text[at..]);
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.literal)));
        }
    }
}

fn unclosed(at: usize, braces: Braces) -> Problem {
    let (open, close, literal) = match braces {
        Braces::Dollar => ("${", "}", "$${"),
        Braces::Double => ("{{", "}}", "{{ '{{' }}"),
    };
    Problem::error(at..at + 2, format!("`{open}` is never closed"))
        .with_help(format!("close it with `{close}`, or write `{literal}` for the characters themselves"))
}
