//! Runs that only wait for time: a heap of (when, which), and one task that looks at its top.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gorgon_core::time::Timestamp;
use gorgon_ports::{Clock, RunKey};
use tokio::sync::Notify;

/// The longest nap. The machine's timers stand still while it is suspended and know nothing of a clock that is set: what time it is has to be looked at.
const NAP_MS_MAX: u64 = 10_000;

/// Waits until the clock says so; for ever without a time.
pub(crate) async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    let Some(at) = at else { return std::future::pending().await };
    loop {
        let left = at.since_ms(clock.now());
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left.min(NAP_MS_MAX))).await;
    }
}

/// The heap. An entry may be stale; the run that is woken by it looks and sleeps again.
#[derive(Default)]
pub(crate) struct Sleepers {
    heap: Mutex<BinaryHeap<Reverse<Entry>>>,
    earlier: Notify,
}

#[derive(PartialEq, Eq)]
struct Entry {
    at: Timestamp,
    run: RunKey,
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at).then_with(|| self.run.no().cmp(&other.run.no()))
    }
}

impl Sleepers {
    /// A run sleeps until then.
    pub(crate) fn put(&self, at: Timestamp, run: RunKey) {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        let first = heap.peek().is_none_or(|Reverse(top)| at < top.at);
        heap.push(Reverse(Entry { at, run }));
        if first {
            self.earlier.notify_one();
        }
    }

    /// The runs whose time has come, and when the next one's does.
    pub(crate) fn due(&self, now: Timestamp) -> (Vec<RunKey>, Option<Timestamp>) {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        while heap.peek().is_some_and(|Reverse(top)| top.at <= now) {
            due.extend(heap.pop().map(|Reverse(entry)| entry.run));
        }
        (due, heap.peek().map(|Reverse(top)| top.at))
    }

    /// Answers when an earlier entry than all others was put in.
    pub(crate) async fn earlier(&self) {
        self.earlier.notified().await;
    }
}
