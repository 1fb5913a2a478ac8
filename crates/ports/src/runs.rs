//! The read side of runs: which there are, how they stand. Kept by the store in a row a run, written at creation and when the status changes.

use async_trait::async_trait;
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::StoreError;

/// The number of a run in its store: what every other table refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunNo(pub i64);

/// Whose runs may be seen. Every read takes one, and a [`RunKey`] comes from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantScope(pub String);

/// A run that was found within a scope. Only stores make them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunKey {
    no: RunNo,
    id: RunId,
}

impl RunKey {
    /// For stores: a run that was found within the scope that was asked for.
    #[must_use]
    pub fn found(no: RunNo, id: RunId) -> Self {
        Self { no, id }
    }

    /// Its number.
    #[must_use]
    pub fn no(&self) -> RunNo {
        self.no
    }

    /// Its public id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }
}

/// How a run stands, as its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its number.
    pub no: RunNo,
    /// Its public id.
    pub id: RunId,
    /// Whose it is.
    pub tenant: String,
    /// The name of its workflow.
    pub workflow: String,
    /// The file that it was started from, absolute, if there was one.
    pub file: Option<String>,
    /// The hash of its definition.
    pub definition: ContentHash,
    /// Its status.
    pub status: RunStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the row was last written.
    pub updated_at: Timestamp,
    /// When it wants to be woken, if it sleeps.
    pub wake_at: Option<Timestamp>,
}

/// Which runs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Only runs in one of these states; empty: all.
    pub statuses: Vec<RunStatus>,
    /// Only runs whose workflow has this name.
    pub workflow: Option<String>,
    /// Only runs that were started from this file (absolute path).
    pub file: Option<String>,
    /// Only runs created before this one (for the next page).
    pub before: Option<RunNo>,
    /// At most so many.
    pub limit: u32,
}

/// Reads runs.
#[async_trait]
pub trait Runs: Send + Sync {
    /// The runs that match, newest first.
    async fn list(&self, scope: &TenantScope, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError>;

    /// The run of this id.
    async fn find(&self, scope: &TenantScope, id: RunId) -> Result<Option<(RunKey, RunRow)>, StoreError>;

    /// The runs whose id begins or ends with this text (case folded, without regard to the `run_` prefix for endings), newest first, at most `limit`.
    async fn search(&self, scope: &TenantScope, text: &str, limit: u32) -> Result<Vec<RunRow>, StoreError>;

    /// Runs of every tenant that are not in a terminal state and numbered above `after`, by number, at most `limit`: what the owner of the store takes up
    /// when it starts. Not for anybody who acts for a tenant.
    async fn unfinished(&self, after: RunNo, limit: u32) -> Result<Vec<(RunKey, RunRow)>, StoreError>;
}
