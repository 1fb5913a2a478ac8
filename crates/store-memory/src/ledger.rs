//! What an append moves in the budgets, worked out on copies.

use std::collections::BTreeMap;

use gorgon_core::budget::{Balance, BudgetKey, LedgerOp};
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::RunNo;
use gorgon_ports::journal::{Append, BudgetRefusal, Refusal};

use crate::state::{Owner, State};

type Rows = BTreeMap<(Owner, Meter), Balance>;

impl State {
    /// The rows as they are after the append, or every row that says no.
    pub(crate) fn judge_ledger(&self, append: &Append, run: RunNo, tenant: &str) -> Result<Rows, Refusal> {
        let mut owners = vec![Owner::Run(run)];
        for owner in append.scopes.iter().filter_map(|scope| Owner::of(scope, tenant, run)) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        let mut rows: Rows = Rows::new();
        for owner in &owners {
            for meter in Meter::ALL {
                let key = (owner.clone(), meter);
                if let Some(balance) = self.budgets.get(&key) {
                    rows.insert(key, *balance);
                }
            }
        }

        let mut holds: BTreeMap<(Owner, Meter), Holds> = BTreeMap::new();
        let mut refused: BTreeMap<(usize, Meter), BudgetRefusal> = BTreeMap::new();
        for op in &append.ledger {
            match op {
                LedgerOp::OpenRun { limits } => {
                    for meter in Meter::ALL {
                        if let Some(limit) = limits.of(meter) {
                            rows.entry((Owner::Run(run), meter)).or_default().set_limit(limit);
                        }
                    }
                }
                LedgerOp::SetRunLimit { meter, limit, spent, reserved } => {
                    rows.entry((Owner::Run(run), *meter)).or_insert_with(|| Balance::begun(*spent, *reserved)).set_limit(*limit)
                }
                LedgerOp::Settle { held, charged } => {
                    for ((_, meter), balance) in &mut rows {
                        balance.settle(held.of(*meter), charged.of(*meter));
                    }
                }
                LedgerOp::Hold { amounts } => hold(&mut rows, &mut holds, *amounts, |key, no| {
                    let place = owners.iter().position(|owner| *owner == key.0).unwrap_or_default();
                    refused.insert((place, key.1), no);
                }),
            }
        }
        if refused.is_empty() { Ok(rows) } else { Err(Refusal::Budget(refused.into_values().collect())) }
    }
}

/// What the holds of one append came to in one row.
#[derive(Default)]
struct Holds {
    asked: u64,
    granted: u64,
}

/// Takes a hold in every row, judged together with the holds before it in the same append.
fn hold(rows: &mut Rows, holds: &mut BTreeMap<(Owner, Meter), Holds>, amounts: Amounts, mut refuse: impl FnMut(&(Owner, Meter), BudgetRefusal)) {
    for (key, balance) in rows {
        let amount = amounts.of(key.1);
        if amount == 0 {
            continue;
        }
        let before = holds.entry(key.clone()).or_default();
        let base = Balance { reserved: balance.reserved.saturating_sub(before.granted), ..*balance };
        before.asked = before.asked.saturating_add(amount);
        match base.judge(before.asked) {
            Ok(()) => {
                before.granted = before.granted.saturating_add(amount);
                balance.hold(amount);
            }
            Err(why) => refuse(
                key,
                BudgetRefusal {
                    key: BudgetKey { scope: key.0.scope(), meter: key.1 },
                    why,
                    available: base.available(),
                    available_at_rest: Balance { reserved: 0, ..base }.available(),
                },
            ),
        }
    }
}
