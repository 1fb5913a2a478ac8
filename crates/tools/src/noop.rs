//! Nothing at all: for benchmarks and demonstrations.

use async_trait::async_trait;
use gorgon_core::call::{Family, Outcome, Request};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, StoredCall};

use crate::outcome::{misdirected, succeeded};

/// Answers `null` at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopExecutor;

#[async_trait]
impl Executor for NoopExecutor {
    fn family(&self) -> Family {
        Family::Noop
    }

    async fn perform(&self, call: &StoredCall, _cx: CallCx) -> Outcome {
        match call.request() {
            Request::Noop {} => succeeded(Payload::null()),
            other => misdirected(other, Family::Noop),
        }
    }
}
