//! The line to a provider: one question, in time, and what it means that no good answer came. What was sent may have been worked on, and paid for.

use std::time::{Duration, Instant, SystemTime};

use gorgon_core::call::{Failure, FailureClass, Metering, Outcome};
use gorgon_ports::CallCx;
use reqwest::Client;
use reqwest::header::HeaderMap;

use crate::answer;
use crate::failure::{self, KEYLESS, ReadUsage, request_id};
use crate::http::{Answered, Limits, Listener, Question, Reply, Unanswered, exchange};
use crate::secret::Secret;

/// Longest answer, in bytes, decompressed.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A line to one provider.
pub(crate) struct Line {
    /// The provider's name in the settings.
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) key: Option<Secret>,
    /// The variable that the key is from.
    pub(crate) key_variable: Option<String>,
    pub(crate) timeout: Option<Duration>,
    /// Longest silence within a stream.
    pub(crate) idle: Duration,
    /// Whether answers are asked for as streams.
    pub(crate) stream: bool,
}

impl Line {
    /// Asks once. The listener hears the answer if it is a stream.
    ///
    /// # Errors
    /// The outcome of a question without an answer.
    pub(crate) async fn ask(&self, question: Question, cx: &CallCx, listener: &mut dyn Listener) -> Result<Reply, Outcome> {
        let limits = Limits { deadline: self.deadline(cx), cancel: &cx.cancel, body_bytes_max: BODY_BYTES_MAX, idle: self.idle };
        exchange(&self.client, question, &limits, listener).await.map_err(|why| self.unanswered(why))
    }

    fn deadline(&self, cx: &CallCx) -> Instant {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map_or(cx.deadline, |own| own.min(cx.deadline))
    }

    fn unanswered(&self, why: Unanswered) -> Outcome {
        let name = &self.name;
        let paid = |sent| if sent { Metering::Unknown } else { Metering::None };
        let (class, message, metering) = match why {
            Unanswered::NotSent(why) => (FailureClass::Transport, format!("`{name}` was not reached: {why}"), Metering::None),
            Unanswered::Broken(why) => {
                (FailureClass::Transport, format!("`{name}` broke off before its answer was complete: {why}"), Metering::Unknown)
            }
            Unanswered::TooLarge => {
                let message = format!("the answer of `{name}` is longer than {} MiB", BODY_BYTES_MAX / (1024 * 1024));
                (FailureClass::Refused, message, Metering::Unknown)
            }
            Unanswered::TimedOut { sent: true } => (FailureClass::TimedOut, format!("`{name}` did not answer in time"), paid(true)),
            Unanswered::TimedOut { sent: false } => {
                (FailureClass::TimedOut, format!("`{name}` was not reached in time; nothing was sent"), paid(false))
            }
            Unanswered::Idle => {
                let message = format!("`{name}` fell silent in the middle of its answer for {} s", self.idle.as_secs_f64());
                (FailureClass::TimedOut, message, Metering::Unknown)
            }
            Unanswered::Cancelled { sent } => (FailureClass::Cancelled, format!("the question to `{name}` was cancelled"), paid(sent)),
        };
        self.failed(Failure::new(class, message), metering)
    }

    /// The answer has an error status.
    pub(crate) fn refused(&self, answered: &Answered, usage: ReadUsage) -> Outcome {
        let hint = match &self.key_variable {
            Some(variable) if self.key.is_some() => format!("; the key of `{variable}` was sent"),
            _ => KEYLESS.to_owned(),
        };
        let (failure, metering) = failure::of_status(&self.name, answered, SystemTime::now(), &hint, usage);
        self.failed(failure, metering)
    }

    /// A stream that is no whole answer.
    pub(crate) fn incomplete(&self, why: &str, headers: &HeaderMap, metering: Metering) -> Outcome {
        let message = format!("the answer of `{}` is not complete: {why}{}", self.name, request_id(headers));
        self.failed(Failure::new(FailureClass::Transport, message), metering)
    }

    /// A failure whose texts do not hold the key.
    pub(crate) fn failed(&self, mut failure: Failure, metering: Metering) -> Outcome {
        failure.message = self.mask(&failure.message);
        failure.detail = failure.detail.map(|detail| self.mask(&detail));
        answer::failed(failure, metering)
    }

    fn mask(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.mask(text))
    }
}
