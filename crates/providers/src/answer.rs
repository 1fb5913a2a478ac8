//! What a model answered.

use gorgon_core::call::{Failure, Metering, Outcome};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Progress};
use serde::Serialize;

/// The value of a successful model call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Answer {
    /// The text of the answer.
    pub(crate) text: String,
    /// The model that answered, as it calls itself.
    pub(crate) model: String,
    /// Why the answer ended: `stop`, `length` …
    pub(crate) finish_reason: String,
}

impl Answer {
    /// Shows the text to whoever watches, and makes it the outcome of the call.
    pub(crate) fn deliver(self, metering: Metering, cx: &CallCx) -> Outcome {
        // The answer is complete and paid for: a listener that says stop has nothing left to stop.
        let _ = (cx.progress)(Progress::Output { stream: "text", bytes: self.text.clone().into_bytes() });
        Outcome::Succeeded { value: Payload::of(&self), metering }
    }
}

/// A failed call.
pub(crate) fn failed(failure: Failure, metering: Metering) -> Outcome {
    Outcome::Failed { failure, metering }
}
