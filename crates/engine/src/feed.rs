//! Watching a run: what happened so far, then what happens, without a gap and without doubles.

use std::sync::Arc;

use bytes::Bytes;
use gorgon_core::event::Event;
use gorgon_core::ids::RunId;
use gorgon_core::time::Timestamp;
use gorgon_ports::{RunKey, RunNo, StoreError};
use tokio::sync::broadcast;

use crate::engine::Engine;
use crate::history;
use crate::output::OutputPiece;

/// Appends that a slow watcher may be behind before it reads from disk again.
pub(crate) const APPENDS_BEHIND_MAX: usize = 4_096;

/// An append that is on disk, as it goes out to watchers.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) run: RunNo,
    pub(crate) pos: u64,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    /// The events as JSON, large texts included.
    pub(crate) body: Bytes,
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
    past: std::collections::VecDeque<Frame>,
    live: broadcast::Receiver<Arc<Published>>,
    output: broadcast::Receiver<OutputPiece>,
}

impl Watch {
    pub(crate) async fn begin(engine: Engine, run: RunKey, after: u64) -> Result<Self, StoreError> {
        // Subscribed before the past is read, so nothing falls between the two.
        let (live, output) = (engine.published(), engine.output());
        let mut watch = Self { engine, run, seq: 0, after, ended: false, told: false, past: std::collections::VecDeque::new(), live, output };
        watch.catch_up().await?;
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
            tokio::select! {
                biased;
                append = self.live.recv() => match append {
                    Ok(append) if append.run == self.run.no() && append.seq > self.seq => {
                        if append.seq == self.seq + 1 { self.take(&append) } else { self.catch_up().await? }
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await?,
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
                piece = self.output.recv() => match piece {
                    Ok(piece) if piece.run == self.run.id() => return Ok(Some(Frame::Output(piece))),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
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
        if let Ok(events) = gorgon_core::event_codec::decode_body(&append.body) {
            self.note_end(&events);
        }
        if append.pos > self.after {
            self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events: append.body.clone() });
        }
    }

    async fn catch_up(&mut self) -> Result<(), StoreError> {
        for append in history::read(self.engine.journal(), &self.run, self.seq).await? {
            self.seq = append.seq;
            self.note_end(&append.events);
            if append.pos > self.after {
                let events = Bytes::from(serde_json::to_vec(&append.events).unwrap_or_default());
                self.past.push_back(Frame::Append { pos: append.pos, seq: append.seq, at: append.at, events });
            }
        }
        Ok(())
    }

    fn note_end(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::RunFinished { .. } => self.ended = true,
                Event::Reopened { .. } | Event::Resumed { .. } => (self.ended, self.told) = (false, false),
                _ => {}
            }
        }
    }
}
