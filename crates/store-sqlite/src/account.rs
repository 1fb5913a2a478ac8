//! Budget rows in the writer's memory: read on first touch, moved by judged appends, written once a transaction.

use std::collections::HashMap;
use std::sync::Arc;

use gorgon_core::budget::{Balance, Scope};
use gorgon_core::money::Meter;
use rusqlite::{Connection, Result, params};

use crate::rows::{self, integer};

/// Whose money a row limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Tenant(Arc<str>),
    Project { tenant: Arc<str>, name: Arc<str> },
    Run { tenant: Arc<str>, no: i64 },
}

impl Owner {
    /// Whom a scope means to a run of this tenant: another tenant's name means nobody.
    pub(crate) fn of(scope: &Scope, tenant: &Arc<str>, no: i64) -> Option<Self> {
        let tenant = Arc::clone(tenant);
        match scope {
            Scope::Tenant(name) => (**name == *tenant).then_some(Self::Tenant(tenant)),
            Scope::Project(name) => Some(Self::Project { tenant, name: name.as_str().into() }),
            Scope::Run => Some(Self::Run { tenant, no }),
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Tenant(name) => Scope::Tenant(name.to_string()),
            Self::Project { name, .. } => Scope::Project(name.to_string()),
            Self::Run { .. } => Scope::Run,
        }
    }

    /// The columns `scope, tenant, project, run_no`.
    fn columns(&self) -> (&'static str, &str, &str, Option<i64>) {
        match self {
            Self::Tenant(tenant) => ("tenant", tenant, "", None),
            Self::Project { tenant, name } => ("project", tenant, name, None),
            Self::Run { tenant, no } => ("run", tenant, "", Some(*no)),
        }
    }
}

/// The rows of one owner, by meter.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    rows: [Option<Row>; 3],
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    balance: Balance,
    /// Its number and what it says in the database, if it is there.
    saved: Option<(i64, Balance)>,
}

impl Account {
    pub(crate) fn balance_mut(&mut self, meter: Meter) -> Option<&mut Balance> {
        self.rows[meter as usize].as_mut().map(|row| &mut row.balance)
    }

    /// The row of this meter, made if there is none.
    pub(crate) fn open(&mut self, meter: Meter) -> &mut Balance {
        &mut self.rows[meter as usize].get_or_insert_default().balance
    }
}

/// The accounts that were touched lately.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    known: HashMap<Owner, Account>,
    /// Moved since the last transaction was written.
    moved: Vec<Owner>,
    /// To be let go once they are written.
    ended: Vec<Owner>,
}

const OF_RUN: &str = "SELECT meter, id, limit_, ceiling, spent, reserved, overage, frozen FROM budget WHERE run_no = ?1";

const OF_OWNER: &str = "SELECT meter, id, limit_, ceiling, spent, reserved, overage, frozen FROM budget
    WHERE tenant = ?1 AND scope = ?2 AND project = ?3 AND run_no IS NULL";

const INSERT: &str = "INSERT INTO budget (scope, tenant, project, run_no, meter, limit_, ceiling, spent, reserved, overage, frozen)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const UPDATE: &str = "UPDATE budget SET limit_ = ?2, ceiling = ?3, spent = ?4, reserved = ?5, overage = ?6, frozen = ?7 WHERE id = ?1";

impl Accounts {
    /// A copy of the account, to be moved and [put back](Self::put).
    pub(crate) fn get(&mut self, connection: &Connection, owner: &Owner) -> Result<Account> {
        if let Some(account) = self.known.get(owner) {
            return Ok(*account);
        }
        let account = fill(connection, owner)?;
        self.known.insert(owner.clone(), account);
        Ok(account)
    }

    pub(crate) fn put(&mut self, owner: Owner, account: Account) {
        self.known.insert(owner.clone(), account);
        if !self.moved.contains(&owner) {
            self.moved.push(owner);
        }
    }

    /// A run that was just created has no rows: nothing need be read.
    pub(crate) fn begin(&mut self, owner: Owner) {
        self.known.insert(owner, Account::default());
    }

    /// A run that has ended will hardly be touched again.
    pub(crate) fn end(&mut self, owner: Owner) {
        self.ended.push(owner);
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.moved.clear();
        self.ended.clear();
    }

    /// Writes every row that says something else than in the database; answers how many.
    pub(crate) fn write(&mut self, connection: &Connection) -> Result<u64> {
        let mut written = 0;
        for owner in self.moved.drain(..) {
            let Some(account) = self.known.get_mut(&owner) else { continue };
            for meter in Meter::ALL {
                if let Some(row) = &mut account.rows[meter as usize] {
                    written += u64::from(write(connection, &owner, meter, row)?);
                }
            }
        }
        for owner in self.ended.drain(..) {
            self.known.remove(&owner);
        }
        Ok(written)
    }
}

fn fill(connection: &Connection, owner: &Owner) -> Result<Account> {
    let (scope, tenant, project, run_no) = owner.columns();
    let mut statement = connection.prepare_cached(if run_no.is_some() { OF_RUN } else { OF_OWNER })?;
    let mut found = match run_no {
        Some(no) => statement.query([no])?,
        None => statement.query(params![tenant, scope, project])?,
    };
    let mut account = Account::default();
    while let Some(row) = found.next()? {
        let balance = rows::balance(row, 2)?;
        account.rows[rows::meter(row, 0)? as usize] = Some(Row { balance, saved: Some((row.get(1)?, balance)) });
    }
    Ok(account)
}

fn write(connection: &Connection, owner: &Owner, meter: Meter, row: &mut Row) -> Result<bool> {
    let Balance { limit, ceiling, spent, reserved, overage, frozen } = row.balance;
    let [limit, ceiling, spent, reserved, overage] = [limit, ceiling, spent, reserved, overage].map(integer);
    let id = match row.saved {
        Some((_, saved)) if saved == row.balance => return Ok(false),
        Some((id, _)) => {
            connection.prepare_cached(UPDATE)?.execute(params![id, limit, ceiling, spent, reserved, overage, frozen])?;
            id
        }
        None => {
            let (scope, tenant, project, run_no) = owner.columns();
            connection.prepare_cached(INSERT)?.insert(params![
                scope,
                tenant,
                project,
                run_no,
                meter.word(),
                limit,
                ceiling,
                spent,
                reserved,
                overage,
                frozen
            ])?
        }
    };
    row.saved = Some((id, row.balance));
    Ok(true)
}
