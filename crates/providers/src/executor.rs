//! Who answers: providers by their configured names.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use gorgon_core::call::{Failure, FailureClass, Family, Metering, Outcome, Request};
use gorgon_ports::{CallCx, Executor, StoredCall};

use crate::answer::failed;
use crate::provider::Provider;

/// The configured providers.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<String, Arc<dyn Provider>>);

impl Providers {
    /// These providers, by these names; of two with the same name the later one counts.
    #[must_use]
    pub fn new(providers: Vec<(String, Arc<dyn Provider>)>) -> Self {
        Self(providers.into_iter().collect())
    }

    /// The provider of this name. There is no other that could stand in for it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.0.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn unknown(&self, name: &str) -> Failure {
        let known = if self.0.is_empty() { "none".to_owned() } else { self.names().collect::<Vec<_>>().join(", ") };
        let message = format!(
            "no provider is configured under the name `{name}` (configured: {known}): add `[providers.{name}]` to gorgon.toml, or name another by \
             `provider:` in the file or by `--provider`; `simulated` answers offline, where it is asked for by that name"
        );
        Failure::new(FailureClass::Invalid, message)
    }
}

/// Performs the calls of the model family.
pub struct ModelExecutor {
    providers: Providers,
}

impl ModelExecutor {
    /// Asks these providers.
    #[must_use]
    pub fn new(providers: Providers) -> Self {
        Self { providers }
    }
}

#[async_trait]
impl Executor for ModelExecutor {
    fn family(&self) -> Family {
        Family::Model
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        let Request::Model(request) = call.request() else {
            let message = format!("a call of the family {:?} was given to the models", call.request().family());
            return failed(Failure::new(FailureClass::Invalid, message), Metering::None);
        };
        match self.providers.find(&request.provider) {
            Some(provider) => provider.ask(request, &cx).await,
            None => failed(self.providers.unknown(&request.provider), Metering::None),
        }
    }
}
