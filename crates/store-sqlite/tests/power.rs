//! The power is cut, on a disk that forgets what was not flushed. (A killed process would not show it: the kernel keeps what it was given.)

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gorgon_core::budget::{LedgerOp, Scope};
use gorgon_core::ids::RunId;
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::journal::Refusal;
use gorgon_ports::{Commit, StoreError, TenantScope};
use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::random::Dice;
use gorgon_testkit::store_contract::{AnyStore, Pen, committed, new_run, refused};
use gorgon_testkit_vfs::{Disk, Loss};
use tokio::sync::watch;

const RUNS: u128 = 8;

/// The highest number that was acknowledged, by run.
type Acknowledged = Arc<watch::Sender<BTreeMap<u128, u64>>>;

fn scope() -> TenantScope {
    TenantScope("t".into())
}

fn open_on(disk: &Disk, path: &Path) -> (AnyStore, SqliteStore) {
    let sqlite = SqliteStore::open(Options { vfs: Some(disk.name().to_owned()), ..Options::new(path) }).expect("opens");
    (Arc::new(sqlite.clone()), sqlite)
}

fn one_dollar() -> Amounts {
    Amounts { cost_nano_usd: 1, ..Amounts::ZERO }
}

/// Each append holds one, until the power is cut.
async fn write(store: AnyStore, id: u128, appends: u64, acknowledged: Acknowledged) {
    let mut dice = Dice::seeded(id as u64);
    let mut pen = Pen::of(new_run(id, "t"));
    pen.scopes = vec![Scope::Tenant("t".into())];
    for _ in 0..appends {
        let length = if dice.one_in(6) { 9_000 } else { 300 };
        let mut append = pen.append((0..length).map(|_| dice.below(256) as u8).collect::<Vec<u8>>());
        append.ledger.push(LedgerOp::Hold { amounts: one_dollar() });
        committed(pen.send(&store, append).await);
        acknowledged.send_modify(|seqs| {
            seqs.insert(id, pen.seq());
        });
    }
}

/// What is on the disk after the power was cut: appends by run, after proof that they and the money are whole; or why nobody can tell.
async fn after(folder: &Path) -> Result<BTreeMap<u128, u64>, String> {
    let store = SqliteStore::open(Options::new(folder.join("g.db"))).map_err(|error| error.to_string())?;
    let store: AnyStore = Arc::new(store);
    let mut found = BTreeMap::new();
    let mut held = 0;
    for id in 0..RUNS {
        let Some((key, _)) = store.find(&scope(), RunId(id)).await.map_err(|error| error.to_string())? else { continue };
        let log = store.load(&key, 0).await.map_err(|error| error.to_string())?;
        held += log.len() as u64;
        found.insert(id, log.len() as u64);
    }
    let rows = store.of_tenant(&scope()).await.map_err(|error| error.to_string())?;
    if held > 0 {
        assert_eq!(rows.first().map(|row| row.balance.reserved), Some(held), "the money and the log say the same");
    }
    let feed = store.feed(0, 100_000).await.map_err(|error| error.to_string())?;
    assert!(feed.iter().map(|append| append.pos).eq(1..=held), "the log has no gap");
    Ok(found)
}

/// Writes from several tasks, cuts the power somewhere in between, and answers what was acknowledged before and what is there after.
async fn cut(name: &str, seed: u64, appends: u64, loss: Loss, honest: bool) -> (BTreeMap<u128, u64>, Result<BTreeMap<u128, u64>, String>) {
    let (before_cut, after_cut) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let disk = Disk::install(&format!("{name}-{seed}"));
    let (store, _) = open_on(&disk, &before_cut.path().join("g.db"));
    store.set_limit(&scope(), None, Meter::Usd, u64::MAX).await.expect("sets");
    if !honest {
        disk.ignore_flushes();
    }
    let acknowledged = Acknowledged::default();
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..RUNS {
        tasks.spawn(write(Arc::clone(&store), id, appends, Arc::clone(&acknowledged)));
    }
    // Between the first append and the last.
    let wanted = 1 + Dice::seeded(seed).below(appends * RUNS as u64 - 1);
    let is_time = |seqs: &BTreeMap<u128, u64>| seqs.values().sum::<u64>() >= wanted;
    let known = acknowledged.subscribe().wait_for(is_time).await.expect("the sender is ours").clone();
    // What is acknowledged from here on counts for nothing.
    disk.power_cut(after_cut.path(), loss).expect("writes");
    tasks.shutdown().await;
    (known, after(after_cut.path()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_append_is_lost() {
    for seed in 0..30 {
        let loss = if seed % 2 == 0 { Loss::All } else { Loss::Some(seed) };
        // Some go on beyond a checkpoint.
        let appends = if seed % 6 < 2 { 200 } else { 25 };
        let (acknowledged, found) = cut("honest", seed, appends, loss, true).await;
        let found = found.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (id, seq) in acknowledged {
            let there = found.get(&id).copied().unwrap_or_default();
            assert!(there >= seq, "seed {seed}: run {id} was acknowledged up to {seq}, and has {there}");
        }
    }
}

/// The test above can fail: a disk that lies about its flushes, which is what `synchronous = OFF` would make of an honest one, loses them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_flushes_they_are_lost() {
    let mut lost = 0;
    for seed in 0..10 {
        let (acknowledged, found) = cut("lying", seed, 25, Loss::All, false).await;
        let found = found.unwrap_or_default();
        lost += usize::from(acknowledged.iter().any(|(id, seq)| found.get(id).copied().unwrap_or_default() < *seq));
    }
    assert_eq!(lost, 10, "every cut loses something");
}

#[tokio::test]
async fn each_commit_is_flushed() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::install("counting");
    let (store, sqlite) = open_on(&disk, &folder.path().join("g.db"));
    let mut pen = Pen::begin(&store, 1).await;
    let (flushes, stats) = (disk.flushes(), sqlite.stats());
    for _ in 0..1_000 {
        committed(pen.write(&store, "[]").await);
    }
    let (flushes, commits) = (disk.flushes() - flushes, sqlite.stats().flushes_min() - stats.flushes_min());
    assert_eq!(commits, 1_000, "an append that waits alone is a commit of its own");
    assert!(flushes >= commits, "{flushes} flushes for {commits} commits");
    assert!(flushes < commits + 100, "{flushes} flushes for {commits} commits");
}

#[tokio::test]
async fn a_failed_flush_leaves_it_open_and_closes_the_store() {
    let (folder, after) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let disk = Disk::install("failing");
    let (store, sqlite) = open_on(&disk, &folder.path().join("g.db"));
    let mut pen = Pen::begin(&store, 1).await;
    disk.fail_flushes();
    let commit = pen.write(&store, "[\"nobody knows\"]").await;
    assert!(matches!(commit, Commit::Unknown(_)), "{commit:?}");
    assert!(sqlite.closed().is_some());
    assert!(matches!(refused(pen.write(&store, "[]").await), Refusal::Closed(_)));
    assert!(matches!(store.load(pen.key(), 0).await, Err(StoreError::Closed(_))));
    assert!(matches!(store.take_over().await, Err(StoreError::Closed(_))));
    let wal = || std::fs::read(folder.path().join("g.db-wal")).expect("is there");
    let (database, log) = (std::fs::read(folder.path().join("g.db")).expect("reads"), wal());
    store.close().await;
    assert!(std::fs::read(folder.path().join("g.db")).expect("reads") == database, "no page is copied out of a log that may be lost");
    assert!(wal() == log, "the log is left as it is");
    disk.power_cut(after.path(), Loss::All).expect("writes");
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(after.path().join("g.db"))).expect("opens"));
    assert_eq!(store.load(pen.key(), 0).await.expect("loads").len(), 1, "what was acknowledged is there");
}
