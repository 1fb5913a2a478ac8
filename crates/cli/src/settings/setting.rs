//! One setting: its value and where it comes from.

use std::fmt;

/// Where a value comes from. Earlier ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Env(String),
    /// A variable of a `.env` file.
    DotEnv { file: String, name: String },
    /// A line of `gorgon.toml`.
    File { file: String, line: usize },
    /// Nobody said.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::DotEnv { file, name } => write!(f, "{file} {name}"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }

    pub(crate) fn default(value: T) -> Self {
        Self { value, source: Source::Default }
    }
}
