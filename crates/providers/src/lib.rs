//! Language models: who answers a question, one attempt on one hop at a time.
//!
//! A provider sends what was stored, with the cap that was held for, and says what it was charged for, or that nobody knows. It never retries, never
//! falls back to another provider, never makes up an answer, and never holds or settles money: that is decided by whoever ordered the call.
#![warn(missing_docs)]

mod answer;
mod config;
mod executor;
mod http;
mod openai;
mod provider;
mod secret;
mod simulated;
mod unavailable;

pub use config::{ConfigError, ProviderConfig, build};
pub use executor::{ModelExecutor, Providers};
pub use openai::{MaxTokensField, OpenAiChat, OpenAiConfig};
pub use provider::Provider;
pub use secret::Secret;
pub use simulated::{Simulated, SimulatedConfig};
pub use unavailable::Unavailable;
