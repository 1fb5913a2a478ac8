//! What a model answered.

use gorgon_core::call::{Failure, Metering, ModelAnswer, Outcome};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Progress, Steer};

/// Shows the text of a whole answer to whoever watches, and makes it the outcome of the call.
pub(crate) fn deliver(answer: &ModelAnswer, metering: Metering, cx: &CallCx) -> Outcome {
    // The answer is complete and paid for: a listener that says stop has nothing left to stop.
    let _ = show(cx, &answer.text);
    succeeded(answer, metering)
}

/// The outcome of a call whose text was shown while it came.
pub(crate) fn succeeded(answer: &ModelAnswer, metering: Metering) -> Outcome {
    Outcome::Succeeded { value: Payload::of(answer), metering }
}

/// Shows a piece of text to whoever watches.
pub(crate) fn show(cx: &CallCx, text: &str) -> Steer {
    if text.is_empty() { Steer::Continue } else { (cx.progress)(Progress::Output { stream: "text", bytes: text.as_bytes().to_owned() }) }
}

/// A failed call.
pub(crate) fn failed(failure: Failure, metering: Metering) -> Outcome {
    Outcome::Failed { failure, metering }
}
