//! The log: commits through the writer, reads beside it.

use async_trait::async_trait;
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_ports::journal::Refusal;
use gorgon_ports::{Append, Blob, Commit, Journal, RunKey, StoreError, StoredAppend};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use crate::encode::decode;
use crate::error::of_read;
use crate::order::{Order, Ready, Work};
use crate::rows::{self, EventRow, integer};
use crate::store::SqliteStore;

/// Texts that together are longer are compressed on a thread that may block.
const INLINE_BYTES_MAX: usize = 128 * 1024;

const LOAD: &str = "SELECT pos, run_no, seq, count, at, hash, body FROM event WHERE run_no = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// Rows that one transaction of a reader takes: while it lasts, the WAL cannot start over.
const LOAD_ROWS: usize = 4096;

const FEED: &str = "SELECT pos, run_no, seq, count, at, hash, body FROM event WHERE pos > ?1 ORDER BY pos LIMIT ?2";

const BLOB: &str = "SELECT bytes, body FROM blob WHERE tenant = (SELECT tenant FROM run WHERE no = ?1) AND hash = ?2";

#[async_trait]
impl Journal for SqliteStore {
    async fn commit(&self, append: Append) -> Commit {
        let bytes = append.body.len() + append.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>();
        let ready = if bytes <= INLINE_BYTES_MAX {
            Ready::of(append)
        } else {
            match tokio::task::spawn_blocking(move || Ready::of(append)).await {
                Ok(ready) => ready,
                Err(error) => return Commit::Refused(Refusal::Closed(format!("its texts could not be compressed: {error}"))),
            }
        };
        let (reply, answer) = oneshot::channel();
        if self.order(Order::Write(Work::Append(Box::new(ready), reply))).await.is_err() {
            return Commit::Refused(Refusal::Closed(self.why_closed()));
        }
        // A writer that is gone may have committed before it went.
        answer.await.unwrap_or_else(|_| Commit::Unknown("the writer of the store ended without an answer".to_owned()))
    }

    async fn load(&self, run: &RunKey, after: u64) -> Result<Vec<StoredAppend>, StoreError> {
        let (no, id) = (run.no().0, run.id());
        self.readers().read(move |connection| load(connection, no, id, after)).await
    }

    async fn feed(&self, after: u64, limit: u32) -> Result<Vec<StoredAppend>, StoreError> {
        self.readers()
            .read(move |connection| {
                let rows = select(connection, FEED, [integer(after), i64::from(limit)])?;
                let damaged = |row: &EventRow| {
                    StoreError::Damaged(format!("the append at position {} cannot be unpacked; restore the database from a backup", row.pos))
                };
                rows.into_iter().map(|row| stored(row, damaged)).collect()
            })
            .await
    }

    async fn blobs(&self, run: &RunKey, hashes: &[ContentHash]) -> Result<Vec<Blob>, StoreError> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let (no, id, hashes) = (run.no().0, run.id(), hashes.to_vec());
        self.readers().read(move |connection| hashes.into_iter().map(|hash| blob(connection, no, id, hash)).collect()).await
    }

    async fn take_over(&self) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::TakeOver(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed(self.why_closed())))
    }

    async fn close(&self) {
        self.shut_down().await;
    }
}

fn load(connection: &Connection, no: i64, id: RunId, after: u64) -> Result<Vec<StoredAppend>, StoreError> {
    let damaged = |seq: u64, what: &str| {
        StoreError::Damaged(format!(
            "append {seq} of {id} {what}: the file was changed, or its disk is failing; restore the database from a backup (other runs may be whole)"
        ))
    };
    let mut appends = Vec::new();
    let (mut previous, mut last) = (ContentHash::NONE, 0);
    loop {
        let rows = select(connection, LOAD, [no, integer(last), LOAD_ROWS as i64])?;
        let is_last_page = rows.len() < LOAD_ROWS;
        for row in rows {
            let append = stored(row, |row| damaged(row.seq, "cannot be unpacked"))?;
            if append.seq != last + 1 {
                return Err(damaged(last + 1, "is missing"));
            }
            if append.hash != ContentHash::chained(previous, append.seq, append.at, &append.body) {
                return Err(damaged(append.seq, "does not match its hash"));
            }
            (previous, last) = (append.hash, append.seq);
            if append.seq > after {
                appends.push(append);
            }
        }
        if is_last_page {
            return Ok(appends);
        }
    }
}

fn select(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<EventRow>, StoreError> {
    let read = || connection.prepare_cached(sql)?.query_map(parameters, rows::event_row)?.collect::<rusqlite::Result<Vec<_>>>();
    read().map_err(|error| of_read(&error))
}

fn stored(row: EventRow, damaged: impl Fn(&EventRow) -> StoreError) -> Result<StoredAppend, StoreError> {
    let Some(body) = row.body.clone() else { return Err(damaged(&row)) };
    let EventRow { pos, run_no, seq, count, at, hash, .. } = row;
    Ok(StoredAppend { pos, run_no, seq, count, at, hash, body })
}

fn blob(connection: &Connection, no: i64, run: RunId, hash: ContentHash) -> Result<Blob, StoreError> {
    let read = || {
        let found = |row: &rusqlite::Row<'_>| Ok((rows::count(row, 0)?, decode(row.get_ref(1)?.as_blob()?)));
        connection.prepare_cached(BLOB)?.query_row(params![no, &hash.0[..]], found).optional()
    };
    let damaged =
        |what: &str| StoreError::Damaged(format!("the text {hash} of {run} {what}; restore the database from a backup (other runs may be whole)"));
    let Some((length, text)) = read().map_err(|error| of_read(&error))? else { return Err(damaged("is missing")) };
    match text {
        Some(bytes) if bytes.len() as u64 == length && ContentHash::of(&bytes) == hash => Ok(Blob { hash, bytes }),
        _ => Err(damaged("does not match its hash")),
    }
}
