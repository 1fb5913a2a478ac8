//! Expressions: what `when:`, rules, mappings and `${…}` may compute.
//!
//! The language is the expression part of Jinja as minijinja reads it: operators, chained comparisons, `a if b else c`,
//! slices, filters, tests, and the usual methods of text and lists. It is evaluated here, over borrowed JSON, because a
//! hostile workflow must not be able to take memory: in minijinja one `'x' * 10**8` is 100 MB, one
//! `[[…] * 10**8] ~ ''` has no bound, and fuel counts neither. The tests compare the two languages expression by
//! expression.
//!
//! Where it differs, on purpose: an undefined value is an error everywhere but under `default`, `is defined` and
//! `is undefined`; values of different kinds have no order; `default` also stands in for null; `~` writes booleans, lists and objects as JSON; objects keep the
//! order of their keys; there are no tuples, and lists are not repeated by `*`.

mod calls;
mod evaluate;
mod lists;
mod meter;
mod node;
mod operate;
mod parse;
mod texts;
mod token;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use self::evaluate::Machine;
use self::meter::Fault;
use self::node::Node;
use super::error::RenderError;
use super::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_RESULT_BYTES_MAX};
use super::names::Names;
use super::problem::Problem;
use super::reference::{Reference, Scope};
use super::value::{shorten, size_of};

/// A parsed expression whose references are kept beside it.
#[derive(Debug, Clone)]
pub(super) struct Code {
    source: String,
    node: Node,
}

impl Code {
    /// Parses `source`, which begins at `offset` of the whole text, and adds its references to `references`.
    pub(super) fn parse(source: &str, offset: usize, references: &mut Vec<Reference>) -> Result<Self, Problem> {
        let known = references.len();
        match parse::parse(source, offset, references) {
            Ok(node) => Ok(Self { source: source.to_owned(), node }),
            Err(problem) => {
                references.truncate(known);
                Err(problem)
            }
        }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The text, if the whole expression is one text literal.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.node {
            Node::Constant(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Computes the value, asking the scope only for what the way through the expression needs.
    pub(super) fn evaluate<'s>(&'s self, references: &'s [Reference], scope: &'s dyn Scope) -> Result<Cow<'s, Value>, RenderError> {
        let value = Machine::new(references, scope).value(&self.node).map_err(|fault| self.explain(fault))?;
        // What is only passed on from the run was bounded where it was made.
        if let Cow::Owned(made) = &value
            && size_of(made, EXPRESSION_RESULT_BYTES_MAX) > EXPRESSION_RESULT_BYTES_MAX
        {
            return Err(RenderError::TooLarge { what: format!("the result of `{}`", shorten(&self.source)), bytes_max: EXPRESSION_RESULT_BYTES_MAX });
        }
        Ok(value)
    }

    fn explain(&self, fault: Fault) -> RenderError {
        match fault {
            Fault::Render(error) => error,
            Fault::Message(message) => RenderError::Expression { expression: shorten(&self.source), message },
        }
    }
}

/// An expression on its own: a `when:`, a rule, a mapping.
#[derive(Debug, Clone)]
pub struct Expression {
    code: Code,
    references: Vec<Reference>,
}

impl Expression {
    /// Parses an expression. Braces around it (`${…}`, `{{ … }}`) are allowed and mean nothing.
    ///
    /// # Errors
    ///
    /// The first problem, with its place.
    pub fn parse(source: &str) -> Result<Self, Problem> {
        if source.len() > EXPRESSION_BYTES_MAX {
            return Err(too_long(0..source.len()));
        }
        let inner = inside_braces(source);
        let mut references = Vec::new();
        let code = Code::parse(&source[inner.clone()], inner.start, &mut references)?;
        Ok(Self { code, references })
    }

    /// Every use of a root, in the order of the text.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Decides what the bare words mean; call it once, after parsing.
    pub fn bind(&mut self, names: &Names) -> Vec<Problem> {
        names.bind(&mut self.references)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.code.source()
    }

    /// Computes the value. Only the roots are looked up that the way through the expression needs.
    ///
    /// # Errors
    ///
    /// If a value is missing without a default, an operation does not fit its values, or a limit is passed.
    pub fn evaluate<'s>(&'s self, scope: &'s dyn Scope) -> Result<Cow<'s, Value>, RenderError> {
        self.code.evaluate(&self.references, scope)
    }

    /// Computes whether it holds. Null, zero and what is empty are false.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_bool(&self, scope: &dyn Scope) -> Result<bool, RenderError> {
        self.evaluate(scope).map(|value| operate::is_true(&value))
    }
}

fn too_long(span: Range<usize>) -> Problem {
    Problem::error(span, format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes"))
        .with_help("compute it in a script step, and refer to its output")
}

fn inside_braces(source: &str) -> Range<usize> {
    let start = source.len() - source.trim_start().len();
    let trimmed = source.trim();
    for (open, close, braces) in [("${", "}", super::piece::Braces::Dollar), ("{{", "}}", super::piece::Braces::Double)] {
        let whole = super::piece::closing(trimmed, open.len(), braces).map(|end| end + close.len());
        if trimmed.starts_with(open) && whole == Some(trimmed.len()) {
            return start + open.len()..start + trimmed.len() - close.len();
        }
    }
    start..start + trimmed.len()
}

#[cfg(test)]
mod tests;
