//! Anthropic's Messages.
//!
//! Facts of the wire are from the official Python SDK, `anthropic` 2.10.0: `types/message_create_params.py`, `types/message.py`, `types/usage.py`,
//! `types/raw_message_stream_event.py` and the types that these name, and `_base_client.py` for what may be retried.

mod config;
mod request;
mod response;
mod stream;
mod usage;

use async_trait::async_trait;
use gorgon_core::call::{ModelRequest, Outcome};
use gorgon_ports::{CallCx, Progress};
use reqwest::Url;
use reqwest::header::HeaderMap;

pub use self::config::{AnthropicConfig, Thinking, Version};
use self::stream::Assembly;
use crate::answer::{deliver, succeeded};
use crate::config::ConfigError;
use crate::http::{Question, Reply, client};
use crate::line::Line;
use crate::provider::Provider;

/// Asks one server that speaks Messages.
pub struct Anthropic {
    line: Line,
    url: Url,
    headers: HeaderMap,
    config: AnthropicConfig,
}

impl Anthropic {
    /// The provider of this name. `lookup_env` reads the environment of the process that will make the calls.
    ///
    /// # Errors
    /// If the settings contradict themselves, or the key that they name is not there.
    pub fn build(name: &str, config: &AnthropicConfig, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let base = config.checked_base(name)?;
        let key = config.key(name, lookup_env)?;
        Ok(Self {
            url: config::endpoint(base),
            headers: config.headers(name, key.as_ref())?,
            config: config.clone(),
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
        Question::json(&self.url, &self.headers, &request::body(request, &self.config, self.line.stream))
    }

    /// Says what of a request is not sent, for somebody asked for it.
    fn say_what_is_left_out(&self, request: &ModelRequest, cx: &CallCx) {
        if request.temperature.is_some() && !self.config.version.takes_temperature() {
            let name = &self.line.name;
            let note = format!("[{name}] `temperature` is not sent: version {} of the interface refuses it\n", self.config.version.word());
            let _ = (cx.progress)(Progress::Output { stream: "stderr", bytes: note.into_bytes() });
        }
    }
}

#[async_trait]
impl Provider for Anthropic {
    async fn ask(&self, request: &ModelRequest, cx: &CallCx) -> Outcome {
        self.say_what_is_left_out(request, cx);
        let mut assembly = Assembly::new(cx);
        let reply = match self.line.ask(self.question(request), cx, &mut assembly).await {
            Ok(reply) => reply,
            Err(outcome) => return outcome,
        };
        match reply {
            Reply::Streamed(headers) => {
                let metering = usage::metering(assembly.usage());
                match assembly.into_body() {
                    Ok(body) => match response::read_body(&self.line.name, request, &body, &headers) {
                        Ok((answer, metering)) => succeeded(&answer, metering),
                        Err((failure, metering)) => self.line.failed(failure, metering),
                    },
                    Err(why) => self.line.incomplete(&why, &headers, metering),
                }
            }
            Reply::Whole(answered) if answered.is_success() => match response::read(&self.line.name, request, &answered) {
                Ok((answer, metering)) => deliver(&answer, metering, cx),
                Err((failure, metering)) => self.line.failed(failure, metering),
            },
            Reply::Whole(answered) => self.line.refused(&answered, usage::metering),
        }
    }
}
