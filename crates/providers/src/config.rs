//! Settings of providers: the tables `[providers.NAME]` of `gorgon.toml`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::anthropic::{Anthropic, AnthropicConfig};
use crate::openai::{self, OpenAiConfig};
use crate::prices::Vendor;
use crate::provider::Provider;
use crate::simulated::{Simulated, SimulatedConfig};

/// Settings of one provider. Which fields there are depends on `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProviderConfig {
    /// Answers offline, without a model.
    Simulated(SimulatedConfig),
    /// The Chat Completions interface of OpenAI, and of the many servers that speak it.
    Openai(OpenAiConfig),
    /// Anthropic's Messages.
    Anthropic(AnthropicConfig),
}

impl ProviderConfig {
    /// The variable that holds its key, if it has one.
    #[must_use]
    pub fn key_variable(&self) -> Option<&str> {
        match self {
            Self::Simulated(_) => None,
            Self::Openai(config) => config.key_variable(),
            Self::Anthropic(config) => config.key_variable(),
        }
    }

    /// Whose price list holds for it: its vendor's, if it is asked at the vendor's own endpoint and at the standard tier. Whoever stands between may charge
    /// otherwise.
    #[must_use]
    pub fn vendor(&self) -> Option<Vendor> {
        match self {
            Self::Simulated(_) => None,
            Self::Openai(config) => config.has_list_price().then_some(Vendor::Openai),
            Self::Anthropic(config) => config.has_list_price().then_some(Vendor::Anthropic),
        }
    }
}

/// Settings that make no provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Builds the provider of this name. `lookup_env` reads the environment of the process that will make the calls.
///
/// # Errors
/// If the settings contradict themselves, or a key that they name is not there.
pub fn build(name: &str, config: &ProviderConfig, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Arc<dyn Provider>, ConfigError> {
    match config {
        ProviderConfig::Simulated(config) => Ok(Arc::new(Simulated::new(*config))),
        ProviderConfig::Anthropic(config) => Ok(Arc::new(Anthropic::build(name, config, lookup_env)?)),
        ProviderConfig::Openai(config) => Ok(Arc::new(openai::OpenAiChat::build(name, config, lookup_env)?)),
    }
}
