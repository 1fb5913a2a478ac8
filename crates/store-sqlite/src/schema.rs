//! The tables and how they came to be.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenError;

/// `Gorg`: stands in the header of the file, so that nobody's database is taken for a store.
const APPLICATION_ID: i32 = 0x476f_7267;

/// In order; the number of a migration is its place, from 1.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_initial.sql")];

/// The number of the schema in this file; 0 for an empty one. Changes nothing.
pub(crate) fn number(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let damaged = |reason: &str| OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, 0) => Err(damaged("its schema has no number")),
        (APPLICATION_ID, found) if found > known => Err(OpenError::TooNew { path: path.to_owned(), found, known }),
        (APPLICATION_ID, found) => Ok(found),
        _ => Err(damaged("it is a database of another application")),
    }
}

/// Brings the tables up to this release.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, found: u32) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    for (number, migration) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", number).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
