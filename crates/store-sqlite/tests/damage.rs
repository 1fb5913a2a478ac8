//! What was changed on disk is found, and said so that somebody can act on it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gorgon_core::ids::ContentHash;
use gorgon_core::time::Timestamp;
use gorgon_ports::{Append, Blob, RunKey, StoreError, StoredAppend};
use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::random::Dice;
use gorgon_testkit::store_contract::{AnyStore, Pen, committed};

fn open(path: &Path) -> AnyStore {
    Arc::new(SqliteStore::open(Options::new(path)).expect("opens"))
}

/// Two runs of five appends, one of them with a long body; answers the first run and its log.
async fn two_runs(path: &Path) -> (Vec<RunKey>, Vec<StoredAppend>) {
    let store = open(path);
    let mut pens = [Pen::begin(&store, 1).await, Pen::begin(&store, 2).await];
    for round in 0..4 {
        for pen in &mut pens {
            let body = if round == 2 { format!("[{}1]", "1234567,".repeat(400)) } else { format!("[{round}]") };
            let bytes = body.clone().into();
            let blobs = vec![Blob { hash: ContentHash::of(body.as_bytes()), bytes }];
            let append = Append { blobs, ..pen.append(body) };
            committed(pen.send(&store, append).await);
        }
    }
    let log = store.load(pens[0].key(), 0).await.expect("loads");
    store.close().await;
    (pens.iter().map(|pen| pen.key().clone()).collect(), log)
}

fn change(path: &Path, sql: &str) -> usize {
    rusqlite::Connection::open(path).expect("opens").execute(sql, []).expect("changes")
}

async fn load(path: &Path, key: &RunKey) -> Result<Vec<StoredAppend>, StoreError> {
    let store = open(path);
    let log = store.load(key, 0).await;
    store.close().await;
    log
}

#[tokio::test]
async fn any_changed_column_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.db");
    let (keys, _) = two_runs(&whole).await;
    let changes = [
        ("append 3 of", "UPDATE event SET at = at + 1 WHERE run_no = 1 AND seq = 3"),
        ("append 3 of", "UPDATE event SET at = -at WHERE run_no = 1 AND seq = 3"),
        ("append 3 of", "UPDATE event SET seq = 30 WHERE run_no = 1 AND seq = 3"),
        ("append 5 of", "UPDATE event SET seq = 6 WHERE run_no = 1 AND seq = 5"),
        ("append 1 of", "UPDATE event SET seq = 9 WHERE run_no = 1 AND seq = 1"),
        ("append 3 of", "DELETE FROM event WHERE run_no = 1 AND seq = 3"),
        ("append 1 of", "DELETE FROM event WHERE run_no = 1 AND seq = 1"),
        ("append 2 of", "UPDATE event SET body = (SELECT body FROM event WHERE run_no = 1 AND seq = 3) WHERE run_no = 1 AND seq = 2"),
        ("append 2 of", "UPDATE event SET body = x'' WHERE run_no = 1 AND seq = 2"),
        ("append 2 of", "UPDATE event SET hash = zeroblob(32) WHERE run_no = 1 AND seq = 2"),
        ("no store wrote", "UPDATE event SET hash = zeroblob(31) WHERE run_no = 1 AND seq = 2"),
    ];
    for (named, sql) in changes {
        let path = folder.path().join("changed.db");
        std::fs::copy(&whole, &path).expect("copies");
        assert_eq!(change(&path, sql), 1, "{sql}");
        let Err(StoreError::Damaged(text)) = load(&path, &keys[0]).await else { panic!("not found: {sql}") };
        assert!(text.contains(named) && text.contains("restore"), "{sql}: {text}");
        assert!(named.starts_with("no ") || text.contains(&keys[0].id().to_string()), "{sql}: {text}");
        assert_eq!(load(&path, &keys[1]).await.expect("the other run is whole").len(), 5);
    }
}

#[tokio::test]
async fn any_flipped_byte_of_body_or_hash_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    let (keys, log) = two_runs(&path).await;
    let store = open(&path);
    let raw = rusqlite::Connection::open(&path).expect("opens");
    for append in &log {
        for column in ["hash", "body"] {
            let select = format!("SELECT {column} FROM event WHERE pos = ?1");
            let update = format!("UPDATE event SET {column} = ?2 WHERE pos = ?1");
            let whole: Vec<u8> = raw.query_row(&select, [append.pos as i64], |row| row.get(0)).expect("reads");
            for place in 0..whole.len() {
                for bit in [0x01, 0x80, 0xff] {
                    let mut flipped = whole.clone();
                    flipped[place] ^= bit;
                    raw.execute(&update, rusqlite::params![append.pos as i64, flipped]).expect("changes");
                    match store.load(&keys[0], 0).await {
                        Err(StoreError::Damaged(text)) => assert!(text.contains(&format!("append {} of {}", append.seq, keys[0].id())), "{text}"),
                        // A bit of a frame that means nothing may change: then the text is still the same.
                        Ok(read) if whole.first() == Some(&1) && column == "body" => assert!(read == log),
                        other => panic!("byte {place} of {column} of append {}: {other:?}", append.seq),
                    }
                }
            }
            raw.execute(&update, rusqlite::params![append.pos as i64, whole]).expect("changes");
        }
    }
    assert!(store.load(&keys[0], 0).await.expect("whole again") == log);
}

#[tokio::test]
async fn a_changed_text_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("g.db");
    let (keys, _) = two_runs(&path).await;
    let hash = ContentHash::of(b"[1]");
    for sql in ["UPDATE blob SET body = x'5b325d' WHERE body = x'5b315d'", "UPDATE blob SET bytes = 4 WHERE bytes = 3", "DELETE FROM blob"] {
        assert!(change(&path, sql) > 0);
        let store = open(&path);
        let Err(StoreError::Damaged(text)) = store.blobs(&keys[0], &[hash]).await else { panic!("not found: {sql}") };
        assert!(text.contains(&hash.to_string()) && text.contains("restore"), "{text}");
        store.close().await;
    }
}

/// What the chain covers.
fn chained(log: &[StoredAppend]) -> Vec<(u64, Timestamp, ContentHash, Bytes)> {
    log.iter().map(|append| (append.seq, append.at, append.hash, append.body.clone())).collect()
}

/// Whatever byte of the file is flipped, no reader is given a log that was not written: it is an error, or the log, or (if an index lost the tail) its
/// beginning.
#[tokio::test]
async fn a_flipped_byte_of_the_file_never_changes_a_log() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let whole = folder.path().join("whole.db");
    let (keys, log) = two_runs(&whole).await;
    let bytes = std::fs::read(&whole).expect("reads");
    let mut dice = Dice::seeded(1);
    let path = folder.path().join("flipped.db");
    let mut found = 0;
    for _ in 0..400 {
        let mut flipped = bytes.clone();
        // Most of a small file is room that holds nothing.
        let place =
            std::iter::repeat_with(|| dice.below(bytes.len() as u64) as usize).find(|place| bytes[*place] != 0).expect("something is written");
        flipped[place] ^= 1 << dice.below(8);
        for name in ["flipped.db-wal", "flipped.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(name));
        }
        std::fs::write(&path, &flipped).expect("writes");
        let Ok(store) = SqliteStore::open(Options::new(&path)) else {
            found += 1;
            continue;
        };
        let store: AnyStore = Arc::new(store);
        match store.load(&keys[0], 0).await {
            Ok(read) => assert!(chained(&log).starts_with(&chained(&read)), "byte {place}"),
            Err(StoreError::Damaged(_)) => found += 1,
            Err(other) => panic!("byte {place}: {other:?}"),
        }
    }
    assert!(found > 20, "only {found} of 400 were found");
}
