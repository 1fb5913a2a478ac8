//! The handle.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use gorgon_ports::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::order::Order;
use crate::readers::Readers;
use crate::stats::{Counters, Stats};

/// A store in a file. Clones are handles of the same one; when the last is dropped, what waits is committed and the file is closed.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    path: PathBuf,
    /// Taken when the last handle goes.
    orders: Option<mpsc::Sender<Order>>,
    pub(crate) readers: Arc<Readers>,
    readers_max: usize,
    counters: Arc<Counters>,
    closed: Arc<OnceLock<String>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    pub(crate) fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What it did since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// Why the store takes nothing any more, if it does not.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.shared.closed.get().map(String::as_str)
    }

    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.shared.readers
    }

    /// Waits for room in the writer's queue.
    pub(crate) async fn order(&self, order: Order) -> Result<(), StoreError> {
        match &self.shared.orders {
            Some(orders) if orders.send(order).await.is_ok() => Ok(()),
            _ => Err(StoreError::Closed(self.why_closed())),
        }
    }

    pub(crate) fn why_closed(&self) -> String {
        self.closed().unwrap_or("it was shut down").to_owned()
    }

    pub(crate) async fn shut_down(&self) {
        let (reply, done) = oneshot::channel();
        self.shared.readers.close(u32::try_from(self.shared.readers_max).unwrap_or(u32::MAX)).await;
        if self.order(Order::Close(reply)).await.is_ok() {
            // An error says that the writer ended without a word: it is closed as well.
            let _ = done.await;
        }
        self.shared.join();
    }
}

impl Shared {
    pub(crate) fn new(
        path: PathBuf,
        orders: mpsc::Sender<Order>,
        readers: Arc<Readers>,
        readers_max: usize,
        counters: Arc<Counters>,
        closed: Arc<OnceLock<String>>,
        thread: JoinHandle<()>,
    ) -> Self {
        Self { path, orders: Some(orders), readers, readers_max, counters, closed, thread: Mutex::new(Some(thread)) }
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has said that it is done, or nobody can ask it any more: this takes one commit at most.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.orders = None;
        self.join();
    }
}
