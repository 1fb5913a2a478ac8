//! A provider that is configured and cannot be used.

use async_trait::async_trait;
use gorgon_core::call::{Failure, FailureClass, Metering, ModelRequest, Outcome};
use gorgon_ports::CallCx;

use crate::answer::failed;
use crate::config::ConfigError;
use crate::provider::Provider;

/// Stands where a provider could not be built, so that a missing key fails the calls that need it, and no others.
#[derive(Debug)]
pub struct Unavailable {
    why: ConfigError,
}

impl Unavailable {
    /// Because of this.
    #[must_use]
    pub fn because(why: ConfigError) -> Self {
        Self { why }
    }
}

#[async_trait]
impl Provider for Unavailable {
    async fn ask(&self, _request: &ModelRequest, _cx: &CallCx) -> Outcome {
        failed(Failure::new(FailureClass::Denied, format!("{}: {}", self.why.message, self.why.help)), Metering::None)
    }
}
