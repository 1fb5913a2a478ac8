//! Budgets: what is granted, what is refused and why.

use gorgon_core::budget::{Balance, BudgetKey, LedgerOp, Limits, NoHold, Scope};
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::journal::{BudgetRefusal, Refusal};
use gorgon_ports::{Append, RowId, TenantScope};

use super::pen::{hold, settle, usd};
use super::{AnyStore, Pen, committed, new_run, refused};

fn scope() -> TenantScope {
    TenantScope("t".into())
}

fn open_usd(limit: u64) -> LedgerOp {
    LedgerOp::OpenRun { limits: Limits { cost_nano_usd: Some(limit), ..Limits::default() } }
}

async fn of_run(store: &AnyStore, pen: &Pen) -> Balance {
    let rows = store.of_run(pen.key()).await.expect("reads");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].id, RowId { scope: Scope::Run, run_no: Some(pen.key().no()), meter: Meter::Usd });
    assert!(rows[0].balance.is_in_order());
    rows[0].balance
}

async fn of_tenant(store: &AnyStore) -> Balance {
    let rows = store.of_tenant(&scope()).await.expect("reads");
    assert_eq!(rows[0].id, RowId { scope: Scope::Tenant("t".into()), run_no: None, meter: Meter::Usd });
    assert!(rows[0].balance.is_in_order());
    rows[0].balance
}

fn no(scope: Scope, why: NoHold, available: u64, available_at_rest: u64) -> BudgetRefusal {
    BudgetRefusal { key: BudgetKey { scope, meter: Meter::Usd }, why, available, available_at_rest }
}

pub(super) async fn no_limits(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    committed(pen.hold(&store, u64::MAX).await);
    committed(pen.settle(&store, u64::MAX, 3).await);
    assert_eq!(store.of_run(pen.key()).await, Ok(Vec::new()));

    let limits = Limits { cost_nano_usd: Some(1), tokens: Some(2), calls: Some(3) };
    let all = Pen::begin_with(&store, 2, vec![LedgerOp::OpenRun { limits }]).await;
    let rows = store.of_run(all.key()).await.expect("reads");
    let expected = [(Meter::Usd, 1), (Meter::Tokens, 2), (Meter::Calls, 3)].map(|(meter, limit)| (meter, Balance::with_limit(limit)));
    assert_eq!(rows.into_iter().map(|row| (row.id.meter, row.balance)).collect::<Vec<_>>(), expected);
}

pub(super) async fn hold_and_settle(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100)]).await;
    committed(pen.hold(&store, 100).await);
    assert_eq!(of_run(&store, &pen).await, Balance { reserved: 100, ..Balance::with_limit(100) });
    committed(pen.settle(&store, 100, 30).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 30, ..Balance::with_limit(100) });
    committed(pen.hold(&store, 70).await);
    committed(pen.settle(&store, 70, 70).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 100, ..Balance::with_limit(100) });
    committed(pen.hold(&store, 0).await);
}

pub(super) async fn wait(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100)]).await;
    committed(pen.hold(&store, 60).await);
    let refusal = Refusal::Budget(vec![no(Scope::Run, NoHold::Wait, 40, 100)]);
    assert_eq!(refused(pen.hold(&store, 41).await), refusal);
    committed(pen.hold(&store, 40).await);
    committed(pen.settle(&store, 60, 0).await);
    committed(pen.hold(&store, 41).await);
}

pub(super) async fn exhausted(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100)]).await;
    committed(pen.hold(&store, 60).await);
    committed(pen.settle(&store, 60, 50).await);
    committed(pen.hold(&store, 10).await);
    assert_eq!(refused(pen.hold(&store, 51).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Exhausted, 40, 50)]));
    assert_eq!(refused(pen.hold(&store, 50).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Wait, 40, 50)]));
}

pub(super) async fn together(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100)]).await;
    committed(pen.hold(&store, 20).await);
    let refusal = |why| Refusal::Budget(vec![no(Scope::Run, why, 80, 100)]);
    assert_eq!(refused(pen.write_ledger(&store, vec![hold(50), hold(31)]).await), refusal(NoHold::Wait));
    assert_eq!(refused(pen.write_ledger(&store, vec![hold(50), hold(31), hold(20)]).await), refusal(NoHold::Exhausted));
    committed(pen.write_ledger(&store, vec![hold(50), hold(30)]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { reserved: 100, ..Balance::with_limit(100) });
}

pub(super) async fn settle_first(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100), hold(100)]).await;
    let refusal = Refusal::Budget(vec![no(Scope::Run, NoHold::Wait, 0, 100)]);
    assert_eq!(refused(pen.write_ledger(&store, vec![hold(90), settle(100, 10)]).await), refusal);
    committed(pen.write_ledger(&store, vec![settle(100, 10), hold(90)]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 10, reserved: 90, ..Balance::with_limit(100) });
    // A limit that is raised in the same append counts as well.
    let raise = LedgerOp::SetRunLimit { meter: Meter::Usd, limit: 105, spent: 0, reserved: 0 };
    committed(pen.write_ledger(&store, vec![raise, hold(5)]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 10, reserved: 95, ..Balance::with_limit(105) });
}

pub(super) async fn every_row(store: AnyStore) {
    store.set_limit(&scope(), None, Meter::Usd, 50).await.expect("sets");
    store.set_limit(&scope(), Some("p"), Meter::Calls, 1).await.expect("sets");
    store.set_limit(&scope(), Some("roomy"), Meter::Usd, 1_000).await.expect("sets");
    let limits = Limits { cost_nano_usd: Some(10), tokens: Some(1_000), calls: None };
    let mut pen = Pen::begin_with(&store, 1, vec![LedgerOp::OpenRun { limits }]).await;
    pen.scopes = vec![Scope::Project("p".into()), Scope::Tenant("t".into()), Scope::Project("roomy".into()), Scope::Project("none".into())];
    let amounts = Amounts { cost_nano_usd: 60, tokens: 5, calls: 2 };
    let calls = BudgetRefusal {
        key: BudgetKey { scope: Scope::Project("p".into()), meter: Meter::Calls },
        why: NoHold::Exhausted,
        available: 1,
        available_at_rest: 1,
    };
    let expected = vec![no(Scope::Run, NoHold::Exhausted, 10, 10), calls, no(Scope::Tenant("t".into()), NoHold::Exhausted, 50, 50)];
    assert_eq!(refused(pen.write_ledger(&store, vec![LedgerOp::Hold { amounts }]).await), Refusal::Budget(expected));
    let rows = store.of_tenant(&scope()).await.expect("reads");
    assert!(rows.iter().all(|row| row.balance == Balance::with_limit(row.balance.limit)), "nothing of it is left: {rows:?}");

    let fits = Amounts { cost_nano_usd: 10, tokens: 5, calls: 1 };
    committed(pen.write_ledger(&store, vec![LedgerOp::Hold { amounts: fits }]).await);
    let reserved: Vec<u64> = store.of_tenant(&scope()).await.expect("reads").iter().map(|row| row.balance.reserved).collect();
    assert_eq!(reserved, [10, 1, 10]);
}

pub(super) async fn overage(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100), hold(10)]).await;
    committed(pen.settle(&store, 10, 17).await);
    let frozen = Balance { spent: 10, overage: 7, frozen: true, ..Balance::with_limit(100) };
    assert_eq!(of_run(&store, &pen).await, frozen);
    assert_eq!(refused(pen.hold(&store, 1).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Frozen, 0, 0)]));
    committed(pen.hold(&store, 0).await);
    committed(pen.write_ledger(&store, vec![LedgerOp::SetRunLimit { meter: Meter::Usd, limit: 200, spent: 0, reserved: 0 }]).await);
    // Whoever sets a limit answers for it: what froze the row was looked at.
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 10, overage: 7, ..Balance::with_limit(200) });
    committed(pen.hold(&store, 1).await);
}

pub(super) async fn limit_in_mid_run(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    committed(pen.hold(&store, 30).await);
    let first = LedgerOp::SetRunLimit { meter: Meter::Usd, limit: 100, spent: 50, reserved: 30 };
    committed(pen.write_ledger(&store, vec![first]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 50, reserved: 30, ..Balance::with_limit(100) });
    assert_eq!(refused(pen.hold(&store, 21).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Wait, 20, 50)]));
    // A row that is there knows better what was spent.
    let again = LedgerOp::SetRunLimit { meter: Meter::Usd, limit: 200, spent: 0, reserved: 0 };
    committed(pen.write_ledger(&store, vec![again]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 50, reserved: 30, ..Balance::with_limit(200) });
}

pub(super) async fn younger_row(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    pen.scopes = vec![Scope::Tenant("t".into())];
    committed(pen.hold(&store, 100).await);
    store.set_limit(&scope(), None, Meter::Usd, 10).await.expect("sets");
    committed(pen.settle(&store, 100, 60).await);
    assert_eq!(of_tenant(&store).await, Balance { spent: 10, overage: 50, frozen: true, ..Balance::with_limit(10) });
    // Whoever sets the limit has looked at it: it grants what is left of that, the overage counted.
    store.set_limit(&scope(), None, Meter::Usd, 100).await.expect("sets");
    assert_eq!(of_tenant(&store).await, Balance { spent: 10, overage: 50, ..Balance::with_limit(100) });
    assert_eq!(refused(pen.hold(&store, 41).await), Refusal::Budget(vec![no(Scope::Tenant("t".into()), NoHold::Exhausted, 40, 40)]));
    committed(pen.hold(&store, 40).await);
    // One that was lifted stops nobody.
    store.set_limit(&scope(), None, Meter::Usd, Balance::AMOUNT_MAX).await.expect("sets");
    committed(pen.settle(&store, 40, 70).await);
    assert_eq!(of_tenant(&store).await, Balance { spent: 50, overage: 80, ..Balance::with_limit(Balance::AMOUNT_MAX) });
    committed(pen.hold(&store, 1_000).await);
}

pub(super) async fn closed_row(store: AnyStore) {
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(100), hold(60)]).await;
    let limit = |limit| vec![LedgerOp::SetRunLimit { meter: Meter::Usd, limit, spent: 0, reserved: 0 }];
    committed(pen.write_ledger(&store, limit(20)).await);
    assert_eq!(of_run(&store, &pen).await, Balance { limit: 20, ceiling: 60, reserved: 60, ..Balance::default() });
    assert_eq!(refused(pen.hold(&store, 1).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Exhausted, 0, 0)]));
    committed(pen.settle(&store, 60, 10).await);
    assert_eq!(refused(pen.hold(&store, 1).await), Refusal::Budget(vec![no(Scope::Run, NoHold::Exhausted, 0, 0)]));
    committed(pen.write_ledger(&store, limit(70)).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: 10, ..Balance::with_limit(70) });
    committed(pen.hold(&store, 60).await);
}

pub(super) async fn shared(store: AnyStore) {
    store.set_limit(&scope(), None, Meter::Usd, 100).await.expect("sets");
    let mut pens = [Pen::begin(&store, 1).await, Pen::begin_with(&store, 2, vec![open_usd(30)]).await];
    for pen in &mut pens {
        pen.scopes = vec![Scope::Tenant("t".into())];
    }
    committed(pens[0].hold(&store, 75).await);
    let tenant = no(Scope::Tenant("t".into()), NoHold::Wait, 25, 100);
    assert_eq!(refused(pens[1].hold(&store, 30).await), Refusal::Budget(vec![tenant]));
    committed(pens[1].hold(&store, 25).await);
    committed(pens[0].settle(&store, 75, 70).await);
    committed(pens[1].settle(&store, 25, 5).await);
    assert_eq!(of_tenant(&store).await, Balance { spent: 75, ..Balance::with_limit(100) });
    assert_eq!(of_run(&store, &pens[1]).await, Balance { spent: 5, ..Balance::with_limit(30) });
    store.set_limit(&scope(), None, Meter::Usd, 80).await.expect("sets");
    assert_eq!(of_tenant(&store).await, Balance { spent: 75, ..Balance::with_limit(80) });
    store.set_limit(&scope(), None, Meter::Usd, 20).await.expect("sets");
    assert_eq!(of_tenant(&store).await, Balance { limit: 20, ceiling: 75, spent: 75, ..Balance::default() });
}

pub(super) async fn huge(store: AnyStore) {
    let most = Balance::AMOUNT_MAX;
    let mut pen = Pen::begin_with(&store, 1, vec![open_usd(u64::MAX)]).await;
    assert_eq!(of_run(&store, &pen).await, Balance::with_limit(most));
    let refusal = Refusal::Budget(vec![no(Scope::Run, NoHold::Exhausted, most, most)]);
    assert_eq!(refused(pen.hold(&store, u64::MAX).await), refusal);
    assert_eq!(refused(pen.write_ledger(&store, vec![hold(most), hold(most)]).await), refusal);
    committed(pen.hold(&store, most).await);
    committed(pen.write_ledger(&store, vec![settle(most, u64::MAX), settle(0, u64::MAX)]).await);
    assert_eq!(of_run(&store, &pen).await, Balance { spent: most, overage: most, ..Balance::with_limit(most) });

    let mut other = Pen::of(new_run(2, "t"));
    let append = Append { ledger: vec![LedgerOp::Settle { held: usd(u64::MAX), charged: usd(u64::MAX) }], ..other.append("[]") };
    committed(other.send(&store, append).await);
}
