//! What the writer is asked for.

use bytes::Bytes;
use gorgon_core::budget::{LedgerOp, Scope};
use gorgon_core::ids::ContentHash;
use gorgon_core::money::Meter;
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::journal::{Append, Commit, NewRun, Refusal};
use gorgon_ports::{Receipt, RunNo, StoreError};
use tokio::sync::oneshot;

use crate::encode::encode;
use crate::rows::integer;

/// A request to the writer, with the way back.
pub(crate) enum Order {
    /// Part of a transaction.
    Write(Work),
    /// Raise the epoch, behind what came before.
    TakeOver(oneshot::Sender<Result<u64, StoreError>>),
    /// Commit what waits, and end.
    Close(oneshot::Sender<()>),
}

/// What goes into a transaction.
pub(crate) enum Work {
    Append(Box<Ready>, oneshot::Sender<Commit>),
    Limit(Limit, oneshot::Sender<Result<(), StoreError>>),
}

/// The limit of a tenant, or of one of its projects.
pub(crate) struct Limit {
    pub(crate) tenant: String,
    pub(crate) project: Option<String>,
    pub(crate) meter: Meter,
    pub(crate) limit: u64,
}

/// An append whose texts are as they will lie in their rows. Made by the caller, so that the writer compresses nothing.
pub(crate) struct Ready {
    pub(crate) run: Option<RunNo>,
    pub(crate) create: Option<NewRun>,
    pub(crate) seq: u64,
    pub(crate) count: u32,
    pub(crate) at: Timestamp,
    pub(crate) hash: ContentHash,
    pub(crate) body: Bytes,
    pub(crate) blobs: Vec<ReadyBlob>,
    pub(crate) ledger: Vec<LedgerOp>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) row: Option<(RunStatus, Option<Timestamp>)>,
    pub(crate) epoch: u64,
}

pub(crate) struct ReadyBlob {
    pub(crate) hash: ContentHash,
    /// Length of the text, not of the row.
    pub(crate) bytes: i64,
    pub(crate) body: Bytes,
}

impl Ready {
    pub(crate) fn of(append: Append) -> Self {
        let blobs = append.blobs.iter().map(|blob| ReadyBlob { hash: blob.hash, bytes: integer(blob.bytes.len() as u64), body: encode(&blob.bytes) });
        Self {
            run: append.run,
            create: append.create,
            seq: append.seq,
            count: append.count,
            at: append.at,
            hash: append.hash,
            blobs: blobs.collect(),
            body: encode(&append.body),
            ledger: append.ledger,
            scopes: append.scopes,
            row: append.row,
            epoch: append.epoch,
        }
    }
}

/// How a piece of work ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// An append is written.
    Appended(Receipt),
    /// A limit is written.
    Set,
    /// Nothing of it is.
    Refused(Refusal),
    /// Nobody knows.
    Unknown(String),
}

impl Work {
    /// Roughly what it writes: bounds a transaction.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append(ready, _) => ready.body.len() + ready.blobs.iter().map(|blob| blob.body.len()).sum::<usize>(),
            Self::Limit(..) => 0,
        }
    }

    /// Tells whoever waits. One who no longer does has missed it: the append stands all the same.
    pub(crate) fn answer(self, verdict: Verdict) {
        match self {
            Self::Append(_, reply) => {
                let commit = match verdict {
                    Verdict::Appended(receipt) => Commit::Committed(receipt),
                    Verdict::Refused(refusal) => Commit::Refused(refusal),
                    Verdict::Unknown(why) => Commit::Unknown(why),
                    Verdict::Set => Commit::Unknown("the writer answered another request".to_owned()),
                };
                let _ = reply.send(commit);
            }
            Self::Limit(_, reply) => {
                let _ = reply.send(match verdict {
                    Verdict::Appended(_) | Verdict::Set => Ok(()),
                    Verdict::Refused(Refusal::Closed(why)) => Err(StoreError::Closed(why)),
                    Verdict::Refused(refusal) => Err(StoreError::Unavailable(format!("the limit was not set: {refusal:?}"))),
                    Verdict::Unknown(why) => Err(StoreError::Unavailable(format!("nobody knows whether the limit was set: {why}"))),
                });
            }
        }
    }
}
