//! Writes the appends of one run: keeps the number and the hash chain.

use bytes::Bytes;
use gorgon_core::budget::{LedgerOp, Scope};
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::money::Amounts;
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::journal::Refusal;
use gorgon_ports::{Append, Commit, NewRun, Receipt, RunKey};

use super::AnyStore;

/// Writes the appends of one run.
#[derive(Debug, Clone)]
pub struct Pen {
    create: Option<NewRun>,
    key: Option<RunKey>,
    seq: u64,
    hash: ContentHash,
    /// What it writes as the epoch.
    pub epoch: u64,
    /// What its appends draw on beside the run.
    pub scopes: Vec<Scope>,
}

/// A run with this number as its id, of this tenant.
#[must_use]
pub fn new_run(id: u128, tenant: &str) -> NewRun {
    NewRun { id: RunId(id), tenant: tenant.to_owned(), workflow: "flow".to_owned(), file: None, definition: ContentHash::of(b"definition") }
}

impl Pen {
    /// For a run that its first append will create.
    #[must_use]
    pub fn of(new: NewRun) -> Self {
        Self { create: Some(new), key: None, seq: 0, hash: ContentHash::NONE, epoch: 0, scopes: Vec::new() }
    }

    /// A run of tenant `t` that is created at once, empty but for its first append.
    pub async fn begin(store: &AnyStore, id: u128) -> Self {
        let mut pen = Self::of(new_run(id, "t"));
        committed(pen.write(store, "[]").await);
        pen
    }

    /// As [`begin`](Self::begin), with ledger operations in the first append.
    pub async fn begin_with(store: &AnyStore, id: u128, ledger: Vec<LedgerOp>) -> Self {
        let mut pen = Self::of(new_run(id, "t"));
        committed(pen.write_ledger(store, ledger).await);
        pen
    }

    /// The run.
    ///
    /// # Panics
    /// Before the run is created.
    #[must_use]
    pub fn key(&self) -> &RunKey {
        self.key.as_ref().expect("the run was created")
    }

    /// The number of the last append that was committed.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The next append, with this body and nothing else.
    #[must_use]
    pub fn append(&self, body: impl Into<Bytes>) -> Append {
        let (body, seq) = (body.into(), self.seq + 1);
        let at = Timestamp(1_000 + i64::try_from(seq).unwrap_or(i64::MAX));
        Append {
            run: self.key.as_ref().map(RunKey::no),
            create: self.create.clone(),
            seq,
            count: 1,
            at,
            hash: ContentHash::chained(self.hash, seq, at, &body),
            body,
            blobs: Vec::new(),
            ledger: Vec::new(),
            scopes: self.scopes.clone(),
            row: None,
            epoch: self.epoch,
        }
    }

    /// Sends an append of this pen, and remembers it if it is committed.
    pub async fn send(&mut self, store: &AnyStore, append: Append) -> Commit {
        let (seq, hash) = (append.seq, append.hash);
        let commit = store.commit(append).await;
        if let Commit::Committed(receipt) = &commit {
            self.wrote(receipt, seq, hash);
        }
        commit
    }

    /// Remembers an append that was committed.
    pub fn wrote(&mut self, receipt: &Receipt, seq: u64, hash: ContentHash) {
        (self.seq, self.hash) = (seq, hash);
        self.create = None;
        self.key = Some(receipt.run().clone());
    }

    /// Writes this body.
    pub async fn write(&mut self, store: &AnyStore, body: &str) -> Commit {
        let append = self.append(body.to_owned());
        self.send(store, append).await
    }

    /// Writes these ledger operations.
    pub async fn write_ledger(&mut self, store: &AnyStore, ledger: Vec<LedgerOp>) -> Commit {
        let append = Append { ledger, ..self.append("[]") };
        self.send(store, append).await
    }

    /// Writes this status.
    pub async fn write_status(&mut self, store: &AnyStore, status: RunStatus, wake_at: Option<i64>) -> Commit {
        let append = Append { row: Some((status, wake_at.map(Timestamp))), ..self.append("[]") };
        self.send(store, append).await
    }

    /// Holds so many nano-dollars.
    pub async fn hold(&mut self, store: &AnyStore, nano_usd: u64) -> Commit {
        self.write_ledger(store, vec![hold(nano_usd)]).await
    }

    /// Settles a hold of nano-dollars.
    pub async fn settle(&mut self, store: &AnyStore, held: u64, charged: u64) -> Commit {
        self.write_ledger(store, vec![settle(held, charged)]).await
    }
}

pub(crate) fn usd(nano: u64) -> Amounts {
    Amounts { cost_nano_usd: nano, ..Amounts::ZERO }
}

pub(crate) fn hold(nano_usd: u64) -> LedgerOp {
    LedgerOp::Hold { amounts: usd(nano_usd) }
}

pub(crate) fn settle(held: u64, charged: u64) -> LedgerOp {
    LedgerOp::Settle { held: usd(held), charged: usd(charged) }
}

/// The receipt of what was committed.
///
/// # Panics
/// If it was not.
#[track_caller]
pub fn committed(commit: Commit) -> Receipt {
    match commit {
        Commit::Committed(receipt) => receipt,
        other => panic!("committed was expected, not {other:?}"),
    }
}

/// Why it was refused.
///
/// # Panics
/// If it was not.
#[track_caller]
pub fn refused(commit: Commit) -> Refusal {
    match commit {
        Commit::Refused(refusal) => refusal,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}
