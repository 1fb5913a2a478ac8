//! Why a request came to nothing.

use gorgon_api::Problem;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there: nothing was sent.
    #[error("nobody listens at {place}: {source}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke after the request may have arrived.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The other side said no.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is not what this release understands.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// Whether the request certainly did not arrive, or the holder went away: then it may be asked again elsewhere.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// The problem that the other side answered with.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unreachable { .. } | Self::Broken(_) | Self::Unreadable(_) => None,
        }
    }
}

impl From<hyper::Error> for Error {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}
