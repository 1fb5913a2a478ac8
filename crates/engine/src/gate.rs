//! The gate: how many calls of each family are in flight over all runs, and who waits in line for permits and for money.
//!
//! An owner takes permits before it decides and gives back what the decision did not use, so the limits hold exactly without a lock around decisions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gorgon_core::budget::BudgetKey;
use gorgon_core::call::Family;
use gorgon_core::command::Blocked;
use gorgon_ports::RunNo;

use crate::options::Permits;

/// Most permits that one owner takes for one decision: enough to fill a wide fan-out in few appends, few enough to leave some for others.
const TAKEN_MAX: u32 = 512;

/// The engine's table of permits.
pub(crate) struct Gate {
    inner: Mutex<Inner>,
}

struct Inner {
    limit: BTreeMap<Family, u32>,
    used: BTreeMap<Family, u32>,
    permit_line: BTreeMap<Family, Line>,
    budget_line: BTreeMap<BudgetKey, Line>,
    /// How often money was given back.
    refunds: u64,
}

/// Runs that wait, first come first.
#[derive(Default)]
struct Line {
    order: VecDeque<RunNo>,
    in_it: BTreeSet<RunNo>,
}

impl Line {
    fn join(&mut self, run: RunNo) {
        if self.in_it.insert(run) {
            self.order.push_back(run);
        }
    }

    fn next(&mut self) -> Option<RunNo> {
        let run = self.order.pop_front()?;
        self.in_it.remove(&run);
        Some(run)
    }
}

impl Gate {
    pub(crate) fn new(permits: Permits) -> Self {
        let inner = Inner { limit: permits.0, used: BTreeMap::new(), permit_line: BTreeMap::new(), budget_line: BTreeMap::new(), refunds: 0 };
        Self { inner: Mutex::new(inner) }
    }

    /// Takes permits of every family, as many as there are, up to a bound.
    pub(crate) fn take(&self) -> BTreeMap<Family, u32> {
        let mut inner = self.lock();
        let taken: BTreeMap<Family, u32> = inner
            .limit
            .iter()
            .map(|(family, limit)| (*family, limit.saturating_sub(inner.used.get(family).copied().unwrap_or(0)).min(TAKEN_MAX)))
            .collect();
        for (family, count) in &taken {
            *inner.used.entry(*family).or_default() += count;
        }
        taken
    }

    /// Gives back permits; answers the runs that should look again, each with the family in whose line it stood.
    pub(crate) fn give_back(&self, unused: impl IntoIterator<Item = (Family, u32)>) -> Vec<(Family, RunNo)> {
        let mut inner = self.lock();
        let mut wake = Vec::new();
        for (family, count) in unused {
            if count == 0 {
                continue;
            }
            if let Some(used) = inner.used.get_mut(&family) {
                *used = used.saturating_sub(count);
            }
            if let Some(line) = inner.permit_line.get_mut(&family) {
                wake.extend((0..count).map_while(|_| line.next()).map(|run| (family, run)));
            }
        }
        wake
    }

    /// The next run in a line, when the one before it was not there any more.
    pub(crate) fn next_in_line(&self, family: Family) -> Option<RunNo> {
        self.lock().permit_line.get_mut(&family)?.next()
    }

    /// How often money was given back so far. Asked for before a decision, and shown when its run joins the line.
    pub(crate) fn refunds(&self) -> u64 {
        self.lock().refunds
    }

    /// A run waits in line for what kept its work from starting. Answers `false` if it has to look again instead, because a permit is free or money was given back
    /// since it was refused: whoever gave that back did not find it in the line.
    pub(crate) fn join(&self, run: RunNo, blocked: &Blocked, refunds_seen: u64) -> bool {
        if blocked.is_empty() {
            return true;
        }
        let mut inner = self.lock();
        let free = |family: &Family| inner.limit.get(family).copied().unwrap_or(0) > inner.used.get(family).copied().unwrap_or(0);
        if blocked.families.iter().any(free) || !blocked.budgets.is_empty() && inner.refunds != refunds_seen {
            return false;
        }
        for family in &blocked.families {
            inner.permit_line.entry(*family).or_default().join(run);
        }
        for budget in &blocked.budgets {
            inner.budget_line.entry(budget.clone()).or_default().join(run);
        }
        true
    }

    /// Money was given back to budgets above the runs: the runs that should look again. Everybody in line does, for the first may want more than there is.
    pub(crate) fn money_given_back(&self) -> Vec<RunNo> {
        let mut inner = self.lock();
        inner.refunds += 1;
        if inner.budget_line.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut inner.budget_line).into_values().flat_map(|line| line.order).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(limit: u32) -> Gate {
        Gate::new(Permits(BTreeMap::from([(Family::Model, limit)])))
    }

    #[test]
    fn what_is_taken_is_gone_until_it_is_given_back() {
        let gate = gate(3);
        assert_eq!(gate.take(), BTreeMap::from([(Family::Model, 3)]));
        assert_eq!(gate.take(), BTreeMap::from([(Family::Model, 0)]));
        gate.give_back([(Family::Model, 2)]);
        assert_eq!(gate.take(), BTreeMap::from([(Family::Model, 2)]));
    }

    #[test]
    fn a_run_in_line_is_woken_once_and_in_its_turn() {
        let gate = gate(1);
        let blocked = Blocked { families: [Family::Model].into(), budgets: BTreeSet::new() };
        gate.take();
        for run in [7, 8, 7] {
            assert!(gate.join(RunNo(run), &blocked, 0));
        }
        assert_eq!(gate.give_back([(Family::Model, 1)]), [(Family::Model, RunNo(7))]);
        assert_eq!(gate.give_back([(Family::Model, 1)]), [(Family::Model, RunNo(8))]);
        assert_eq!(gate.give_back([(Family::Model, 1)]), []);
    }

    #[test]
    fn nobody_joins_a_line_for_what_was_given_back_in_the_meantime() {
        let gate = gate(1);
        let permit = Blocked { families: [Family::Model].into(), budgets: BTreeSet::new() };
        let budget = BudgetKey { scope: gorgon_core::budget::Scope::Run, meter: gorgon_core::money::Meter::Usd };
        let money = Blocked { families: BTreeSet::new(), budgets: [budget].into() };
        gate.take();
        let seen = gate.refunds();
        gate.give_back([(Family::Model, 1)]);
        assert!(!gate.join(RunNo(7), &permit, seen), "the permit is free");
        gate.money_given_back();
        assert!(!gate.join(RunNo(7), &money, seen), "money came back after the refusal");
        assert!(gate.join(RunNo(7), &money, gate.refunds()));
        assert_eq!(gate.money_given_back(), [RunNo(7)]);
    }
}
