//! How close an append comes to one bare commit of SQLite on this disk: `cargo run --release -p gorgon-store-sqlite --example floor [FOLDER]`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gorgon_core::budget::{LedgerOp, Scope};
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::{Append, TenantScope};
use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::{AnyStore, Pen, committed, new_run};

const BODY: &str = r#"[{"step_succeeded":{"step":"s1","attempt":1,"outputs":{"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}},{"step_started":{"step":"s2","attempt":1,"call":{"noop":{}}}}]"#;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// One row, one commit, nothing else.
fn bare(folder: &Path, count: usize) -> Duration {
    let path = folder.join("bare.db");
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b BLOB) STRICT")
        .expect("settings");
    let times = (0..count)
        .map(|_| {
            let begun = Instant::now();
            connection.prepare_cached("INSERT INTO t (b) VALUES (?1)").expect("prepares").execute([BODY.as_bytes()]).expect("inserts");
            begun.elapsed()
        })
        .collect();
    median(times)
}

async fn sequential(store: &AnyStore, id: u128, count: usize) -> Duration {
    let mut pen = Pen::begin(store, id).await;
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        committed(pen.write(store, BODY).await);
        times.push(begun.elapsed());
    }
    median(times)
}

/// Appends a second of so many runs at once, with or without money on one shared budget.
async fn together(store: &AnyStore, first: u128, runs: u128, each: usize, money: bool) -> f64 {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for id in first..first + runs {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut pen = Pen::of(new_run(id, "t"));
            pen.scopes = vec![Scope::Tenant("t".into())];
            let amounts = Amounts { cost_nano_usd: 10, tokens: 10, calls: 1 };
            committed(pen.write(&store, BODY).await);
            for round in 0..each {
                let mut append = pen.append(BODY);
                if money {
                    if round > 0 {
                        append.ledger.push(LedgerOp::Settle { held: amounts, charged: amounts });
                    }
                    append.ledger.push(LedgerOp::Hold { amounts });
                }
                committed(pen.send(&store, append).await);
            }
        });
    }
    tasks.join_all().await;
    let appends = runs as usize * each;
    appends as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let mut opens = Vec::new();
    for index in 0..11 {
        let begun = Instant::now();
        let path = folder.path().join(format!("open{index}.db"));
        let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
        let opened = begun.elapsed();
        let mut pen = Pen::begin(&store, 1).await;
        committed(pen.write(&store, BODY).await);
        let (appended, closing) = (begun.elapsed(), Instant::now());
        store.close().await;
        opens.push((opened, appended - opened, closing.elapsed()));
        drop(store);
        let begun = Instant::now();
        let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
        eprintln!("again {:?}", begun.elapsed());
        store.close().await;
    }
    opens.sort_unstable();
    eprintln!("open a new file, two appends, close: {:?}", opens[5]);

    let path = folder.path().join("gorgon.db");
    let sqlite = SqliteStore::open(Options::new(&path)).expect("opens");
    let store: AnyStore = Arc::new(sqlite.clone());
    store.set_limit(&TenantScope("t".into()), None, Meter::Usd, u64::MAX).await.expect("sets");
    for round in 0..5 {
        let floor = bare(folder.path(), 2_000);
        let ours = sequential(&store, 1_000 + round, 2_000).await;
        eprintln!("bare {floor:?}, ours {ours:?}, {:.2} times", ours.as_secs_f64() / floor.as_secs_f64());
    }
    for (round, money) in (0..8).zip([false, true].into_iter().cycle()) {
        let before = sqlite.stats();
        let rate = together(&store, 10_000 * (round + 1), 50, 2_000, money).await;
        let after = sqlite.stats();
        let each = (after.appends - before.appends) as f64 / (after.commits - before.commits) as f64;
        eprintln!("50 at once, money {money}: {rate:.0} appends/s, {each:.1} a commit, {} checkpoints", after.checkpoints - before.checkpoints);
    }
    let rate = together(&store, 1_000_000, 200, 1_000, true).await;
    eprintln!("200 at once, money true: {rate:.0} appends/s");

    let mut pen = Pen::begin(&store, 9_000_000).await;
    for _ in 0..2_000 {
        let append = Append { count: 50, ..pen.append(format!("[{}]", vec![&BODY[1..BODY.len() - 1]; 25].join(","))) };
        committed(pen.send(&store, append).await);
    }
    let begun = Instant::now();
    let loaded = store.load(pen.key(), 0).await.expect("loads");
    eprintln!("2,000 appends of 50 events read and checked in {:?}", begun.elapsed());
    assert_eq!(loaded.len(), 2_001);
    let begun = Instant::now();
    let (key, _) = store.find(&TenantScope("t".into()), gorgon_core::ids::RunId(1_000)).await.expect("reads").expect("is there");
    let loaded = store.load(&key, 0).await.expect("loads");
    eprintln!("{} appends of 2 events read and checked in {:?}", loaded.len(), begun.elapsed());
    store.close().await;
}
