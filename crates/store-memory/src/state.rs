//! What the store holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use gorgon_core::budget::{Balance, Scope};
use gorgon_core::ids::ContentHash;
use gorgon_core::money::Meter;
use gorgon_ports::{RunKey, RunNo, RunRow, StoredAppend};

pub(crate) const CLOSED: &str = "it was shut down";

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) closed: bool,
    /// By number: run 1 is the first.
    pub(crate) runs: Vec<Run>,
    /// By position: the append at position 1 is the first.
    pub(crate) log: Vec<StoredAppend>,
    pub(crate) budgets: BTreeMap<(Owner, Meter), Balance>,
    pub(crate) blobs: BTreeMap<(String, ContentHash), Bytes>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) row: RunRow,
    /// Where its appends stand in the log, counted from 0.
    pub(crate) appends: Vec<usize>,
}

/// Whose money a row limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Tenant(String),
    Project { tenant: String, name: String },
    Run(RunNo),
}

impl Owner {
    /// Whom a scope means to a run of this tenant: another tenant's name means nobody.
    pub(crate) fn of(scope: &Scope, tenant: &str, run: RunNo) -> Option<Self> {
        match scope {
            Scope::Tenant(name) => (name == tenant).then(|| Self::Tenant(name.clone())),
            Scope::Project(name) => Some(Self::Project { tenant: tenant.to_owned(), name: name.clone() }),
            Scope::Run => Some(Self::Run(run)),
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Tenant(name) => Scope::Tenant(name.clone()),
            Self::Project { name, .. } => Scope::Project(name.clone()),
            Self::Run(_) => Scope::Run,
        }
    }
}

impl State {
    pub(crate) fn run(&self, no: RunNo) -> Option<&Run> {
        let index = usize::try_from(no.0).ok()?.checked_sub(1)?;
        self.runs.get(index)
    }

    pub(crate) fn run_mut(&mut self, no: RunNo) -> Option<&mut Run> {
        let index = usize::try_from(no.0).ok()?.checked_sub(1)?;
        self.runs.get_mut(index)
    }

    pub(crate) fn next_run_no(&self) -> RunNo {
        RunNo(i64::try_from(self.runs.len() + 1).unwrap_or(i64::MAX))
    }
}

impl Run {
    pub(crate) fn head(&self) -> u64 {
        self.appends.len() as u64
    }

    pub(crate) fn key(&self) -> RunKey {
        RunKey::found(self.row.no, self.row.id)
    }
}
