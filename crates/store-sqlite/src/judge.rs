//! What an append moves in the budgets: worked out on copies, so that a refusal leaves nothing.

use std::sync::Arc;

use gorgon_core::budget::{Balance, BudgetKey, LedgerOp};
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::journal::{BudgetRefusal, Refusal};
use rusqlite::{Connection, Result};

use crate::account::{Account, Accounts, Owner};
use crate::order::Ready;

/// One account of the chain that an append draws on.
struct Link {
    owner: Owner,
    account: Account,
    /// What the holds of this append asked for so far, by meter.
    asked: [u64; 3],
    /// How much of that was granted, and stands in `account`.
    granted: [u64; 3],
    refused: [Option<BudgetRefusal>; 3],
}

/// Moves the accounts, or names every row that says no.
pub(crate) fn judge(
    connection: &Connection,
    accounts: &mut Accounts,
    append: &Ready,
    tenant: &Arc<str>,
    no: i64,
) -> Result<std::result::Result<(), Refusal>> {
    if append.ledger.is_empty() {
        return Ok(Ok(()));
    }
    let mut chain = chain(connection, accounts, append, tenant, no)?;
    for op in &append.ledger {
        apply(&mut chain, op);
    }
    let refused: Vec<BudgetRefusal> = chain.iter_mut().flat_map(|link| link.refused.iter_mut().filter_map(Option::take)).collect();
    if !refused.is_empty() {
        return Ok(Err(Refusal::Budget(refused)));
    }
    for link in chain {
        accounts.put(link.owner, link.account);
    }
    Ok(Ok(()))
}

/// The run first, then the scopes in the order of the append, each once.
fn chain(connection: &Connection, accounts: &mut Accounts, append: &Ready, tenant: &Arc<str>, no: i64) -> Result<Vec<Link>> {
    let mut chain: Vec<Link> = Vec::with_capacity(1 + append.scopes.len());
    let run = Owner::Run { tenant: Arc::clone(tenant), no };
    for owner in std::iter::once(run).chain(append.scopes.iter().filter_map(|scope| Owner::of(scope, tenant, no))) {
        if chain.iter().all(|link| link.owner != owner) {
            let account = accounts.get(connection, &owner)?;
            chain.push(Link { owner, account, asked: [0; 3], granted: [0; 3], refused: [const { None }; 3] });
        }
    }
    Ok(chain)
}

fn apply(chain: &mut [Link], op: &LedgerOp) {
    match op {
        LedgerOp::OpenRun { limits } => {
            for meter in Meter::ALL {
                if let Some(limit) = limits.of(meter) {
                    set_run_limit(chain, meter, limit);
                }
            }
        }
        LedgerOp::SetRunLimit { meter, limit, spent, reserved } => {
            if let Some(run) = chain.first_mut() {
                let is_new = run.account.balance_mut(*meter).is_none();
                let balance = run.account.open(*meter);
                if is_new {
                    *balance = Balance::begun(*spent, *reserved);
                }
                balance.set_limit(*limit);
            }
        }
        LedgerOp::Settle { held, charged } => {
            for link in chain {
                for meter in Meter::ALL {
                    if let Some(balance) = link.account.balance_mut(meter) {
                        balance.settle(held.of(meter), charged.of(meter));
                    }
                }
            }
        }
        LedgerOp::Hold { amounts } => {
            for link in chain {
                hold(link, *amounts);
            }
        }
    }
}

fn set_run_limit(chain: &mut [Link], meter: Meter, limit: u64) {
    if let Some(run) = chain.first_mut() {
        run.account.open(meter).set_limit(limit);
    }
}

/// Takes a hold, judged together with the holds before it in the same append: what the refusal names is what the row had for all of them.
fn hold(link: &mut Link, amounts: Amounts) {
    for meter in Meter::ALL {
        let amount = amounts.of(meter);
        let Some(balance) = link.account.balance_mut(meter).filter(|_| amount > 0) else { continue };
        let (asked, granted) = (&mut link.asked[meter as usize], &mut link.granted[meter as usize]);
        let without = Balance { reserved: balance.reserved.saturating_sub(*granted), ..*balance };
        *asked = asked.saturating_add(amount);
        match without.judge(*asked) {
            Ok(()) => {
                *granted = granted.saturating_add(amount);
                balance.hold(amount);
            }
            Err(why) => {
                link.refused[meter as usize] = Some(BudgetRefusal {
                    key: BudgetKey { scope: link.owner.scope(), meter },
                    why,
                    available: without.available(),
                    available_at_rest: Balance { reserved: 0, ..without }.available(),
                });
            }
        }
    }
}
