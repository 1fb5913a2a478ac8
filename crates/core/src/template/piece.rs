//! The inside of one pair of braces.

use std::borrow::Cow;

use serde_json::Value;

use super::error::RenderError;
use super::expression::Code;
use super::limits::TEMPLATE_REFERENCES_MAX;
use super::path;
use super::problem::Problem;
use super::reference::{Reference, Scope};

/// A part of a parsed text. References are kept by the whole, in order, and named here by position.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Path(usize),
    Expression(Box<Code>),
}

impl Piece {
    /// Reads what stands between the braces; `offset` is where it begins in the whole text.
    pub(super) fn parse(content: &str, offset: usize, references: &mut Vec<Reference>) -> Result<Self, Problem> {
        let offset = offset + content.len() - content.trim_start().len();
        let content = content.trim();
        let span = offset..offset + content.len();
        if content.is_empty() {
            return Err(Problem::error(span, "the braces are empty")
                .with_help("write a path between them; `$${` and `{{ '{{' }}` give the braces themselves"));
        }
        if references.len() >= TEMPLATE_REFERENCES_MAX {
            return Err(Problem::error(span, format!("the text has more than {TEMPLATE_REFERENCES_MAX} references")));
        }
        if let Some(found) = path::scan(content).filter(|found| found.end == content.len()) {
            references.push(path::reference(found.segments, content, offset)?);
            return Ok(Self::Path(references.len() - 1));
        }
        let code = Code::parse(content, offset, references)?;
        Ok(match code.as_text() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Expression(Box::new(code)),
        })
    }

    /// The piece's value; `None` for plain text.
    pub(super) fn value<'s>(&'s self, references: &'s [Reference], scope: &'s dyn Scope) -> Result<Option<Cow<'s, Value>>, RenderError> {
        match self {
            Self::Text(_) => Ok(None),
            Self::Path(at) => references[*at].get(scope).map(Some),
            Self::Expression(code) => code.evaluate(references, scope).map(Some),
        }
    }

    /// The piece as it was written, for messages.
    pub(super) fn source<'s>(&'s self, references: &'s [Reference]) -> &'s str {
        match self {
            Self::Text(text) => text,
            Self::Path(at) => &references[*at].text,
            Self::Expression(code) => code.source(),
        }
    }
}

/// Which braces to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Braces {
    /// `${ … }`
    Dollar,
    /// `{{ … }}`
    Double,
}

/// Where the closing brace of a reference stands whose content begins at `from`. Quoted braces and pairs inside do
/// not close it.
pub(super) fn closing(text: &str, from: usize, braces: Braces) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                at += 1;
                while *bytes.get(at)? != byte {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' if braces == Braces::Dollar => return Some(at),
            b'}' => return (bytes.get(at + 1) == Some(&b'}')).then_some(at),
            _ => {}
        }
        at += 1;
    }
    None
}
