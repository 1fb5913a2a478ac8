//! Where a value comes from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

use super::error::RenderError;
use super::path::{self, Segment};

/// Where values come from; the run's state implements it.
///
/// It is lazy: only roots that a text names are asked for, each when its place is rendered.
pub trait Scope {
    /// The value of a root; `None` if it is not there.
    ///
    /// Never asked for [`Root::Secret`].
    fn lookup(&self, root: &Root) -> Option<Cow<'_, Value>>;
}

/// A field of the run itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunField {
    /// `run.id`
    Id,
    /// `run.name`
    Name,
    /// `run.started_at`
    StartedAt,
}

/// The part of a path that a [`Scope`] answers for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// `inputs.N`, or a bare name that is an input.
    Input(String),
    /// The same inside of a workflow that is a step of another one: what that step gives it.
    Given {
        /// The step.
        step: String,
        /// The input.
        name: String,
    },
    /// `steps.ID.FIELD`: an output, or `status`, `error`, `stdout`, `stderr`, `exit_code`.
    Step {
        /// The step's id.
        step: String,
        /// The output or field.
        field: String,
    },
    /// A bare name that is a declared output. Steps on exclusive branches may share one name: at most one of them has
    /// run, and its value is the answer.
    Output {
        /// The output's name.
        name: String,
        /// The steps that declare it.
        steps: Vec<String>,
    },
    /// A bare name that is the item variable of an enclosing fan-out or loop.
    Variable(String),
    /// `item`: the element at hand.
    Item,
    /// `index`: its position, from 0.
    Index,
    /// `run.id`, `run.name`, `run.started_at`.
    Run(RunField),
    /// `env.N`, from the variables that the run was allowed to record.
    Env(String),
    /// `secrets.N`. A template never renders it.
    Secret(String),
    /// A bare name that was not bound by [`Names`](super::Names) yet.
    Name(String),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) | Self::Given { name, .. } => write!(f, "inputs.{name}"),
            Self::Step { step, field } => write!(f, "steps.{step}.{field}"),
            Self::Output { name, .. } | Self::Variable(name) | Self::Name(name) => f.write_str(name),
            Self::Item => f.write_str("item"),
            Self::Index => f.write_str("index"),
            Self::Run(RunField::Id) => f.write_str("run.id"),
            Self::Run(RunField::Name) => f.write_str("run.name"),
            Self::Run(RunField::StartedAt) => f.write_str("run.started_at"),
            Self::Env(name) => write!(f, "env.{name}"),
            Self::Secret(name) => write!(f, "secrets.{name}"),
        }
    }
}

/// One use of a root in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What the scope is asked for.
    pub root: Root,
    /// The way from the root to the value.
    pub path: Vec<Segment>,
    /// The whole path as written.
    pub text: String,
    /// Byte offsets of the path in the text that was parsed.
    pub span: Range<usize>,
    /// JSON pointer of that text inside a value tree; empty where the text stood alone.
    pub pointer: String,
    /// Whether a missing value is provided for, by `default` or `is defined`.
    pub has_default: bool,
}

impl Reference {
    /// The value, or `None` if it is not there.
    ///
    /// # Errors
    ///
    /// If it is a secret.
    pub(super) fn find<'s>(&self, scope: &'s dyn Scope) -> Result<Option<Cow<'s, Value>>, RenderError> {
        if matches!(self.root, Root::Secret(_)) {
            return Err(RenderError::SecretNotAllowedHere { path: self.text.clone() });
        }
        Ok(scope.lookup(&self.root).and_then(|value| path::walk(value, &self.path)))
    }

    /// The value, which must be there.
    pub(super) fn get<'s>(&self, scope: &'s dyn Scope) -> Result<Cow<'s, Value>, RenderError> {
        self.find(scope)?.ok_or_else(|| RenderError::Unresolved { path: self.text.clone() })
    }
}
