//! Tenants see and spend what is theirs.

use bytes::Bytes;
use gorgon_core::budget::{Balance, Scope};
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::money::Meter;
use gorgon_ports::{Append, Blob, RunFilter, StoreError, TenantScope};

use super::{AnyStore, Pen, committed, new_run};

fn scope(tenant: &str) -> TenantScope {
    TenantScope(tenant.into())
}

pub(super) async fn apart(store: AnyStore) {
    let text = Blob { hash: ContentHash::of(b"secret"), bytes: Bytes::from_static(b"secret") };
    let mut pens = Vec::new();
    for (id, tenant) in [(1, "a"), (2, "b"), (3, "")] {
        let mut pen = Pen::of(new_run(id, tenant));
        let blobs = if tenant == "a" { vec![text.clone()] } else { Vec::new() };
        let append = Append { blobs, ..pen.append("[]") };
        committed(pen.send(&store, append).await);
        store.set_limit(&scope(tenant), None, Meter::Usd, 10).await.expect("sets");
        store.set_limit(&scope(tenant), Some("p"), Meter::Usd, 10).await.expect("sets");
        pens.push(pen);
    }
    for (id, tenant) in [(1, "a"), (2, "b"), (3, "")] {
        let filter = RunFilter { limit: 10, ..RunFilter::default() };
        let listed = store.list(&scope(tenant), &filter).await.expect("lists");
        assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [RunId(id)]);
        let found = store.search(&scope(tenant), "run_", 10).await.expect("searches");
        assert_eq!(found, listed);
        for other in 1..=3 {
            let found = store.find(&scope(tenant), RunId(other)).await.expect("reads");
            assert_eq!(found.is_some(), other == id);
        }
        let rows = store.of_tenant(&scope(tenant)).await.expect("reads");
        let scopes: Vec<Scope> = rows.into_iter().map(|row| row.id.scope).collect();
        assert_eq!(scopes, [Scope::Tenant(tenant.into()), Scope::Project("p".into())]);
    }
    assert_eq!(store.of_tenant(&scope("c")).await, Ok(Vec::new()));
    assert_eq!(store.blobs(pens[0].key(), &[text.hash]).await, Ok(vec![text.clone()]));
    assert!(matches!(store.blobs(pens[1].key(), &[text.hash]).await, Err(StoreError::Damaged(_))));
}

pub(super) async fn own_money(store: AnyStore) {
    for tenant in ["a", "b"] {
        store.set_limit(&scope(tenant), None, Meter::Usd, 10).await.expect("sets");
        store.set_limit(&scope(tenant), Some("p"), Meter::Usd, 20).await.expect("sets");
    }
    let mut pen = Pen::of(new_run(1, "a"));
    pen.scopes = vec![Scope::Tenant("b".into()), Scope::Project("p".into()), Scope::Tenant("a".into()), Scope::Tenant("a".into())];
    committed(pen.hold(&store, 3).await);
    let balances = async |tenant| store.of_tenant(&scope(tenant)).await.expect("reads").into_iter().map(|row| row.balance).collect::<Vec<_>>();
    let held = |limit| Balance { reserved: 3, ..Balance::with_limit(limit) };
    assert_eq!(balances("a").await, [held(10), held(20)]);
    assert_eq!(balances("b").await, [Balance::with_limit(10), Balance::with_limit(20)]);
}
