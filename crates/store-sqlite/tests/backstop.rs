//! The database refuses by itself what the judge would refuse.

use std::sync::Arc;

use gorgon_core::budget::{LedgerOp, Limits};
use gorgon_core::money::{Amounts, Meter};
use gorgon_ports::TenantScope;
use gorgon_ports::journal::Refusal;
use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::{AnyStore, Pen, committed, refused};
use rusqlite::{Connection, ErrorCode};

fn store(folder: &tempfile::TempDir) -> (AnyStore, SqliteStore, Connection) {
    let path = folder.path().join("g.db");
    let sqlite = SqliteStore::open(Options::new(&path)).expect("opens");
    (Arc::new(sqlite.clone()), sqlite, Connection::open(&path).expect("opens"))
}

#[tokio::test]
async fn no_sql_overspends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _, raw) = store(&folder);
    store.set_limit(&TenantScope("t".into()), None, Meter::Usd, 100).await.expect("sets");
    let amounts = Amounts { cost_nano_usd: 60, ..Amounts::ZERO };
    let limits = Limits { cost_nano_usd: Some(80), ..Limits::default() };
    Pen::begin_with(&store, 1, vec![LedgerOp::OpenRun { limits }, LedgerOp::Hold { amounts }]).await;
    for sql in [
        "UPDATE budget SET reserved = reserved + 21 WHERE run_no = 1",
        "UPDATE budget SET spent = spent + 21 WHERE run_no = 1",
        "UPDATE budget SET spent = -1 WHERE run_no = 1",
        "UPDATE budget SET reserved = -1 WHERE run_no = 1",
        "UPDATE budget SET overage = -1 WHERE run_no = 1",
        "UPDATE budget SET ceiling = 59 WHERE run_no = 1",
        "UPDATE budget SET spent = 9223372036854775807, reserved = 9223372036854775807 WHERE run_no = 1",
        "UPDATE budget SET reserved = 101 WHERE scope = 'tenant'",
        "UPDATE budget SET limit_ = 200 WHERE scope = 'tenant'",
        "UPDATE budget SET run_no = NULL WHERE run_no = 1",
        "INSERT INTO budget (scope, tenant, project, run_no, meter, limit_, ceiling, spent, reserved, overage, frozen)
            SELECT scope, tenant, project, run_no, meter, limit_, ceiling, spent, reserved, overage, frozen FROM budget",
        "INSERT INTO event SELECT pos + 9, run_no, seq, count, at, hash, body FROM event",
        "INSERT INTO run SELECT no + 9, id, tenant, shard, workflow, file, definition, status, created_at, updated_at, wake_at FROM run",
    ] {
        let error = raw.execute(sql, []).expect_err(sql);
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{sql}: {error}");
    }
    raw.execute("UPDATE budget SET reserved = reserved + 20 WHERE run_no = 1", []).expect("what fits is taken");
}

/// Another process wrote behind the back of the writer, whose memory is wrong now: only the append that collides is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_guilty_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, sqlite, raw) = store(&folder);
    let mut pens = Vec::new();
    for id in 0..16 {
        pens.push(Pen::begin(&store, id).await);
    }
    raw.execute("INSERT INTO event SELECT 17, run_no, 2, count, at, hash, body FROM event WHERE run_no = 4", []).expect("inserts");
    let mut tasks = tokio::task::JoinSet::new();
    for (index, mut pen) in pens.into_iter().enumerate() {
        let store = Arc::clone(&store);
        tasks.spawn(async move { (index, pen.write(&store, "[]").await) });
    }
    for (index, commit) in tasks.join_all().await {
        if index == 3 {
            assert_eq!(refused(commit), Refusal::Conflict { head: 2 });
        } else {
            committed(commit);
        }
    }
    let positions: Vec<u64> = store.feed(0, 100).await.expect("feeds").iter().map(|append| append.pos).collect();
    assert_eq!(positions, (1..=32).collect::<Vec<_>>());
    assert!(sqlite.stats().rolled_back >= 1);
    assert_eq!(sqlite.closed(), None);
}
