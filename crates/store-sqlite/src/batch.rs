//! What one transaction writes, and what the writer remembers between transactions.

use std::collections::HashMap;
use std::sync::Arc;

use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::run::RunStatus;
use gorgon_ports::journal::{NewRun, Refusal};
use gorgon_ports::{Receipt, RunKey, RunNo};
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::account::{Accounts, Owner};
use crate::judge::judge;
use crate::order::{Limit, Ready, Verdict};
use crate::rows::{self, integer};

/// Runs whose head, or budgets that are remembered at most. Beyond, all are forgotten and read again when they are touched.
const REMEMBERED_MAX: usize = 32_768;

/// What the writer knows without asking the database. Forgotten whenever a transaction was not committed.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    heads: HashMap<i64, Head>,
    accounts: Accounts,
    last: Option<Last>,
}

/// The last append of a run.
#[derive(Debug, Clone)]
struct Head {
    id: RunId,
    tenant: Arc<str>,
    seq: u64,
}

/// The numbers that were given last, and who may write.
#[derive(Debug, Clone, Copy)]
struct Last {
    pos: i64,
    run_no: i64,
    epoch: u64,
}

const LAST: &str = "SELECT (SELECT coalesce(max(pos), 0) FROM event), (SELECT coalesce(max(no), 0) FROM run), epoch FROM meta";

const HEAD: &str = "SELECT id, tenant, coalesce((SELECT max(seq) FROM event WHERE run_no = ?1), 0) FROM run WHERE no = ?1";

const HEAD_OF_ID: &str = "SELECT coalesce((SELECT max(seq) FROM event WHERE run_no = no), 0) FROM run WHERE id = ?1";

const INSERT_RUN: &str = "INSERT INTO run (no, id, tenant, shard, workflow, file, definition, status, created_at, updated_at, wake_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10)";

const UPDATE_RUN: &str = "UPDATE run SET status = ?2, wake_at = ?3, updated_at = ?4 WHERE no = ?1";

const INSERT_EVENT: &str = "INSERT INTO event (pos, run_no, seq, count, at, hash, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const INSERT_BLOB: &str = "INSERT OR IGNORE INTO blob (tenant, hash, bytes, body) VALUES (?1, ?2, ?3, ?4)";

impl Memory {
    pub(crate) fn forget(&mut self) {
        self.heads.clear();
        self.accounts.forget();
        self.last = None;
    }

    /// Keeps the memory within its bound. Only between transactions.
    pub(crate) fn trim(&mut self) {
        if self.heads.len() > REMEMBERED_MAX || self.accounts.len() > REMEMBERED_MAX {
            self.forget();
        }
    }

    /// Judges an append and, if nothing speaks against it, writes it into the open transaction.
    pub(crate) fn append(&mut self, connection: &Connection, append: &Ready) -> Result<Verdict> {
        let last = self.last(connection)?;
        if append.epoch < last.epoch {
            return Ok(Verdict::Refused(Refusal::Fenced));
        }
        let (no, head) = match self.place(connection, append)? {
            Ok(place) => place,
            Err(head) => return Ok(Verdict::Refused(Refusal::Conflict { head })),
        };
        let owner = Owner::Run { tenant: Arc::clone(&head.tenant), no };
        if append.create.is_some() {
            self.accounts.begin(owner.clone());
        }
        if let Err(refusal) = judge(connection, &mut self.accounts, append, &head.tenant, no)? {
            return Ok(Verdict::Refused(refusal));
        }

        let pos = last.pos + 1;
        self.last = Some(Last { pos, run_no: last.run_no.max(no), ..last });
        write(connection, append, no, pos, &head.tenant)?;

        let receipt = Receipt::on_disk(RunKey::found(RunNo(no), head.id), u64::try_from(pos).unwrap_or_default(), append.seq);
        if append.row.is_some_and(|(status, _)| status.is_terminal()) {
            self.heads.remove(&no);
            self.accounts.end(owner);
        } else {
            self.heads.insert(no, Head { seq: append.seq, ..head });
        }
        Ok(Verdict::Appended(receipt))
    }

    /// Sets the limit of a tenant or project.
    pub(crate) fn set_limit(&mut self, connection: &Connection, limit: &Limit) -> Result<Verdict> {
        let tenant: Arc<str> = limit.tenant.as_str().into();
        let owner = match &limit.project {
            Some(name) => Owner::Project { tenant, name: name.as_str().into() },
            None => Owner::Tenant(tenant),
        };
        let mut account = self.accounts.get(connection, &owner)?;
        account.open(limit.meter).set_limit(limit.limit);
        self.accounts.put(owner, account);
        Ok(Verdict::Set)
    }

    /// Writes the budgets that moved; answers how many rows.
    pub(crate) fn write_budgets(&mut self, connection: &Connection) -> Result<u64> {
        self.accounts.write(connection)
    }

    fn last(&mut self, connection: &Connection) -> Result<Last> {
        if let Some(last) = self.last {
            return Ok(last);
        }
        let last =
            connection.prepare_cached(LAST)?.query_row([], |row| Ok(Last { pos: row.get(0)?, run_no: row.get(1)?, epoch: rows::count(row, 2)? }))?;
        self.last = Some(last);
        Ok(last)
    }

    /// Which run the append goes to, with its head before; or the head that contradicts it.
    fn place(&mut self, connection: &Connection, append: &Ready) -> Result<std::result::Result<(i64, Head), u64>> {
        let (no, head) = match (&append.create, append.run) {
            (Some(new), None) => {
                let taken = connection.prepare_cached(HEAD_OF_ID)?.query_row([new.id.to_string()], |row| rows::count(row, 0)).optional()?;
                if let Some(head) = taken {
                    return Ok(Err(head));
                }
                (self.last(connection)?.run_no + 1, Head { id: new.id, tenant: new.tenant.as_str().into(), seq: 0 })
            }
            (None, Some(no)) => match self.head(connection, no.0)? {
                Some(head) => (no.0, head),
                None => return Ok(Err(0)),
            },
            (None, None) | (Some(_), Some(_)) => return Ok(Err(0)),
        };
        Ok(if append.seq == head.seq + 1 { Ok((no, head)) } else { Err(head.seq) })
    }

    fn head(&mut self, connection: &Connection, no: i64) -> Result<Option<Head>> {
        if let Some(head) = self.heads.get(&no) {
            return Ok(Some(head.clone()));
        }
        let read =
            |row: &rusqlite::Row<'_>| Ok(Head { id: rows::run_id(row, 0)?, tenant: row.get_ref(1)?.as_str()?.into(), seq: rows::count(row, 2)? });
        connection.prepare_cached(HEAD)?.query_row([no], read).optional()
    }
}

fn write(connection: &Connection, append: &Ready, no: i64, pos: i64, tenant: &str) -> Result<()> {
    let at = append.at.0;
    match (&append.create, append.row) {
        (Some(new), row) => {
            let (status, wake_at) = row.unwrap_or((RunStatus::Queued, None));
            let NewRun { id, workflow, file, definition, .. } = new;
            let id = id.to_string();
            let shard = ContentHash::of(id.as_bytes()).0[0];
            connection.prepare_cached(INSERT_RUN)?.execute(params![
                no,
                id,
                tenant,
                shard,
                workflow,
                file,
                definition.0,
                status.word(),
                at,
                wake_at.map(|time| time.0)
            ])?;
        }
        (None, Some((status, wake_at))) => {
            connection.prepare_cached(UPDATE_RUN)?.execute(params![no, status.word(), wake_at.map(|time| time.0), at])?;
        }
        (None, None) => {}
    }
    let (seq, hash, body) = (integer(append.seq), &append.hash.0[..], &append.body[..]);
    connection.prepare_cached(INSERT_EVENT)?.execute(params![pos, no, seq, append.count, at, hash, body])?;
    for blob in &append.blobs {
        connection.prepare_cached(INSERT_BLOB)?.execute(params![tenant, &blob.hash.0[..], blob.bytes, &blob.body[..]])?;
    }
    Ok(())
}
