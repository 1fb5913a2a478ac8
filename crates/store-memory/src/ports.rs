//! The ports.

use async_trait::async_trait;
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::money::Meter;
use gorgon_ports::{
    Append, Blob, BudgetRow, Commit, Journal, Ledger, RowId, RunFilter, RunKey, RunNo, RunRow, Runs, StoreError, StoredAppend, TenantScope,
};

use crate::MemoryStore;
use crate::state::{Owner, Run};

#[async_trait]
impl Journal for MemoryStore {
    async fn commit(&self, append: Append) -> Commit {
        self.state().commit(append)
    }

    async fn load(&self, run: &RunKey, after: u64) -> Result<Vec<StoredAppend>, StoreError> {
        let state = self.open_state()?;
        let Some(found) = state.run(run.no()) else { return Ok(Vec::new()) };
        let appends: Vec<StoredAppend> = found.appends.iter().map(|&place| state.log[place].clone()).collect();
        let mut previous = ContentHash::NONE;
        for append in &appends {
            let expected = ContentHash::chained(previous, append.seq, append.at, &append.body);
            if append.hash != expected {
                return Err(StoreError::Damaged(format!("append {} of {} does not match its hash", append.seq, run.id())));
            }
            previous = expected;
        }
        Ok(appends.into_iter().filter(|append| append.seq > after).collect())
    }

    async fn feed(&self, after: u64, limit: u32) -> Result<Vec<StoredAppend>, StoreError> {
        let state = self.open_state()?;
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(state.log.iter().skip(after).take(limit as usize).cloned().collect())
    }

    async fn blobs(&self, run: &RunKey, hashes: &[ContentHash]) -> Result<Vec<Blob>, StoreError> {
        let state = self.open_state()?;
        let tenant = state.run(run.no()).map(|run| run.row.tenant.clone()).unwrap_or_default();
        let find = |hash: &ContentHash| match state.blobs.get(&(tenant.clone(), *hash)) {
            Some(bytes) if ContentHash::of(bytes) == *hash => Ok(Blob { hash: *hash, bytes: bytes.clone() }),
            Some(_) => Err(StoreError::Damaged(format!("the text {hash} of {} does not match its hash", run.id()))),
            None => Err(StoreError::Damaged(format!("the text {hash} of {} is missing", run.id()))),
        };
        hashes.iter().map(find).collect()
    }

    async fn take_over(&self) -> Result<u64, StoreError> {
        let mut state = self.open_state()?;
        state.epoch += 1;
        Ok(state.epoch)
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

#[async_trait]
impl Runs for MemoryStore {
    async fn list(&self, scope: &TenantScope, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let matches = |row: &RunRow| {
            (filter.statuses.is_empty() || filter.statuses.contains(&row.status))
                && filter.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
                && filter.file.as_ref().is_none_or(|file| Some(file) == row.file.as_ref())
                && filter.before.is_none_or(|before| row.no < before)
        };
        self.newest_first(scope, filter.limit, matches)
    }

    async fn find(&self, scope: &TenantScope, id: RunId) -> Result<Option<(RunKey, RunRow)>, StoreError> {
        let state = self.open_state()?;
        let found = state.runs.iter().find(|run| run.row.id == id && run.row.tenant == scope.0);
        Ok(found.map(|run| (run.key(), run.row.clone())))
    }

    async fn search(&self, scope: &TenantScope, text: &str, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        let text = text.to_ascii_lowercase();
        let matches = |row: &RunRow| {
            let id = row.id.to_string();
            let digits = id.trim_start_matches("run_");
            !text.is_empty() && (id.starts_with(&text) || digits.starts_with(&text) || digits.ends_with(&text))
        };
        self.newest_first(scope, limit, matches)
    }

    async fn unfinished(&self, after: RunNo, limit: u32) -> Result<Vec<(RunKey, RunRow)>, StoreError> {
        let state = self.open_state()?;
        let open = |run: &&Run| run.row.no > after && !run.row.status.is_terminal();
        Ok(state.runs.iter().filter(open).take(limit as usize).map(|run| (run.key(), run.row.clone())).collect())
    }
}

impl MemoryStore {
    fn newest_first(&self, scope: &TenantScope, limit: u32, matches: impl Fn(&RunRow) -> bool) -> Result<Vec<RunRow>, StoreError> {
        let state = self.open_state()?;
        let rows = state.runs.iter().rev().map(|run| &run.row).filter(|row| row.tenant == scope.0 && matches(row));
        Ok(rows.take(limit as usize).cloned().collect())
    }

    fn rows(&self, wanted: impl Fn(&Owner) -> bool) -> Result<Vec<BudgetRow>, StoreError> {
        let state = self.open_state()?;
        let rows = state.budgets.iter().filter(|((owner, _), _)| wanted(owner)).map(|((owner, meter), balance)| BudgetRow {
            id: RowId { scope: owner.scope(), run_no: if let Owner::Run(no) = owner { Some(*no) } else { None }, meter: *meter },
            balance: *balance,
        });
        Ok(rows.collect())
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn of_run(&self, run: &RunKey) -> Result<Vec<BudgetRow>, StoreError> {
        self.rows(|owner| *owner == Owner::Run(run.no()))
    }

    async fn of_tenant(&self, scope: &TenantScope) -> Result<Vec<BudgetRow>, StoreError> {
        self.rows(|owner| match owner {
            Owner::Tenant(tenant) | Owner::Project { tenant, .. } => *tenant == scope.0,
            Owner::Run(_) => false,
        })
    }

    async fn set_limit(&self, scope: &TenantScope, project: Option<&str>, meter: Meter, limit: u64) -> Result<(), StoreError> {
        let mut state = self.open_state()?;
        let owner = match project {
            Some(name) => Owner::Project { tenant: scope.0.clone(), name: name.to_owned() },
            None => Owner::Tenant(scope.0.clone()),
        };
        state.budgets.entry((owner, meter)).or_default().set_limit(limit);
        Ok(())
    }
}
