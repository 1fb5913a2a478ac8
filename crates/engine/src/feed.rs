//! Watching a run: what happened so far, then what happens, without a gap and without doubles.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gorgon_core::event::Event;
use gorgon_core::ids::RunId;
use gorgon_core::time::Timestamp;
use gorgon_ports::{RunKey, StoreError};
use tokio::sync::broadcast;

use crate::engine::Engine;
use crate::history;
use crate::mailbox::Whereabouts;
use crate::output::OutputPiece;

/// Frames that a slow watcher may be behind. Appends are then read from disk again; output is missed.
const BEHIND_MAX: usize = 1_024;

/// Who watches which run. A run that nobody watches costs one look at a counter.
#[derive(Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    runs: Mutex<HashMap<RunId, broadcast::Sender<Arc<Live>>>>,
}

/// Something that happens now.
pub(crate) enum Live {
    Append(Published),
    Output(OutputPiece),
}

/// An append that is on disk, as it goes out to watchers.
pub(crate) struct Published {
    pub(crate) pos: u64,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    /// Whether the run has ended with it, or was opened again.
    pub(crate) ended: Option<bool>,
    /// The events as JSON, large texts included.
    pub(crate) body: Bytes,
}

/// Whether these events end the run, or open it again.
pub(crate) fn ended(events: &[Event]) -> Option<bool> {
    events.iter().rev().find_map(|event| match event {
        Event::RunFinished { .. } => Some(true),
        Event::Reopened { .. } | Event::Resumed { .. } => Some(false),
        _ => None,
    })
}

impl Watchers {
    pub(crate) fn tell(&self, run: RunId, what: impl FnOnce() -> Live) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(watchers) = self.lock().get(&run) {
            // Nobody listening any more is no fault.
            let _ = watchers.send(Arc::new(what()));
        }
    }

    fn subscribe(&self, run: RunId) -> broadcast::Receiver<Arc<Live>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(run).or_insert_with(|| broadcast::channel(BEHIND_MAX).0).subscribe()
    }

    /// A watcher goes. Its receiver still exists, so the last one sees a count of one.
    fn leave(&self, run: RunId) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut runs = self.lock();
        if runs.get(&run).is_some_and(|watchers| watchers.receiver_count() <= 1) {
            runs.remove(&run);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, broadcast::Sender<Arc<Live>>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that a watcher sees.
#[derive(Debug, Clone)]
pub enum Frame {
    /// An append.
    Append {
        /// Where it stands in the log.
        pos: u64,
        /// Its number in the run.
        seq: u64,
        /// When it happened.
        at: Timestamp,
        /// The events as a JSON array.
        events: Bytes,
    },
    /// A piece of live output.
    Output(OutputPiece),
    /// The run has ended, and nothing more will come unless somebody opens it again.
    Done,
}

/// A run being watched.
pub struct Watch {
    engine: Engine,
    run: RunKey,
    seq: u64,
    after: u64,
    ended: bool,
    told: bool,
    past: VecDeque<Frame>,
    live: broadcast::Receiver<Arc<Live>>,
}

impl Watch {
    pub(crate) async fn begin(engine: Engine, run: RunKey, after: u64) -> Result<Self, StoreError> {
        // Subscribed before the past is read, so nothing falls between the two.
        let live = engine.watchers().subscribe(run.id());
        let mut watch = Self { engine, run, seq: 0, after, ended: false, told: false, past: VecDeque::new(), live };
        // Whoever has seen everything, or wants nothing but the end, is spared the past: the owner knows where the run is.
        match watch.engine.whereabouts(&watch.run).await {
            Some(Whereabouts { seq, pos, ended }) if pos <= after => (watch.seq, watch.ended) = (seq, ended),
            _ => watch.catch_up().await?,
        }
        Ok(watch)
    }

    /// The next frame.
    ///
    /// # Errors
    /// If the past cannot be read. `None` if the engine has ended.
    pub async fn next(&mut self) -> Result<Option<Frame>, StoreError> {
        loop {
            if let Some(frame) = self.past.pop_front() {
                return Ok(Some(frame));
            }
            if self.ended && !self.told {
                self.told = true;
                return Ok(Some(Frame::Done));
            }
            let live = tokio::select! {
                biased;
                live = self.live.recv() => live,
                () = self.engine.stopped() => return Ok(None),
            };
            match live {
                Ok(live) => match &*live {
                    Live::Append(append) if append.seq <= self.seq => {}
                    Live::Append(append) if append.seq == self.seq + 1 => self.take(append),
                    Live::Append(_) => self.catch_up().await?,
                    Live::Output(piece) => return Ok(Some(Frame::Output(piece.clone()))),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await?,
                Err(broadcast::error::RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run.id()
    }

    fn take(&mut self, append: &Published) {
        self.seq = append.seq;
        self.note_end(append.ended);
        if append.pos > self.after {
            self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events: append.body.clone() });
        }
    }

    async fn catch_up(&mut self) -> Result<(), StoreError> {
        for append in history::read(self.engine.journal(), &self.run, self.seq).await? {
            self.seq = append.seq;
            self.note_end(ended(&append.events));
            if append.pos > self.after {
                let events = Bytes::from(serde_json::to_vec(&append.events).unwrap_or_default());
                self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events });
            }
        }
        Ok(())
    }

    fn note_end(&mut self, ended: Option<bool>) {
        if let Some(ended) = ended {
            self.ended = ended;
            self.told &= ended;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.engine.watchers().leave(self.run.id());
    }
}
