//! One role.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Instructions under a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Role {
    /// What it does, in one line.
    pub does: String,
    /// What an agent in it is told before anything else.
    pub prompt: String,
    /// What its answers have to be, where a step says `contract: role`.
    pub contract: Option<RoleContract>,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the answers of a role have to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleContract {
    /// The JSON Schema.
    pub output_schema: Value,
    /// What else has to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
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
