//! A store in memory: appends under a fence, and the ledger that moves with them.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_core::budget::{Balance, BudgetKey, LedgerOp, Scope};
use gorgon_core::event::Event;
use gorgon_core::facts::Refused;
use gorgon_core::ids::CallId;
use gorgon_core::money::Meter;
use gorgon_core::time::Timestamp;

use super::planted::Planted;
use super::rng::Rng;

pub(crate) const TENANT: &str = "tenant";

/// One append of one run.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    pub(crate) run: usize,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) at: Timestamp,
    pub(crate) body: Vec<u8>,
    pub(crate) ledger: Vec<(LedgerOp, bool)>,
}

/// What became of an append.
#[derive(Debug)]
pub(crate) enum Commit {
    Committed,
    Conflict,
    Fenced,
    Budget(BTreeMap<BudgetKey, Refused>),
}

/// Whose row, and in which meter.
pub(crate) type Row = (Option<usize>, Meter);

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) logs: Vec<Vec<Append>>,
    pub(crate) rows: BTreeMap<Row, Balance>,
    pub(crate) epoch: u64,
    /// Calls that an append on disk ordered, by run.
    pub(crate) ordered: BTreeSet<(usize, CallId)>,
    planted: Option<Planted>,
}

impl Store {
    pub(crate) fn new(runs: usize, planted: Option<Planted>) -> Self {
        Self { logs: vec![Vec::new(); runs], epoch: 1, planted, ..Self::default() }
    }

    pub(crate) fn take_over(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// Judges an append and writes it, with everything that moves in the ledger, or nothing.
    pub(crate) fn commit(&mut self, append: Append, events: &[Event], rng: &mut Rng) -> Commit {
        if append.epoch < self.epoch && self.planted != Some(Planted::NoFence) {
            return Commit::Fenced;
        }
        if append.seq != self.logs[append.run].len() as u64 + 1 {
            return Commit::Conflict;
        }
        match self.judge(&append, rng) {
            Ok(rows) => self.rows = rows,
            Err(refused) => return Commit::Budget(refused),
        }
        for event in events {
            if let Event::CallStarted(started) = event {
                self.ordered.insert((append.run, started.call.clone()));
            }
        }
        self.logs[append.run].push(append);
        Commit::Committed
    }

    fn judge(&self, append: &Append, rng: &mut Rng) -> Result<BTreeMap<Row, Balance>, BTreeMap<BudgetKey, Refused>> {
        let mut rows = self.rows.clone();
        // What each row could give to the holds of this append, before any of them.
        let mut asked: BTreeMap<Row, (Balance, u64)> = BTreeMap::new();
        let mut refused = BTreeMap::new();
        let mine = |row: &Row| row.0.is_none() || row.0 == Some(append.run);
        for (op, failed) in &append.ledger {
            match op {
                LedgerOp::OpenRun { limits } => {
                    rows.extend(Meter::ALL.into_iter().filter_map(|meter| Some(((Some(append.run), meter), Balance::with_limit(limits.of(meter)?)))));
                }
                LedgerOp::SetRunLimit { meter, limit, spent, reserved } => {
                    rows.entry((Some(append.run), *meter)).or_insert_with(|| Balance::begun(*spent, *reserved)).set_limit(*limit);
                }
                LedgerOp::Settle { held, charged } => {
                    for (row, balance) in rows.iter_mut().filter(|(row, _)| mine(row)) {
                        let leaks = self.planted == Some(Planted::LeakedHold) && *failed;
                        balance.settle(if leaks { 0 } else { held.of(row.1) }, charged.of(row.1));
                        if self.planted == Some(Planted::SecondSettle) && rng.chance(10) {
                            balance.settle(0, charged.of(row.1));
                        }
                    }
                }
                LedgerOp::Hold { amounts } => {
                    for (row, balance) in rows.iter_mut().filter(|(row, _)| mine(row)) {
                        let amount = amounts.of(row.1);
                        let (before, sum) = asked.entry(*row).or_insert((*balance, 0));
                        *sum += amount;
                        if amount > 0 && before.judge(*sum).is_err() {
                            let scope = row.0.map_or(Scope::Tenant(TENANT.to_owned()), |_| Scope::Run);
                            let at_rest = if before.is_closed() { 0 } else { before.ceiling.saturating_sub(before.charged()) };
                            refused.insert(
                                BudgetKey { scope, meter: row.1 },
                                Refused { available: before.available(), available_at_rest: at_rest, frozen: before.frozen },
                            );
                        }
                        balance.hold(amount);
                    }
                }
            }
        }
        if refused.is_empty() { Ok(rows) } else { Err(refused) }
    }
}
