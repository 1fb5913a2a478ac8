//! Who performs calls. An executor makes one attempt: it never retries, never sleeps, never decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use gorgon_core::call::{Family, Outcome, Request};
use gorgon_core::ids::{CallId, RunId};
use tokio_util::sync::CancellationToken;

use crate::journal::Receipt;

/// A call whose order is on disk. There is no other way to have one than to show the receipt of that append.
#[derive(Debug, Clone)]
pub struct StoredCall {
    run: RunId,
    id: CallId,
    request: Arc<Request>,
}

impl StoredCall {
    /// The call that an append ordered.
    #[must_use]
    pub fn ordered_by(receipt: &Receipt, id: CallId, request: Arc<Request>) -> Self {
        Self { run: receipt.run().id(), id, request }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The call.
    #[must_use]
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// What is asked.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }
}

/// What surrounds a call.
#[derive(Clone)]
pub struct CallCx {
    /// When the attempt has to be over. The executor ends its work then and answers `TimedOut`.
    pub deadline: Instant,
    /// Told when nobody wants the result any more. The executor ends its work and answers `Cancelled`, or `InDoubt` if it cannot tell how far the work came.
    pub cancel: CancellationToken,
    /// The same for every try of the step: what the other side recognises a repetition by.
    pub idempotency_key: String,
    /// The folder in which the run was started: processes run there, files lie below it.
    pub folder: PathBuf,
    /// The environment of processes: what the settings let through of the starter's.
    pub env: Arc<BTreeMap<String, String>>,
    /// Where live output goes.
    pub progress: ProgressSink,
}

/// What an executor tells while it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A piece of output.
    Output {
        /// `stdout`, `stderr` or `text`.
        stream: &'static str,
        /// The piece; may be cut inside of a character.
        bytes: Vec<u8>,
    },
    /// A process was started: what has to be ended if this process dies.
    Started {
        /// Its process group.
        process_group: u32,
    },
    /// The process group of this call has ended.
    Ended {
        /// Its process group.
        process_group: u32,
    },
}

/// What the listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Go on.
    Continue,
    /// Stop.
    Stop,
}

/// Where progress goes.
pub type ProgressSink = Arc<dyn Fn(Progress) -> Steer + Send + Sync>;

/// Performs the calls of one family.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Which family.
    fn family(&self) -> Family;

    /// Makes one attempt. Always answers: a failure, a deadline and a cancellation are outcomes.
    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome;
}
