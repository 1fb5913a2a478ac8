//! The read side of runs.

use async_trait::async_trait;
use gorgon_core::ids::RunId;
use gorgon_ports::{RunFilter, RunKey, RunNo, RunRow, Runs, StoreError, TenantScope};
use rusqlite::{Connection, Params, params};

use crate::error::of_read;
use crate::rows;
use crate::store::SqliteStore;

const LIST: &str = "SELECT no, id, tenant, workflow, file, definition, status, created_at, updated_at, wake_at FROM run
    WHERE tenant = ?1 AND (?2 IS NULL OR no < ?2) AND (?3 IS NULL OR workflow = ?3) AND (?4 IS NULL OR file = ?4)
      AND (?5 IS NULL OR status IN (SELECT value FROM json_each(?5)))
    ORDER BY no DESC LIMIT ?6";

const FIND: &str = "SELECT no, id, tenant, workflow, file, definition, status, created_at, updated_at, wake_at FROM run
    WHERE id = ?1 AND tenant = ?2";

/// An id is `run_` and 26 characters; an ending lies within those.
const SEARCH: &str = "SELECT no, id, tenant, workflow, file, definition, status, created_at, updated_at, wake_at FROM run
    WHERE tenant = ?1 AND (substr(id, 1, length(?2)) = ?2 OR substr(id, 5, length(?2)) = ?2
      OR (length(?2) <= 26 AND substr(id, -length(?2)) = ?2))
    ORDER BY no DESC LIMIT ?3";

const UNFINISHED: &str = "SELECT no, id, tenant, workflow, file, definition, status, created_at, updated_at, wake_at FROM run
    WHERE no > ?1 AND status NOT IN ('completed', 'partial', 'failed', 'cancelled') ORDER BY no LIMIT ?2";

#[async_trait]
impl Runs for SqliteStore {
    async fn list(&self, scope: &TenantScope, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let tenant = scope.0.clone();
        let RunFilter { statuses, workflow, file, before, limit } = filter.clone();
        let words: Vec<&str> = statuses.iter().map(|status| status.word()).collect();
        let statuses = (!words.is_empty()).then(|| serde_json::json!(words).to_string());
        self.readers().read(move |connection| select(connection, LIST, params![tenant, before.map(|no| no.0), workflow, file, statuses, limit])).await
    }

    async fn find(&self, scope: &TenantScope, id: RunId) -> Result<Option<(RunKey, RunRow)>, StoreError> {
        let tenant = scope.0.clone();
        let found = self.readers().read(move |connection| select(connection, FIND, params![id.to_string(), tenant])).await?;
        Ok(found.into_iter().next().map(|row| (rows::key(&row), row)))
    }

    async fn search(&self, scope: &TenantScope, text: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let text = text.to_ascii_lowercase();
        // Nothing else stands in an id.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(Vec::new());
        }
        let tenant = scope.0.clone();
        self.readers().read(move |connection| select(connection, SEARCH, params![tenant, text, limit])).await
    }

    async fn unfinished(&self, after: RunNo, limit: u32) -> Result<Vec<(RunKey, RunRow)>, StoreError> {
        let found = self.readers().read(move |connection| select(connection, UNFINISHED, params![after.0, limit])).await?;
        Ok(found.into_iter().map(|row| (rows::key(&row), row)).collect())
    }
}

fn select(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<RunRow>, StoreError> {
    let read = || connection.prepare_cached(sql)?.query_map(parameters, rows::run_row)?.collect::<rusqlite::Result<Vec<_>>>();
    read().map_err(|error| of_read(&error))
}
