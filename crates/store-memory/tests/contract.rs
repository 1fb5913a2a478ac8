//! The memory store keeps the contract.

use std::sync::Arc;

use gorgon_store_memory::MemoryStore;
use gorgon_testkit::store_contract::{self, AnyStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    store_contract::run_all(|| async { (Arc::new(MemoryStore::new()) as AnyStore, ()) }).await;
}
