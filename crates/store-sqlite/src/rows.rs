//! Values as columns, and back.

use bytes::Bytes;
use gorgon_core::budget::Balance;
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::money::Meter;
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::{RunKey, RunNo, RunRow};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

/// A count as SQLite holds it. Counts above 2⁶³ do not occur; the largest number stands for them.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count out of a column; a negative one is damage.
pub(crate) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(column, value))
}

pub(crate) fn hash(row: &Row<'_>, column: usize) -> Result<ContentHash> {
    row.get::<_, [u8; 32]>(column).map(ContentHash)
}

/// A text that stands for something, or an error that names the column.
fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| Error::FromSqlConversionFailure(column, Type::Text, format!("`{text}` stands for nothing").into()))
}

pub(crate) fn run_id(row: &Row<'_>, column: usize) -> Result<RunId> {
    parsed(row, column, |text| text.parse().ok())
}

pub(crate) fn meter(row: &Row<'_>, column: usize) -> Result<Meter> {
    parsed(row, column, |text| Meter::ALL.into_iter().find(|meter| meter.word() == text))
}

/// The columns `limit_, ceiling, spent, reserved, overage, frozen`, from this one on.
pub(crate) fn balance(row: &Row<'_>, first: usize) -> Result<Balance> {
    Ok(Balance {
        limit: count(row, first)?,
        ceiling: count(row, first + 1)?,
        spent: count(row, first + 2)?,
        reserved: count(row, first + 3)?,
        overage: count(row, first + 4)?,
        frozen: row.get(first + 5)?,
    })
}

/// The columns `no, id, tenant, workflow, file, definition, status, created_at, updated_at, wake_at`.
pub(crate) fn run_row(row: &Row<'_>) -> Result<RunRow> {
    Ok(RunRow {
        no: RunNo(row.get(0)?),
        id: run_id(row, 1)?,
        tenant: row.get(2)?,
        workflow: row.get(3)?,
        file: row.get(4)?,
        definition: hash(row, 5)?,
        status: parsed(row, 6, RunStatus::from_word)?,
        created_at: Timestamp(row.get(7)?),
        updated_at: Timestamp(row.get(8)?),
        wake_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}

pub(crate) fn key(row: &RunRow) -> RunKey {
    RunKey::found(row.no, row.id)
}

/// An append as it lies in its row.
pub(crate) struct EventRow {
    pub(crate) pos: u64,
    pub(crate) run_no: RunNo,
    pub(crate) seq: u64,
    pub(crate) count: u32,
    pub(crate) at: Timestamp,
    pub(crate) hash: ContentHash,
    /// `None`: no text has this row.
    pub(crate) body: Option<Bytes>,
}

/// The columns `pos, run_no, seq, count, at, hash, body`.
pub(crate) fn event_row(row: &Row<'_>) -> Result<EventRow> {
    Ok(EventRow {
        pos: count(row, 0)?,
        run_no: RunNo(row.get(1)?),
        seq: count(row, 2)?,
        count: row.get(3)?,
        at: Timestamp(row.get(4)?),
        hash: hash(row, 5)?,
        body: crate::encode::decode(row.get_ref(6)?.as_blob()?),
    })
}
