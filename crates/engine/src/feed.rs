//! Watching a run: what happened so far, then what happens, without a gap and without doubles.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gorgon_core::event::Event;
use gorgon_core::ids::RunId;
use gorgon_core::run::RunStatus;
use gorgon_core::time::Timestamp;
use gorgon_ports::{RunKey, StoreError};
use tokio::sync::{broadcast, watch};

use crate::engine::Engine;
use crate::history;
use crate::mailbox::Whereabouts;
use crate::output::OutputPiece;

/// Frames that a slow watcher may be behind. Appends are then read from disk again; output is missed.
const BEHIND_MAX: usize = 1_024;

/// How a run stands of which nobody said it since somebody watches: until somebody does, every append is told.
const UNKNOWN: RunStatus = RunStatus::Waiting;

/// Who watches which run. A run that nobody watches costs one look at a counter.
#[derive(Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    runs: Mutex<HashMap<RunId, Told>>,
}

/// Who is told of a run: those who want all of it, and those who want to know how it stands. The latter are many, come and go with each run, and would be
/// woken for nothing by every append.
#[derive(Default)]
struct Told {
    live: Option<broadcast::Sender<Arc<Live>>>,
    status: Option<watch::Sender<RunStatus>>,
}

/// What a watcher wants to be told.
#[derive(Clone, Copy)]
enum Kind {
    Live,
    Status,
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
    /// How the run stands after it, if that changed.
    pub(crate) status: Option<RunStatus>,
    /// The events as JSON, large texts included.
    pub(crate) body: Bytes,
}

/// How a run stands after these events, if they say.
pub(crate) fn status_after(events: &[Event]) -> Option<RunStatus> {
    events.iter().rev().find_map(|event| match event {
        Event::RunFinished { status, .. } | Event::StatusChanged { status } => Some(*status),
        Event::Reopened { .. } | Event::Resumed { .. } => Some(RunStatus::Running),
        Event::Paused { .. } => Some(RunStatus::Paused),
        _ => None,
    })
}

impl Watchers {
    pub(crate) fn tell(&self, run: RunId, what: impl FnOnce() -> Live) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(Told { live, status }) = self.lock().get(&run) {
            let what = what();
            if let (Some(tell), Live::Append(Published { status: now, .. })) = (status, &what) {
                match now {
                    Some(now) => drop(tell.send_replace(*now)),
                    // What a run waits for may change though it goes on waiting: of interest is whether only somebody can end it.
                    None => drop(tell.send_if_modified(|last| !matches!(last, RunStatus::Queued | RunStatus::Running))),
                }
            }
            if let Some(tell) = live {
                // Nobody listening any more is no fault.
                let _ = tell.send(Arc::new(what));
            }
        }
    }

    fn subscribe(&self, run: RunId) -> broadcast::Receiver<Arc<Live>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(run).or_default().live.get_or_insert_with(|| broadcast::channel(BEHIND_MAX).0).subscribe()
    }

    fn subscribe_status(&self, run: RunId) -> watch::Receiver<RunStatus> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(run).or_default().status.get_or_insert_with(|| watch::channel(UNKNOWN).0).subscribe()
    }

    /// A watcher goes. Its receiver still exists, so the last one sees a count of one.
    fn leave(&self, run: RunId, kind: Kind) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut runs = self.lock();
        let Some(told) = runs.get_mut(&run) else { return };
        match kind {
            Kind::Live => drop(told.live.take_if(|live| live.receiver_count() <= 1)),
            Kind::Status => drop(told.status.take_if(|status| status.receiver_count() <= 1)),
        }
        if told.live.is_none() && told.status.is_none() {
            runs.remove(&run);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Told>> {
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

/// What a step of a watcher came to.
enum Step {
    /// It knows more.
    Moved,
    /// A piece of live output came.
    Output(OutputPiece),
    /// The engine has ended.
    Stopped,
}

/// A run being watched.
pub struct Watch {
    engine: Engine,
    run: RunKey,
    seq: u64,
    after: u64,
    status: RunStatus,
    told: bool,
    past: VecDeque<Frame>,
    live: broadcast::Receiver<Arc<Live>>,
}

impl Watch {
    pub(crate) async fn begin(engine: Engine, run: RunKey, after: u64) -> Result<Self, StoreError> {
        // Subscribed before the past is read, so nothing falls between the two.
        let live = engine.watchers().subscribe(run.id());
        let mut watch = Self { engine, run, seq: 0, after, status: RunStatus::Queued, told: false, past: VecDeque::new(), live };
        // Whoever has seen everything, or wants nothing but the end, is spared the past: the owner knows where the run is.
        match watch.engine.whereabouts(&watch.run).await {
            Some(Whereabouts { seq, pos, status }) if pos <= after => (watch.seq, watch.status) = (seq, status),
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
            if self.status.is_terminal() && !self.told {
                self.told = true;
                return Ok(Some(Frame::Done));
            }
            match self.step().await? {
                Step::Moved => {}
                Step::Output(piece) => return Ok(Some(Frame::Output(piece))),
                Step::Stopped => return Ok(None),
            }
        }
    }

    /// Takes in the next thing that happens.
    async fn step(&mut self) -> Result<Step, StoreError> {
        let live = tokio::select! {
            biased;
            live = self.live.recv() => live,
            () = self.engine.stopped() => return Ok(Step::Stopped),
        };
        match live {
            Ok(live) => match &*live {
                Live::Append(append) if append.seq <= self.seq => {}
                Live::Append(append) if append.seq == self.seq + 1 => self.take(append),
                Live::Append(_) => self.catch_up().await?,
                Live::Output(piece) => return Ok(Step::Output(piece.clone())),
            },
            Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await?,
            Err(broadcast::error::RecvError::Closed) => return Ok(Step::Stopped),
        }
        Ok(Step::Moved)
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run.id()
    }

    fn take(&mut self, append: &Published) {
        self.seq = append.seq;
        self.note(append.status);
        if append.pos > self.after {
            self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events: append.body.clone() });
        }
    }

    async fn catch_up(&mut self) -> Result<(), StoreError> {
        for append in history::read(self.engine.journal(), &self.run, self.seq).await? {
            self.seq = append.seq;
            self.note(status_after(&append.events));
            if append.pos > self.after {
                let events = Bytes::from(serde_json::to_vec(&append.events).unwrap_or_default());
                self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events });
            }
        }
        Ok(())
    }

    fn note(&mut self, status: Option<RunStatus>) {
        if let Some(status) = status {
            self.status = status;
            self.told &= status.is_terminal();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.engine.watchers().leave(self.run.id(), Kind::Live);
    }
}

/// How a run stands, being watched.
pub struct StatusWatch {
    engine: Engine,
    run: RunId,
    status: watch::Receiver<RunStatus>,
}

impl StatusWatch {
    /// From here on nothing is missed; how the run stands now is asked after this.
    pub(crate) fn begin(engine: Engine, run: RunId) -> Self {
        let status = engine.watchers().subscribe_status(run);
        Self { engine, run, status }
    }

    /// The next status. `None` if the engine has ended.
    pub async fn next(&mut self) -> Option<RunStatus> {
        tokio::select! {
            changed = self.status.changed() => changed.ok()?,
            () = self.engine.stopped() => return None,
        }
        Some(*self.status.borrow_and_update())
    }
}

impl Drop for StatusWatch {
    fn drop(&mut self) {
        self.engine.watchers().leave(self.run, Kind::Status);
    }
}
