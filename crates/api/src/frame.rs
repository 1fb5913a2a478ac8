//! `GET /v1/runs/{id}/events`: what is streamed.

use gorgon_core::event::Event;
use gorgon_core::ids::RunId;
use gorgon_core::payload::Payload;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The name of a frame that holds an [`AppendFrame`]; its id is the position in the log, by which the stream goes on after a break.
pub const EVENT_APPEND: &str = "append";

/// The name of a frame that holds an [`OutputFrame`]. It has no id: what was missed is not repeated.
pub const EVENT_OUTPUT: &str = "output";

/// The name of the last frame: the run has ended, and everything that happened to it was sent.
pub const EVENT_DONE: &str = "done";

/// The name of a frame that holds a [`Problem`](crate::Problem): why the stream ends before the run does.
pub const EVENT_PROBLEM: &str = "problem";

/// One append: events that became true together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppendFrame {
    /// Where it stands in the log.
    pub pos: u64,
    /// The run.
    pub run: RunId,
    /// Its number in the run, from 1.
    pub seq: u64,
    /// When the events happened.
    pub at: Time,
    /// The events: a JSON array.
    pub events: Payload,
}

impl AppendFrame {
    /// The events.
    ///
    /// # Errors
    /// If a newer release wrote one that this release does not know.
    pub fn events(&self) -> Result<Vec<Event>, serde_json::Error> {
        self.events.parse()
    }
}

/// A piece of live output. Never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFrame {
    /// The step.
    pub step: String,
    /// The element of its fan-out; 0 for a plain step.
    #[serde(default)]
    pub item: u32,
    /// `stdout`, `stderr` or `text`.
    pub stream: String,
    /// The piece.
    pub text: String,
}
