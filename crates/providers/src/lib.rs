//! Language models: who answers a question, one attempt on one hop at a time.
//!
//! A provider sends what was stored, with the cap that was held for, and says what it was charged for, or that nobody knows. It never retries, never
//! falls back to another provider, never makes up an answer, and never holds or settles money: that is decided by whoever ordered the call.
#![warn(missing_docs)]

mod answer;
mod anthropic;
mod config;
mod executor;
mod failure;
mod header;
mod http;
mod line;
mod openai;
mod place;
mod prices;
mod provider;
mod retry_after;
mod secret;
mod simulated;
mod unavailable;

pub use anthropic::{Anthropic, AnthropicConfig, Thinking, Version};
pub use config::{ConfigError, ProviderConfig, build};
pub use executor::{ModelExecutor, Providers};
pub use openai::{MaxTokensField, OpenAiChat, OpenAiConfig};
pub use prices::{PriceList, Vendor};
pub use provider::Provider;
pub use secret::Secret;
pub use simulated::{Simulated, SimulatedConfig};
pub use unavailable::Unavailable;
