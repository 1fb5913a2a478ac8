//! Why a parsed text could not be rendered with the values at hand.

use super::limits::{SHELL_VALUE_BYTES_MAX, VALUE_DEPTH_MAX};

/// Why a text could not be rendered. Each message reads alone: it names the reference and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A reference has no value and no default.
    #[error("`{path}` has no value; give it a default: `${{{path} | default(...)}}`")]
    Unresolved {
        /// The reference as written.
        path: String,
    },
    /// A null inside other text would vanish without a trace.
    #[error("`{path}` is null, which has no text; give it a default: `${{{path} | default('')}}`")]
    Null {
        /// The reference as written.
        path: String,
    },
    /// Secrets are put in place by the part that sends them, never by a template.
    #[error("`{path}` is a secret and cannot be used here; secrets go into headers, auth settings or the `env:` of a process")]
    SecretNotAllowedHere {
        /// The reference as written.
        path: String,
    },
    /// The result would outgrow its limit.
    #[error("{what} would be larger than {bytes_max} bytes; write it to a file and pass its path")]
    TooLarge {
        /// What grew.
        what: String,
        /// The limit.
        bytes_max: usize,
    },
    /// A value tree nests deeper than [`VALUE_DEPTH_MAX`].
    #[error("the value nests deeper than {VALUE_DEPTH_MAX} levels; flatten it")]
    TooDeep,
    /// An expression failed.
    #[error("cannot evaluate `{expression}`: {message}")]
    Expression {
        /// The expression as written, shortened.
        expression: String,
        /// What failed.
        message: String,
    },
    /// A value holds a NUL byte, which no environment variable can.
    #[error("`{path}` contains a NUL byte, which the environment cannot carry; pass it with `stdin:`")]
    ShellNul {
        /// The reference as written.
        path: String,
    },
    /// A value is too long for the environment.
    #[error("`{path}` is {bytes} bytes, more than the {SHELL_VALUE_BYTES_MAX} that the environment can carry; pass it with `stdin:`")]
    ShellTooLong {
        /// The reference as written.
        path: String,
        /// Its length.
        bytes: usize,
    },
}
