//! What keeps a store from being opened is named, with the way on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use gorgon_ports::StoreError;
use gorgon_store_sqlite::{OpenError, Options, SqliteStore};
use gorgon_testkit::store_contract::{AnyStore, Pen, committed};

fn fails(path: &Path) -> OpenError {
    SqliteStore::open(Options::new(path)).expect_err("cannot be opened")
}

#[tokio::test]
async fn one_process_holds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    let first = SqliteStore::open(Options { lock_note: "unix:/run/g.sock".into(), ..Options::new(&path) }).expect("opens");
    let held = fails(&path);
    let note = "unix:/run/g.sock".to_owned();
    assert_eq!(held, OpenError::Held { path: path.clone(), pid: Some(std::process::id()), note });
    assert!(StoreError::from(held).is_transient());
    let clone = first.clone();
    drop(first);
    assert!(matches!(fails(&path), OpenError::Held { .. }), "a clone holds it as well");
    drop(clone);
    SqliteStore::open(Options::new(&path)).expect("the last handle let go");
}

#[tokio::test]
async fn only_its_owner_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
    Pen::begin(&store, 1).await;
    for name in ["g.db", "g.db-wal", "g.db-shm", "g.db.lock"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there() {
    let error = fails(Path::new("/nowhere/at/all/g.db"));
    let OpenError::Unavailable { path, cure, .. } = &error else { panic!("{error:?}") };
    assert!(path.starts_with("/nowhere/at/all") && cure.contains("create the folder"), "{error}");
}

#[test]
fn a_folder_in_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    std::fs::create_dir(&path).expect("makes");
    assert!(matches!(fails(&path), OpenError::Unavailable { .. }));
}

#[test]
fn what_is_no_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, but it is long enough to look like one\n".repeat(100)).expect("writes");
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).and_then(|c| c.execute_batch("CREATE TABLE t (a)")).expect("makes");
    let numbered = folder.path().join("numbered.db");
    rusqlite::Connection::open(&numbered).and_then(|c| c.execute_batch("PRAGMA user_version = 1")).expect("makes");
    for path in [text, other, numbered] {
        let before = std::fs::read(&path).expect("reads");
        let error = fails(&path);
        assert!(matches!(&error, OpenError::Damaged { path: named, .. } if *named == path), "{error:?}");
        assert!(std::fs::read(&path).expect("reads") == before, "it was left as it was");
    }
}

#[tokio::test]
async fn a_newer_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    SqliteStore::open(Options::new(&path)).expect("opens");
    rusqlite::Connection::open(&path).and_then(|c| c.execute_batch("PRAGMA user_version = 99")).expect("changes");
    assert_eq!(fails(&path), OpenError::TooNew { path: path.clone(), found: 99, known: 1 });
    assert!(matches!(fails(&path).into(), StoreError::TooNew(text) if text.contains("99") && text.contains("up to 1")));
}

#[tokio::test]
async fn what_was_written_is_there_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    let open = || Arc::new(SqliteStore::open(Options::new(&path)).expect("opens")) as AnyStore;
    let mut store = open();
    let mut pen = Pen::begin(&store, 1).await;
    for round in 0..20 {
        committed(pen.write(&store, "[]").await);
        if round % 2 == 0 {
            store.close().await;
        }
        drop(store);
        store = open();
        assert_eq!(store.load(pen.key(), 0).await.expect("loads").len(), round + 2);
    }
    store.close().await;
    drop(store);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("reads").map(|entry| entry.expect("reads").file_name()).collect();
    assert_eq!(left.len(), 2, "the database and the lock file: {left:?}");
}

/// After some commits the WAL is lengthened by zeros. A copy of the files, taken while the store is open, is what a killed process leaves.
#[tokio::test]
async fn a_lengthened_log_is_taken_up() {
    let (folder, after) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(folder.path().join("g.db"))).expect("opens"));
    let mut pen = Pen::begin(&store, 1).await;
    for _ in 0..40 {
        committed(pen.write(&store, "[]").await);
    }
    for name in ["g.db", "g.db-wal"] {
        std::fs::copy(folder.path().join(name), after.path().join(name)).expect("copies");
    }
    let wal = std::fs::read(after.path().join("g.db-wal")).expect("reads");
    assert!(wal.len() > 4 << 20 && wal.ends_with(&[0; 1 << 20]), "it was lengthened");
    let taken_up: AnyStore = Arc::new(SqliteStore::open(Options::new(after.path().join("g.db"))).expect("opens"));
    assert_eq!(taken_up.load(pen.key(), 0).await, store.load(pen.key(), 0).await);
    committed(pen.clone().write(&taken_up, "[]").await);
}
