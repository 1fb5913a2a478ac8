//! Many at once.

use std::sync::Arc;

use gorgon_core::budget::{Balance, LedgerOp, Limits, Scope};
use gorgon_core::money::Meter;
use gorgon_ports::journal::Refusal;
use gorgon_ports::{Append, Commit, TenantScope};
use tokio::task::JoinSet;

use super::pen::hold;
use super::{AnyStore, Pen, committed, new_run, refused};

const TASKS: u128 = 64;

pub(super) async fn neighbours(store: AnyStore) {
    let limits = Limits { cost_nano_usd: Some(1), ..Limits::default() };
    let mut pens = Vec::new();
    for id in 0..TASKS {
        pens.push(Pen::begin_with(&store, id, vec![LedgerOp::OpenRun { limits }]).await);
    }
    let mut tasks = JoinSet::new();
    for (index, mut pen) in pens.into_iter().enumerate() {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for round in 0..8 {
                let append = match (index + round) % 4 {
                    0 => Append { ledger: vec![hold(2)], ..pen.append("[]") },
                    1 => Append { seq: pen.seq(), ..pen.append("[]") },
                    _ => pen.append("[]"),
                };
                let commit = pen.send(&store, append).await;
                match (index + round) % 4 {
                    0 => assert!(matches!(refused(commit), Refusal::Budget(_))),
                    1 => assert_eq!(refused(commit), Refusal::Conflict { head: pen.seq() }),
                    _ => drop(committed(commit)),
                }
            }
            let read = store.load(pen.key(), 0).await.expect("loads");
            assert_eq!(read.len(), 5);
        });
    }
    join(tasks).await;
}

/// Holds of 10 against 305: 30 are granted, however the tasks fall; no settlement frees any.
pub(super) async fn one_budget(store: AnyStore) {
    let scope = TenantScope("t".into());
    store.set_limit(&scope, None, Meter::Usd, 305).await.expect("sets");
    let mut tasks = JoinSet::new();
    for id in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut pen = Pen::begin(&store, id).await;
            pen.scopes = vec![Scope::Tenant("t".into())];
            u64::from(matches!(pen.hold(&store, 10).await, Commit::Committed(_)))
        });
    }
    let granted: u64 = join(tasks).await.into_iter().sum();
    assert_eq!(granted, 30);
    let row = &store.of_tenant(&scope).await.expect("reads")[0];
    assert_eq!(row.balance, Balance { reserved: 300, ..Balance::with_limit(305) });
}

pub(super) async fn one_number(store: AnyStore) {
    let pen = Pen::begin(&store, 1).await;
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let (store, pen) = (Arc::clone(&store), pen.clone());
        tasks.spawn(async move {
            let same = matches!(store.commit(pen.append(format!("[{number}]"))).await, Commit::Committed(_));
            let created = matches!(store.commit(Pen::of(new_run(2, "t")).append("[]")).await, Commit::Committed(_));
            (usize::from(same), usize::from(created))
        });
    }
    let won = join(tasks).await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(won, (1, 1));
    assert_eq!(store.load(pen.key(), 0).await.expect("loads").len(), 2);
}

pub(super) async fn many_runs(store: AnyStore) {
    let mut tasks = JoinSet::new();
    for id in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut pen = Pen::begin(&store, id).await;
            for _ in 0..15 {
                committed(pen.write(&store, "[]").await);
            }
        });
    }
    join(tasks).await;
    let feed = store.feed(0, 10_000).await.expect("feeds");
    assert!(feed.iter().map(|append| append.pos).eq(1..=16 * 64));
    let mut seqs = std::collections::BTreeMap::new();
    for append in feed {
        let last = seqs.entry(append.run_no).or_insert(0);
        *last += 1;
        assert_eq!(append.seq, *last, "the feed keeps the order of each run");
    }
}

async fn join<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.expect("no task panics"));
    }
    results
}
