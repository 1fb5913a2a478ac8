//! One role.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Instructions under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// What it does, in one line.
    pub does: String,
    /// What an agent in it is told before anything else.
    pub prompt: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a role comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It came with Gorgon.
    Shipped,
    /// A file of the user's.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("shipped"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
