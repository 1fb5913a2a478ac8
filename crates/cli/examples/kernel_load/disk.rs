//! What lies on disk: the bare commit of SQLite for comparison, and what a holder left.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gorgon_ports::{Journal, RunFilter, Runs, TenantScope};
use gorgon_store_sqlite::SqliteStore;
use rusqlite::Connection;

/// One row of 200 bytes a commit, WAL, `synchronous=FULL`: what a durable step cannot be faster than.
pub(crate) struct Bare(Connection);

impl Bare {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("bare.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB) STRICT")?;
        Ok(Self(connection))
    }

    /// The time of each of so many commits.
    pub(crate) fn commits(&self, count: usize) -> Result<Vec<Duration>> {
        let body = [7_u8; 200];
        let mut statement = self.0.prepare_cached("INSERT INTO row (body) VALUES (?1)")?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let started = Instant::now();
            statement.execute([&body[..]])?;
            times.push(started.elapsed());
        }
        Ok(times)
    }
}

/// What was found in a folder that a holder has left.
pub(crate) struct Found {
    pub(crate) runs: i64,
    pub(crate) appends: i64,
    pub(crate) events: i64,
    pub(crate) bytes: u64,
}

/// Opens the file in plain SQLite, counts rows, then reads runs back through the store, which checks their hash chains.
pub(crate) async fn look(data: &Path, chains_max: u32) -> Result<Found> {
    let path = data.join("gorgon-state.db");
    let bytes = std::fs::metadata(&path)?.len();
    let plain = Connection::open(&path)?;
    let check: String = plain.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(check == "ok", "SQLite finds the file damaged: {check}");
    let count = |sql: &str| plain.query_row(sql, [], |row| row.get::<_, i64>(0));
    let found = Found {
        runs: count("SELECT count(*) FROM run")?,
        appends: count("SELECT count(*) FROM event")?,
        events: count("SELECT coalesce(sum(count), 0) FROM event")?,
        bytes,
    };
    drop(plain);
    let store = SqliteStore::open(gorgon_store_sqlite::Options::new(&path))?;
    let scope = TenantScope("local".to_owned());
    for row in store.list(&scope, &RunFilter { limit: chains_max, ..RunFilter::default() }).await? {
        let (key, _) = store.find(&scope, row.id).await?.ok_or_else(|| anyhow::anyhow!("a run is listed and not found"))?;
        store.load(&key, 0).await?;
    }
    store.close().await;
    Ok(found)
}

/// The bytes of all events as they lie on disk, and of the texts that they refer to.
pub(crate) fn body_bytes(data: &Path) -> Result<i64> {
    let plain = Connection::open(data.join("gorgon-state.db"))?;
    let sum = |sql: &str| plain.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(sum("SELECT coalesce(sum(length(body)), 0) FROM event")? + sum("SELECT coalesce(sum(length(body)), 0) FROM blob")?)
}
