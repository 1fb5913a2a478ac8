//! A journal that works for a while and then does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use gorgon_core::ids::ContentHash;
use gorgon_ports::journal::{Append, Commit, Refusal};
use gorgon_ports::{Blob, Journal, Ledger, RunKey, StoreError, StoredAppend, TenantScope};
use gorgon_store_memory::MemoryStore;
use tokio::sync::watch;

/// What it does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The append is not written, and nobody answers.
    Lost,
    /// The append is written, and nobody answers.
    WrittenUnheard,
    /// The append is not written, and nobody knows.
    Unknown,
    /// The append is written, and nobody knows.
    WrittenUnknown,
    /// The disk is full.
    Full,
    /// The store is closed.
    Closed,
}

impl Way {
    /// The ways in which a process ends at an append.
    pub(crate) const CRASHES: [Self; 4] = [Self::Lost, Self::WrittenUnheard, Self::Unknown, Self::WrittenUnknown];

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::WrittenUnheard | Self::WrittenUnknown)
    }
}

/// The journal. Once it has failed, nothing of it is written any more: it belongs to a process that is dead or as good as dead.
pub(crate) struct Faulty {
    store: MemoryStore,
    /// How many appends still go through.
    left: AtomicU64,
    way: Way,
    failed: watch::Sender<bool>,
    acknowledged: AtomicU64,
}

impl Faulty {
    pub(crate) fn after(appends: u64, way: Way, store: &MemoryStore) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), left: AtomicU64::new(appends), way, failed: watch::channel(false).0, acknowledged: AtomicU64::new(0) })
    }

    pub(crate) fn has_failed(&self) -> bool {
        *self.failed.borrow()
    }

    pub(crate) async fn failed(&self) {
        let mut failed = self.failed.subscribe();
        failed.wait_for(|failed| *failed).await.expect("the journal lasts");
    }

    /// How many appends it acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    async fn write(&self, append: Append) -> Commit {
        let commit = self.store.commit(append).await;
        for row in self.store.of_tenant(&TenantScope(super::TENANT.to_owned())).await.expect("the store answers") {
            assert!(row.balance.is_in_order(), "{row:?}");
        }
        commit
    }
}

#[async_trait]
impl Journal for Faulty {
    async fn commit(&self, append: Append) -> Commit {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let commit = self.write(append).await;
            self.acknowledged.fetch_add(u64::from(matches!(commit, Commit::Committed(_))), Ordering::SeqCst);
            return commit;
        }
        let first = !self.failed.send_replace(true);
        if first && self.way.writes() {
            self.write(append).await;
        }
        match self.way {
            Way::Lost | Way::WrittenUnheard => std::future::pending().await,
            Way::Unknown | Way::WrittenUnknown => Commit::Unknown("the disk did not answer".to_owned()),
            Way::Full => Commit::Refused(Refusal::Full("the disk is full".to_owned())),
            Way::Closed => Commit::Refused(Refusal::Closed("the disk went away".to_owned())),
        }
    }

    async fn load(&self, run: &RunKey, after: u64) -> Result<Vec<StoredAppend>, StoreError> {
        self.store.load(run, after).await
    }

    async fn feed(&self, after: u64, limit: u32) -> Result<Vec<StoredAppend>, StoreError> {
        self.store.feed(after, limit).await
    }

    async fn blobs(&self, run: &RunKey, hashes: &[ContentHash]) -> Result<Vec<Blob>, StoreError> {
        self.store.blobs(run, hashes).await
    }

    async fn take_over(&self) -> Result<u64, StoreError> {
        self.store.take_over().await
    }

    /// The store goes on without it.
    async fn close(&self) {}
}

/// A journal that cannot read one of its runs, because a newer release wrote it.
pub(crate) struct Unreadable {
    store: MemoryStore,
    run: gorgon_core::ids::RunId,
}

impl Unreadable {
    pub(crate) fn of(store: MemoryStore, run: gorgon_core::ids::RunId) -> Arc<Self> {
        Arc::new(Self { store, run })
    }
}

#[async_trait]
impl Journal for Unreadable {
    async fn commit(&self, append: Append) -> Commit {
        self.store.commit(append).await
    }

    async fn load(&self, run: &RunKey, after: u64) -> Result<Vec<StoredAppend>, StoreError> {
        if run.id() == self.run {
            return Err(StoreError::TooNew("another release has to finish it".to_owned()));
        }
        self.store.load(run, after).await
    }

    async fn feed(&self, after: u64, limit: u32) -> Result<Vec<StoredAppend>, StoreError> {
        self.store.feed(after, limit).await
    }

    async fn blobs(&self, run: &RunKey, hashes: &[ContentHash]) -> Result<Vec<Blob>, StoreError> {
        self.store.blobs(run, hashes).await
    }

    async fn take_over(&self) -> Result<u64, StoreError> {
        self.store.take_over().await
    }

    async fn close(&self) {}
}
