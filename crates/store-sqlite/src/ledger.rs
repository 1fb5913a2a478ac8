//! The read side of budgets, and the limits of tenants and projects.

use async_trait::async_trait;
use gorgon_core::budget::Scope;
use gorgon_core::money::Meter;
use gorgon_ports::{BudgetRow, Ledger, RowId, RunKey, RunNo, StoreError, TenantScope};
use rusqlite::{Connection, Params, Row, params};
use tokio::sync::oneshot;

use crate::error::of_read;
use crate::order::{Limit, Order, Work};
use crate::rows;
use crate::store::SqliteStore;

// The words of the meters and scopes sort backwards.
const OF_RUN: &str = "SELECT scope, tenant, project, run_no, meter, limit_, ceiling, spent, reserved, overage, frozen FROM budget
    WHERE run_no = ?1 ORDER BY meter DESC";

const OF_TENANT: &str = "SELECT scope, tenant, project, run_no, meter, limit_, ceiling, spent, reserved, overage, frozen FROM budget
    WHERE tenant = ?1 AND run_no IS NULL ORDER BY scope DESC, project, meter DESC";

#[async_trait]
impl Ledger for SqliteStore {
    async fn of_run(&self, run: &RunKey) -> Result<Vec<BudgetRow>, StoreError> {
        let no = run.no().0;
        self.readers().read(move |connection| select(connection, OF_RUN, params![no])).await
    }

    async fn of_tenant(&self, scope: &TenantScope) -> Result<Vec<BudgetRow>, StoreError> {
        let tenant = scope.0.clone();
        self.readers().read(move |connection| select(connection, OF_TENANT, params![tenant])).await
    }

    async fn set_limit(&self, scope: &TenantScope, project: Option<&str>, meter: Meter, limit: u64) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let limit = Limit { tenant: scope.0.clone(), project: project.map(str::to_owned), meter, limit };
        self.order(Order::Write(Work::Limit(limit, reply))).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed(self.why_closed())))
    }
}

fn select(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<BudgetRow>, StoreError> {
    let read = || connection.prepare_cached(sql)?.query_map(parameters, budget_row)?.collect::<rusqlite::Result<Vec<_>>>();
    read().map_err(|error| of_read(&error))
}

fn budget_row(row: &Row<'_>) -> rusqlite::Result<BudgetRow> {
    let run_no = row.get::<_, Option<i64>>(3)?.map(RunNo);
    let scope = match row.get_ref(0)?.as_str()? {
        "tenant" => Scope::Tenant(row.get(1)?),
        "project" => Scope::Project(row.get(2)?),
        _ => Scope::Run,
    };
    Ok(BudgetRow { id: RowId { scope, run_no, meter: rows::meter(row, 4)? }, balance: rows::balance(row, 5)? })
}
