//! The text of a `shell` step, for `/bin/sh`.
//!
//! A value never becomes part of the text. `${path}` is replaced, once and when the text is parsed, by `${GORGON_n}`,
//! and the value goes into the environment: the shell itself quotes it, whatever it contains, because the result of an
//! expansion is not parsed again. So the text that runs is a constant of the workflow. Unquoted, the value is split
//! and globbed as the shell does with its own variables; a warning says to quote it.
//!
//! Only `${…}` is a reference here; `$name`, `$$` (the shell's process id) and `{{` are the shell's. `${name}` and the
//! forms `${name:-x}`, `${#name}`, `${name%x}`, `${name/x/y}` are the shell's too where `name` is not declared.
//! `$${x}` gives `${x}` to the shell, declared or not.
//!
//! The one thing that can read a value as code is a second interpreter inside the text. The lexer here finds the usual
//! ones (arithmetic, `eval`, `sh -c`, `python -c`, `awk`, `xargs`, `ssh`, a pipe or heredoc into a shell) and refuses a
//! reference in their arguments. It cannot see a program that evaluates its arguments by itself, nor a value that went
//! through a variable of the shell first.

mod braces;
mod programs;
mod scan;
mod words;

use super::error::RenderError;
use super::limits::{SHELL_TEXT_BYTES_MAX, SHELL_VALUE_BYTES_MAX};
use super::names::Names;
use super::piece::Piece;
use super::problem::Problem;
use super::reference::{Reference, Scope};
use super::value::text_of;

/// A parsed shell text.
#[derive(Debug, Clone)]
pub struct ShellText {
    command: String,
    slots: Vec<Slot>,
    references: Vec<Reference>,
}

/// One environment variable.
#[derive(Debug, Clone)]
struct Slot {
    variable: String,
    source: String,
    piece: Piece,
}

/// What to run, and with which variables beside the step's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedShell {
    /// The argument of `/bin/sh -c`; the same for every value.
    pub command: String,
    /// The variables that hold the values.
    pub env: Vec<(String, String)>,
}

impl ShellText {
    /// Parses a text; bare words are bound by `names`. There is a result if no problem is an error.
    #[must_use]
    pub fn parse(text: &str, names: &Names) -> (Option<Self>, Vec<Problem>) {
        if text.len() > SHELL_TEXT_BYTES_MAX {
            let problem = Problem::error(0..text.len(), format!("the shell text is longer than {SHELL_TEXT_BYTES_MAX} bytes"));
            return (None, vec![problem.with_help("put it into a script file and run that")]);
        }
        if let Some(at) = text.find('\0') {
            return (None, vec![Problem::error(at..at + 1, "the shell text contains a NUL byte")]);
        }
        let (parsed, mut problems) = scan::scan(text, names);
        problems.sort_by_key(|problem| problem.span.start);
        let is_usable = !problems.iter().any(Problem::is_error);
        (is_usable.then_some(parsed), problems)
    }

    /// Every use of a root, in the order of the text.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The text that runs.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Puts the values into variables: text as it is, the rest as JSON.
    ///
    /// # Errors
    ///
    /// As [`Template::render`](super::Template::render), and if a value is null, contains NUL or is longer than
    /// [`SHELL_VALUE_BYTES_MAX`].
    pub fn render(&self, scope: &dyn Scope) -> Result<RenderedShell, RenderError> {
        let mut env = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            env.push((slot.variable.clone(), self.render_slot(slot, scope)?));
        }
        Ok(RenderedShell { command: self.command.clone(), env })
    }

    fn render_slot(&self, slot: &Slot, scope: &dyn Scope) -> Result<String, RenderError> {
        let path = || slot.source.clone();
        let value = match &slot.piece {
            Piece::Text(text) => return Ok(text.clone()),
            piece => piece.value(&self.references, scope)?,
        };
        let text = value.as_deref().and_then(text_of).ok_or_else(|| RenderError::Null { path: path() })?;
        if text.len() > SHELL_VALUE_BYTES_MAX {
            return Err(RenderError::ShellTooLong { path: path(), bytes: text.len() });
        }
        if text.contains('\0') {
            return Err(RenderError::ShellNul { path: path() });
        }
        Ok(text.into_owned())
    }
}

#[cfg(test)]
mod tests;
