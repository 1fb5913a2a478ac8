//! The read side of budgets. They are written only by appends; see [`Append`](crate::Append).

use async_trait::async_trait;
use gorgon_core::budget::{Balance, Scope};
use gorgon_core::money::Meter;
use serde::{Deserialize, Serialize};

use crate::journal::StoreError;
use crate::runs::{RunKey, TenantScope};

/// Names a row of the ledger for a whole store: whose money, in which meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    /// `Tenant`, `Project` or `Run`.
    pub scope: Scope,
    /// For `Scope::Run`: the number of the run.
    pub run_no: Option<crate::RunNo>,
    /// Which meter.
    pub meter: Meter,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRow {
    /// Which.
    pub id: RowId,
    /// What it says.
    pub balance: Balance,
}

/// Reads budgets, and sets the limits of tenants and projects.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The rows of a run's own budget.
    async fn of_run(&self, run: &RunKey) -> Result<Vec<BudgetRow>, StoreError>;

    /// The rows of a tenant and its projects.
    async fn of_tenant(&self, scope: &TenantScope) -> Result<Vec<BudgetRow>, StoreError>;

    /// Sets the limit of a tenant, or of one of its projects, making the row if there is none. Goes through the writer like any append. A new row
    /// counts from then on: what was spent and held before it existed is not in it.
    async fn set_limit(&self, scope: &TenantScope, project: Option<&str>, meter: Meter, limit: u64) -> Result<(), StoreError>;
}
