//! The SQLite store keeps the contract.

use std::sync::Arc;

use gorgon_store_sqlite::{Options, SqliteStore};
use gorgon_testkit::store_contract::{self, AnyStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    store_contract::run_all(|| async {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(Options::new(folder.path().join("gorgon.db"))).expect("opens");
        (Arc::new(store) as AnyStore, folder)
    })
    .await;
}
