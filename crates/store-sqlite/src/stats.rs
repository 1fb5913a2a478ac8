//! Counts, for benchmarks and for those who look after a store.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a store did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Transactions that were committed. Each flushed the WAL at least once.
    pub commits: u64,
    /// Appends that were committed.
    pub appends: u64,
    /// Appends that were refused.
    pub refused: u64,
    /// Transactions that were rolled back.
    pub rolled_back: u64,
    /// Checkpoints. Each flushed the WAL and the database file.
    pub checkpoints: u64,
    /// Budget rows that were written.
    pub budget_rows: u64,
}

impl Stats {
    /// The least number of flushes that this took: what a count of the system's calls is compared with.
    #[must_use]
    pub fn flushes_min(&self) -> u64 {
        self.commits
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) appends: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) rolled_back: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) budget_rows: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: of(&self.commits),
            appends: of(&self.appends),
            refused: of(&self.refused),
            rolled_back: of(&self.rolled_back),
            checkpoints: of(&self.checkpoints),
            budget_rows: of(&self.budget_rows),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
