//! Appends: where they may go, and how they come back.

use bytes::Bytes;
use gorgon_core::budget::{LedgerOp, Limits};
use gorgon_core::ids::{ContentHash, RunId};
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::journal::Refusal;
use gorgon_ports::{Append, RunFilter, RunNo, RunRow, StoreError, StoredAppend, TenantScope};

use super::pen::hold;
use super::{AnyStore, Pen, committed, new_run, refused};

pub(super) async fn created(store: AnyStore) {
    let mut pen = Pen::of(new_run(7, "t"));
    let receipt = committed(pen.write(&store, "[1]").await);
    assert_eq!((receipt.run().id(), receipt.pos(), receipt.seq()), (RunId(7), 1, 1));
    let (key, row) = store.find(&TenantScope("t".into()), RunId(7)).await.expect("reads").expect("is there");
    assert_eq!(key, *receipt.run());
    let expected = RunRow {
        no: key.no(),
        id: RunId(7),
        tenant: "t".into(),
        workflow: "flow".into(),
        file: None,
        definition: ContentHash::of(b"definition"),
        status: RunStatus::Queued,
        created_at: Timestamp(1_001),
        updated_at: Timestamp(1_001),
        wake_at: None,
    };
    assert_eq!(row, expected);
}

pub(super) async fn order(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let second = Append { count: 3, ..pen.append("[1,2,3]") };
    let (hash, at) = (second.hash, second.at);
    let receipt = committed(pen.send(&store, second).await);
    committed(pen.write(&store, "[\"ä\"]").await);

    let appends = store.load(pen.key(), 0).await.expect("loads");
    assert_eq!(appends.iter().map(|append| append.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let expected = StoredAppend { pos: receipt.pos(), run_no: pen.key().no(), seq: 2, count: 3, at, hash, body: Bytes::from_static(b"[1,2,3]") };
    assert_eq!(appends[1], expected);
    assert_eq!(appends[2].body, "[\"ä\"]");
}

pub(super) async fn chain(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    committed(pen.write(&store, "[2]").await);
    let appends = store.load(pen.key(), 0).await.expect("loads");
    let mut text = appends[0].hash.0.to_vec();
    text.extend_from_slice(&2_u64.to_be_bytes());
    text.extend_from_slice(&1_002_i64.to_be_bytes());
    text.extend_from_slice(b"[2]");
    assert_eq!(appends[1].hash, ContentHash::of(&text));
}

pub(super) async fn wrong_hash(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let append = Append { hash: ContentHash::of(b"something else"), ..pen.append("[]") };
    committed(pen.send(&store, append).await);
    assert!(matches!(store.load(pen.key(), 0).await, Err(StoreError::Damaged(_))));
    assert!(matches!(store.load(pen.key(), 2).await, Err(StoreError::Damaged(_))), "the chain is checked from the first append on");
}

pub(super) async fn conflict(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let late = pen.clone();
    committed(pen.write(&store, "[\"mine\"]").await);
    assert_eq!(refused(store.commit(late.append("[\"late\"]")).await), Refusal::Conflict { head: 2 });
    assert_eq!(store.load(pen.key(), 1).await.expect("loads")[0].body, "[\"mine\"]");
}

pub(super) async fn gap(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    for seq in [0, 1, 3, u64::MAX] {
        let append = Append { seq, ..pen.append("[]") };
        assert_eq!(refused(store.commit(append).await), Refusal::Conflict { head: 1 }, "number {seq}");
    }
    committed(pen.write(&store, "[]").await);
}

pub(super) async fn id_taken(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    committed(pen.write(&store, "[]").await);
    for tenant in ["t", "other"] {
        let again = Pen::of(new_run(1, tenant)).append("[]");
        assert_eq!(refused(store.commit(again).await), Refusal::Conflict { head: 2 });
    }
    let first_is_two = Append { seq: 2, ..Pen::of(new_run(2, "t")).append("[]") };
    assert_eq!(refused(store.commit(first_is_two).await), Refusal::Conflict { head: 0 });
}

pub(super) async fn misplaced(store: AnyStore) {
    let pen = Pen::begin(&store, 1).await;
    let none = Append { run: None, ..pen.append("[]") };
    let both = Append { create: Some(new_run(2, "t")), ..pen.append("[]") };
    let unknown = |no| Append { run: Some(RunNo(no)), ..pen.append("[]") };
    for append in [none, both, unknown(99), unknown(0), unknown(-1)] {
        assert_eq!(refused(store.commit(append).await), Refusal::Conflict { head: 0 });
    }
}

pub(super) async fn fenced(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let epoch = store.take_over().await.expect("takes over");
    assert_eq!(refused(pen.write(&store, "[]").await), Refusal::Fenced);
    assert_eq!(refused(store.commit(Pen::of(new_run(2, "t")).append("[]")).await), Refusal::Fenced);
    pen.epoch = epoch;
    committed(pen.write(&store, "[]").await);
    assert_eq!(store.take_over().await.expect("takes over"), epoch + 1);
    assert_eq!(refused(pen.write(&store, "[]").await), Refusal::Fenced);
}

pub(super) async fn order_of_refusals(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    let limits = Limits { cost_nano_usd: Some(1), ..Limits::default() };
    committed(pen.write_ledger(&store, vec![LedgerOp::OpenRun { limits }]).await);
    let all_wrong = Append { seq: 9, ledger: vec![hold(2)], ..pen.append("[]") };
    assert_eq!(refused(store.commit(all_wrong.clone()).await), Refusal::Conflict { head: 2 });
    store.take_over().await.expect("takes over");
    assert_eq!(refused(store.commit(all_wrong).await), Refusal::Fenced);
    // An id that is taken comes before the money as well.
    let again = Append { ledger: vec![LedgerOp::OpenRun { limits }, hold(2)], epoch: 1, ..Pen::of(new_run(1, "t")).append("[]") };
    assert_eq!(refused(store.commit(again).await), Refusal::Conflict { head: 2 });
}

pub(super) async fn load_after(store: AnyStore) {
    let mut pen = Pen::begin(&store, 1).await;
    for _ in 0..9 {
        committed(pen.write(&store, "[]").await);
    }
    for after in [0, 1, 9, 10, 11, u64::MAX] {
        let seqs: Vec<u64> = store.load(pen.key(), after).await.expect("loads").iter().map(|append| append.seq).collect();
        assert_eq!(seqs, (1..=10).filter(|seq| *seq > after).collect::<Vec<_>>());
    }
}

pub(super) async fn feed(store: AnyStore) {
    let mut pens = [Pen::begin(&store, 1).await, Pen::begin(&store, 2).await, Pen::begin(&store, 3).await];
    let mut expected: Vec<(u64, u64)> = vec![(1, 1), (2, 1), (3, 1)];
    for index in [0, 2, 2, 1, 0, 1] {
        let receipt = committed(pens[index].write(&store, "[]").await);
        expected.push((receipt.pos(), receipt.seq()));
    }
    let all = store.feed(0, 100).await.expect("feeds");
    assert_eq!(all.iter().map(|append| (append.pos, append.seq)).collect::<Vec<_>>(), expected);
    assert_eq!(all.iter().map(|append| append.pos).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());

    let mut paged = Vec::new();
    while let Some(page) = Some(store.feed(paged.len() as u64, 4).await.expect("feeds")).filter(|page| !page.is_empty()) {
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(store.feed(9, 4).await, Ok(Vec::new()));
    assert_eq!(store.feed(u64::MAX, 4).await, Ok(Vec::new()));
}

pub(super) async fn refusal_leaves_nothing(store: AnyStore) {
    let limits = Limits { cost_nano_usd: Some(10), ..Limits::default() };
    let mut pen = Pen::begin_with(&store, 1, vec![LedgerOp::OpenRun { limits }]).await;
    let before = (store.of_run(pen.key()).await, store.find(&TenantScope("t".into()), RunId(1)).await);

    let text = gorgon_ports::Blob { hash: ContentHash::of(b"text"), bytes: Bytes::from_static(b"text") };
    let too_much = Append {
        blobs: vec![text.clone()],
        ledger: vec![LedgerOp::SetRunLimit { meter: gorgon_core::money::Meter::Calls, limit: 5, spent: 0, reserved: 0 }, hold(4), hold(7)],
        row: Some((RunStatus::Running, None)),
        ..pen.append("[]")
    };
    assert!(matches!(refused(store.commit(too_much).await), Refusal::Budget(_)));
    let new = Pen::of(new_run(2, "t"));
    let new = Append { ledger: vec![LedgerOp::OpenRun { limits }, hold(11)], ..new.append("[]") };
    assert!(matches!(refused(store.commit(new).await), Refusal::Budget(_)));

    assert_eq!((store.of_run(pen.key()).await, store.find(&TenantScope("t".into()), RunId(1)).await), before);
    assert!(matches!(store.blobs(pen.key(), &[text.hash]).await, Err(StoreError::Damaged(_))));
    assert_eq!(store.find(&TenantScope("t".into()), RunId(2)).await, Ok(None));
    let receipt = committed(pen.write(&store, "[]").await);
    assert_eq!((receipt.pos(), receipt.seq()), (2, 2));
    let next = Pen::begin(&store, 3).await;
    assert_eq!(next.key().no(), RunNo(pen.key().no().0 + 1));
    assert_eq!(store.of_run(next.key()).await, Ok(Vec::new()));
}

pub(super) async fn closed(store: AnyStore) {
    let pen = Pen::begin(&store, 1).await;
    store.close().await;
    assert!(matches!(refused(store.commit(pen.append("[]")).await), Refusal::Closed(_)));
    let scope = TenantScope("t".into());
    assert!(matches!(store.load(pen.key(), 0).await, Err(StoreError::Closed(_))));
    assert!(matches!(store.feed(0, 1).await, Err(StoreError::Closed(_))));
    assert!(matches!(store.take_over().await, Err(StoreError::Closed(_))));
    assert!(matches!(store.list(&scope, &RunFilter { limit: 1, ..RunFilter::default() }).await, Err(StoreError::Closed(_))));
    assert!(matches!(store.of_run(pen.key()).await, Err(StoreError::Closed(_))));
    assert!(matches!(store.set_limit(&scope, None, gorgon_core::money::Meter::Usd, 1).await, Err(StoreError::Closed(_))));
    store.close().await;
}
