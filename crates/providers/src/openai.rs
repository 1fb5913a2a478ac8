//! OpenAI's Chat Completions, and servers that speak it: streamed, unless the settings say otherwise.
//!
//! Facts of the wire are from the official Python SDK, `openai` 3.51.0: `types/chat/completion_create_params.py`, `types/chat/chat_completion.py`,
//! `types/completion_usage.py`, and `_base_client.py` for what may be retried.

mod config;
mod request;
mod response;
mod stream;
mod usage;

use async_trait::async_trait;
use gorgon_core::call::{ModelRequest, Outcome};
use gorgon_ports::CallCx;
use reqwest::Url;
use reqwest::header::HeaderMap;

pub use config::{MaxTokensField, OpenAiConfig};
#[cfg(test)]
pub(crate) use usage::metering;

use self::request::Form;
use self::response::Asked;
use self::stream::Assembly;
use crate::answer::{deliver, succeeded};
use crate::config::ConfigError;
use crate::http::{Question, Reply, client};
use crate::line::Line;
use crate::provider::Provider;

/// Asks one server that speaks Chat Completions.
pub struct OpenAiChat {
    line: Line,
    url: Url,
    headers: HeaderMap,
    max_tokens_field: MaxTokensField,
    service_tier: Option<String>,
}

impl OpenAiChat {
    /// The provider of this name. `lookup_env` reads the environment of the process that will make the calls.
    ///
    /// # Errors
    /// If the settings contradict themselves, or the key that they name is not there.
    pub fn build(name: &str, config: &OpenAiConfig, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let base = config.checked_base(name)?;
        let key = config.key(name, lookup_env)?;
        Ok(Self {
            url: config::endpoint(base),
            headers: config.headers(name, key.as_ref())?,
            max_tokens_field: config.max_tokens_field,
            service_tier: config.service_tier(),
            line: Line {
                name: name.to_owned(),
                client: client(name, config.connect_timeout(name)?)?,
                key,
                key_variable: config.key_variable().map(str::to_owned),
                timeout: config.timeout(name)?,
                idle: config.idle_timeout(name)?,
                stream: config.stream.unwrap_or(true),
            },
        })
    }

    fn question(&self, request: &ModelRequest) -> Question {
        let form = Form { max_tokens_field: self.max_tokens_field, service_tier: self.service_tier.as_deref(), stream: self.line.stream };
        Question::json(&self.url, &self.headers, &request::body(request, form))
    }
}

#[async_trait]
impl Provider for OpenAiChat {
    async fn ask(&self, request: &ModelRequest, cx: &CallCx) -> Outcome {
        let mut assembly = Assembly::new(cx);
        let reply = match self.line.ask(self.question(request), cx, &mut assembly).await {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        let asked = Asked { name: &self.line.name, model: &request.model, tools: !request.tools.is_empty() };
        match reply {
            Reply::Streamed(headers) => {
                let metering = usage::metering(assembly.usage());
                match assembly.into_body() {
                    Ok(body) => match response::read_body(asked, &body, &headers) {
                        Ok((answer, metering)) => succeeded(&answer, metering),
                        Err((failure, metering)) => self.line.failed(failure, metering),
                    },
                    Err(why) => self.line.incomplete(&why, &headers, metering),
                }
            }
            Reply::Whole(answered) if answered.is_success() => match response::read(asked, &answered) {
                Ok((answer, metering)) => deliver(&answer, metering, cx),
                Err((failure, metering)) => self.line.failed(failure, metering),
            },
            Reply::Whole(answered) => self.line.refused(&answered, usage::metering),
        }
    }
}
