//! Random sequences on SQLite and on the memory store: the same answers, and the same to be seen after each step.

use std::path::Path;
use std::sync::Arc;

use gorgon_store_memory::MemoryStore;
use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::AnyStore;
use gorgon_testkit::store_contract::random::{Player, Step, script};

const SEEDS: u64 = 300;
const STEPS: usize = 60;

fn open(path: &Path) -> AnyStore {
    Arc::new(SqliteStore::open(Options::new(path)).expect("opens"))
}

async fn compare(seed: u64) {
    // What is compared is the meaning, not the disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("gorgon.db");
    let oracle: AnyStore = Arc::new(MemoryStore::new());
    let mut store = open(&path);
    let (mut expected, mut actual) = (Player::default(), Player::default());
    for (index, step) in script(seed, STEPS).iter().enumerate() {
        if matches!(step, Step::Reopen) {
            // Every other time without a word: the handle is dropped.
            if index % 2 == 0 {
                store.close().await;
            }
            drop(store);
            store = open(&path);
        }
        let answer = expected.play(&oracle, step).await;
        assert_eq!(actual.play(&store, step).await, answer, "seed {seed}, step {index}: {step:?}");
        // A look costs more than a step.
        if index % 20 == 19 {
            assert_eq!(actual.look(&store).await, expected.look(&oracle).await, "seed {seed}, after step {index}: {step:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_answers_as_memory_does() {
    let seeds = match std::env::var("GORGON_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    // The flush of one is the computing time of the others.
    let seeds = std::sync::Mutex::new(seeds.into_iter());
    let next = || seeds.lock().expect("no task panics with the lock").next();
    let one_after_the_other = async || {
        while let Some(seed) = next() {
            compare(seed).await;
        }
    };
    tokio::join!(one_after_the_other(), one_after_the_other());
}
