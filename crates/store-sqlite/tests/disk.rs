//! A full disk and a read-only one, in a mount namespace of their own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gorgon_ports::Commit;
use gorgon_ports::journal::Refusal;
use gorgon_store_sqlite::{OpenError, Options, SqliteStore};
use gorgon_testkit::store_contract::random::Dice;
use gorgon_testkit::store_contract::{AnyStore, Pen, committed};

const INSIDE: &str = "GORGON_TEST_IN_NAMESPACE";

/// Runs this very test once more where it may mount, and answers whether it is there already. Where the environment allows no namespace, the test says
/// so and passes; on a build server it fails.
fn is_in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let flags = ["-m", "-rm"].into_iter().find(|flags| Command::new("unshare").args([flags, "true"]).status().is_ok_and(|status| status.success()));
    let Some(flags) = flags else {
        assert!(std::env::var_os("CI").is_none(), "`unshare -m` does not work here: {test} cannot be tested");
        eprintln!("`unshare -m` does not work here: {test} is not tested");
        return false;
    };
    let binary = std::env::current_exe().expect("this test is a program");
    let status = Command::new("unshare").arg(flags).arg(binary).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").status().expect("runs");
    assert!(status.success(), "{test} failed in its namespace");
    false
}

fn mount(arguments: &[&str], folder: &Path) {
    let status = Command::new("mount").args(arguments).arg(folder).status().expect("runs");
    assert!(status.success(), "mount {arguments:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full() {
    if !is_in_namespace("full") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    mount(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"], folder.path());
    let path = folder.path().join("g.db");
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1_000_000]).expect("writes");

    let sqlite = SqliteStore::open(Options::new(&path)).expect("opens");
    let store: AnyStore = Arc::new(sqlite.clone());
    let mut pen = Pen::begin(&store, 1).await;
    let mut dice = Dice::seeded(1);
    let noise = |dice: &mut Dice| (0..20_000).map(|_| dice.below(256) as u8).collect::<Vec<u8>>();
    let refusal = loop {
        let append = pen.append(noise(&mut dice));
        match pen.send(&store, append).await {
            Commit::Committed(_) => assert!(pen.seq() < 200, "3 MB do not hold this"),
            other => break other,
        }
    };
    assert!(matches!(refusal, Commit::Refused(Refusal::Full(_))), "{refusal:?}");
    let written = pen.seq();
    assert!(written > 10, "only {written} appends fitted");
    assert_eq!(store.load(pen.key(), 0).await.expect("loads").len() as u64, written, "what was acknowledged is there, and no more");
    for _ in 0..3 {
        let append = pen.append(noise(&mut dice));
        let again = pen.send(&store, append).await;
        assert!(matches!(again, Commit::Refused(Refusal::Full(_))), "{again:?}");
    }
    assert_eq!(sqlite.closed(), None);

    std::fs::remove_file(&ballast).expect("makes room");
    let append = pen.append(noise(&mut dice));
    committed(pen.send(&store, append).await);
    store.close().await;
    drop((store, sqlite));
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
    assert_eq!(store.load(pen.key(), 0).await.expect("loads").len() as u64, written + 1);
}

#[tokio::test]
async fn full_from_the_start() {
    if !is_in_namespace("full_from_the_start") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    mount(&["-t", "tmpfs", "-o", "size=64k", "tmpfs"], folder.path());
    std::fs::write(folder.path().join("ballast"), vec![0; 44_000]).expect("writes");
    let path = folder.path().join("g.db");
    let error = SqliteStore::open(Options::new(&path)).expect_err("there is no room");
    assert!(matches!(&error, OpenError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("make room") || error.to_string().contains("look after the disk"), "{error}");

    std::fs::remove_file(folder.path().join("ballast")).expect("makes room");
    mount(&["-o", "remount,size=4m"], folder.path());
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("nothing half made is in the way"));
    Pen::begin(&store, 1).await;
}

#[tokio::test]
async fn read_only() {
    if !is_in_namespace("read_only") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    mount(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], folder.path());
    let path = folder.path().join("g.db");
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
    let pen = Pen::begin(&store, 1).await;
    store.close().await;
    drop(store);

    mount(&["-o", "remount,ro"], folder.path());
    let error = SqliteStore::open(Options::new(&path)).expect_err("it cannot be written");
    let OpenError::Unavailable { path: named, cure, .. } = &error else { panic!("{error:?}") };
    assert!(named.starts_with(folder.path()) && cure.contains("read-only"), "{error}");

    mount(&["-o", "remount,rw"], folder.path());
    let store: AnyStore = Arc::new(SqliteStore::open(Options::new(&path)).expect("opens"));
    assert_eq!(store.load(pen.key(), 0).await.expect("loads").len(), 1);
}
