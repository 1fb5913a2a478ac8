//! References, templates and expressions: how a workflow's text names values of its run.
//!
//! `${path}` and `{{ path }}` stand for a value. A reference that is the whole text keeps the value's type; inside
//! other text the value is rendered. Substitution is **one pass**: what a value contains is never read as a template
//! again, so a user's input holding `${secrets.KEY}` stays those characters.
//!
//! ```text
//! inputs.N   steps.ID.OUT   item   index   run.id|name|started_at   env.N   secrets.N
//! ```
//!
//! A bare first word is an item variable, a declared output or an input; [`Names`] says which, before anything runs.
//! `${path | default(value)}` stands in for a value that is missing or null. `$${` is a literal `${`, and
//! `{{ '{{' }}` a literal `{{`.
//!
//! Everything here is parsed once and rendered many times. Nothing here reads a clock, a file or the environment; the
//! only values it can see are those that a [`Scope`] answers with, and only the roots that the text names are asked for.

mod condition;
mod error;
mod expression;
pub mod limits;
mod names;
mod path;
mod piece;
mod problem;
mod reference;
mod shell;
mod text;
mod tree;
mod value;

pub use condition::{Condition, Operator};
pub use error::RenderError;
pub use expression::Expression;
pub use names::{Names, PREVIOUS, nearest};
pub use path::{Path, Segment};
pub use problem::{Problem, Severity};
pub use reference::{Reference, Root, RunField, Scope};
pub use shell::{RenderedShell, ShellText};
pub use text::{Template, escape, is_computed};
pub use tree::TemplateValue;

#[cfg(test)]
mod tests;
