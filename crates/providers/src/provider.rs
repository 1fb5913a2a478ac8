//! What a provider is.

use async_trait::async_trait;
use gorgon_core::call::{ModelRequest, Outcome};
use gorgon_ports::CallCx;

/// Answers questions to a model.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt. Always answers: a failure, a deadline and a cancellation are outcomes.
    ///
    /// The outcome's metering is `None` only if the provider cannot have charged for the call, `Reported` only if it told so consistently, and `Unknown`
    /// in every other case.
    async fn ask(&self, request: &ModelRequest, cx: &CallCx) -> Outcome;
}
