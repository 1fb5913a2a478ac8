//! The log: appends in, appends out. The database itself refuses what must not be.

use async_trait::async_trait;
use bytes::Bytes;
use gorgon_core::budget::{BudgetKey, LedgerOp, NoHold, Scope};
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;

use crate::runs::{RunKey, RunNo};

/// One append to one run: some events, and everything that has to become true together with them.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run. `None`: the append creates it, and `create` says how.
    pub run: Option<RunNo>,
    /// What a new run is.
    pub create: Option<NewRun>,
    /// The number of this append in its run, from 1, without gaps. The database refuses a number that is taken.
    pub seq: u64,
    /// How many events the body holds.
    pub count: u32,
    /// When the events happened.
    pub at: Timestamp,
    /// SHA-256 over the previous hash of the run (32 zero bytes for the first append), `seq` and `at` as 8 bytes big-endian each, and the body.
    pub hash: ContentHash,
    /// JSON array of the events, as text. Stores may compress it; they give the same bytes back.
    pub body: Bytes,
    /// Large texts that events refer to, with those of the definition and the plan.
    pub blobs: Vec<Blob>,
    /// What moves in the ledger.
    pub ledger: Vec<LedgerOp>,
    /// Budgets above the run that its holds also draw on, such as the tenant's. Rows that do not exist limit nothing.
    pub scopes: Vec<Scope>,
    /// The status to write into the row of the run, with the time at which it wants to be woken. `None`: the row stays as it is.
    pub row: Option<(RunStatus, Option<Timestamp>)>,
    /// The epoch of the writer: a store that has seen a later one refuses.
    pub epoch: u64,
}

/// What the row of a new run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Public id.
    pub id: RunId,
    /// Whose it is.
    pub tenant: String,
    /// The name of its workflow.
    pub workflow: String,
    /// The file that it was started from.
    pub file: Option<String>,
    /// The hash of its definition.
    pub definition: ContentHash,
}

/// A text that lies beside the log, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of `bytes`.
    pub hash: ContentHash,
    /// The text, uncompressed.
    pub bytes: Bytes,
}

/// Proof that an append is on disk. Only stores make them; what starts a call wants to see one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    run: RunKey,
    pos: u64,
    seq: u64,
}

impl Receipt {
    /// For stores: the append is on disk, at this position of the log.
    #[must_use]
    pub fn on_disk(run: RunKey, pos: u64, seq: u64) -> Self {
        Self { run, pos, seq }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &RunKey {
        &self.run
    }

    /// Where the append stands in the log.
    #[must_use]
    pub fn pos(&self) -> u64 {
        self.pos
    }

    /// The number of the append in its run.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq)]
pub enum Commit {
    /// It is on disk.
    Committed(Receipt),
    /// Nothing of it was written.
    Refused(Refusal),
    /// It may or may not be on disk. Whoever hears this reads the run again, and never sends the append again.
    Unknown(String),
}

/// Why nothing of an append was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The number is taken, or leaves a gap: somebody else wrote to the run. Holds the last number on disk.
    Conflict {
        /// The last number on disk.
        head: u64,
    },
    /// A later epoch owns the store.
    Fenced,
    /// Budgets said no to the holds of this append taken together: each row that did, why, and what it could have granted.
    Budget(Vec<BudgetRefusal>),
    /// The store takes nothing more: its disk is full. Nothing was written; it can be tried again when there is room.
    Full(String),
    /// The store is closed: an earlier write could not be made durable, or it is shutting down.
    Closed(String),
}

/// One budget's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRefusal {
    /// The row, as the run sees it.
    pub key: BudgetKey,
    /// Why.
    pub why: NoHold,
    /// What the row could grant now.
    pub available: u64,
    /// What it could grant if every open hold were given back.
    pub available_at_rest: u64,
}

/// A store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The environment is at fault: a disk, a permission, a lock.
    #[error("{0}")]
    Unavailable(String),
    /// What was read is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// A newer release wrote this.
    #[error("{0}")]
    TooNew(String),
    /// It is closed.
    #[error("the store is closed: {0}")]
    Closed(String),
}

impl StoreError {
    /// Whether the same call may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// An append as it was read back, its hash checked against the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAppend {
    /// Where it stands in the log.
    pub pos: u64,
    /// The run.
    pub run_no: RunNo,
    /// Its number in the run.
    pub seq: u64,
    /// How many events it holds.
    pub count: u32,
    /// When they happened.
    pub at: Timestamp,
    /// Its hash.
    pub hash: ContentHash,
    /// The events.
    pub body: StoredBody,
}

/// The body of an append: JSON text.
pub type StoredBody = Bytes;

/// The log.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes an append and everything that belongs to it, or nothing. Answers when it is on disk.
    async fn commit(&self, append: Append) -> Commit;

    /// The appends of a run numbered above `after`, in order. Checks the hash chain from the first one.
    async fn load(&self, run: &RunKey, after: u64) -> Result<Vec<StoredAppend>, StoreError>;

    /// Appends of every run after this position of the log, in order, at most `limit`: the feed of those who watch.
    async fn feed(&self, after: u64, limit: u32) -> Result<Vec<StoredAppend>, StoreError>;

    /// The texts of these hashes, in this order, as the tenant of this run stored them. A missing one is damage.
    async fn blobs(&self, run: &RunKey, hashes: &[ContentHash]) -> Result<Vec<Blob>, StoreError>;

    /// Takes the store over: raises its epoch and answers the new one. Appends of earlier epochs are refused from then on.
    async fn take_over(&self) -> Result<u64, StoreError>;

    /// Writes what waits, and closes the store.
    async fn close(&self);
}
