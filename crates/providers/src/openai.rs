//! OpenAI's Chat Completions, and servers that speak it. Not streamed: one request, one answer.
//!
//! Facts of the wire are from the official Python SDK, `openai` 3.51.0: `types/chat/completion_create_params.py`, `types/chat/chat_completion.py`,
//! `types/completion_usage.py`, and `_base_client.py` for what may be retried.

mod config;
mod failure;
mod request;
mod response;
mod retry_after;
mod usage;

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use gorgon_core::call::{Failure, FailureClass, Metering, ModelRequest, Outcome};
use gorgon_ports::CallCx;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};

pub use config::{MaxTokensField, OpenAiConfig};

use crate::answer::failed;
use crate::config::ConfigError;
use crate::http::{Limits, Question, Unanswered, client, exchange};
use crate::provider::Provider;
use crate::secret::Secret;

/// Longest answer, in bytes, decompressed.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Asks one server that speaks Chat Completions.
pub struct OpenAiChat {
    name: String,
    client: Client,
    url: Url,
    headers: HeaderMap,
    key: Option<Secret>,
    max_tokens_field: MaxTokensField,
    service_tier: Option<String>,
    timeout: Option<Duration>,
}

impl OpenAiChat {
    /// The provider of this name. `lookup_env` reads the environment of the process that will make the calls.
    ///
    /// # Errors
    /// If the settings contradict themselves, or the key that they name is not there.
    pub fn build(name: &str, config: &OpenAiConfig, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let base = config.checked_base(name)?;
        let key = config.key(name, lookup_env)?;
        let client = client(config.connect_timeout(name)?).map_err(|message| ConfigError {
            message: format!("provider `{name}`: {message}"),
            help: "the build or the machine is at fault, not the settings".to_owned(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            client,
            url: config::endpoint(base),
            headers: config.headers(name, key.as_ref())?,
            key,
            max_tokens_field: config.max_tokens_field,
            service_tier: config.service_tier(),
            timeout: config.timeout(name)?,
        })
    }

    fn question(&self, request: &ModelRequest) -> Question {
        let body = request::body(request, self.max_tokens_field, self.service_tier.as_deref());
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Question { url: self.url.clone(), headers, body: Bytes::from(body.to_string()) }
    }

    fn deadline(&self, cx: &CallCx) -> Instant {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout)).map_or(cx.deadline, |own| own.min(cx.deadline))
    }

    /// What an exchange without a whole answer means. What was sent may have been worked on, and paid for.
    fn unanswered(&self, why: Unanswered) -> Outcome {
        let name = &self.name;
        let paid = |sent| if sent { Metering::Unknown } else { Metering::None };
        let (class, message, metering) = match why {
            Unanswered::NotSent(why) => (FailureClass::Transport, format!("`{name}` was not reached: {why}"), Metering::None),
            Unanswered::Broken(why) => {
                (FailureClass::Transport, format!("`{name}` broke off before its answer was complete: {why}"), Metering::Unknown)
            }
            Unanswered::TooLarge => {
                let message = format!("the answer of `{name}` is longer than {} MiB", BODY_BYTES_MAX / (1024 * 1024));
                (FailureClass::Refused, message, Metering::Unknown)
            }
            Unanswered::TimedOut { sent: true } => (FailureClass::TimedOut, format!("`{name}` did not answer in time"), paid(true)),
            Unanswered::TimedOut { sent: false } => {
                (FailureClass::TimedOut, format!("`{name}` was not reached in time; nothing was sent"), paid(false))
            }
            Unanswered::Cancelled { sent } => (FailureClass::Cancelled, format!("the question to `{name}` was cancelled"), paid(sent)),
        };
        failed(Failure::new(class, self.mask(&message)), metering)
    }

    fn mask(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.mask(text))
    }

    fn masked(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed { mut failure, metering } => {
                failure.message = self.mask(&failure.message);
                failure.detail = failure.detail.map(|detail| self.mask(&detail));
                failed(failure, metering)
            }
            other @ (Outcome::Succeeded { .. } | Outcome::InDoubt { .. }) => other,
        }
    }
}

#[async_trait]
impl Provider for OpenAiChat {
    async fn ask(&self, request: &ModelRequest, cx: &CallCx) -> Outcome {
        let limits = Limits { deadline: self.deadline(cx), cancel: &cx.cancel, body_bytes_max: BODY_BYTES_MAX };
        let answered = match exchange(&self.client, self.question(request), &limits).await {
            Ok(answered) => answered,
            Err(why) => return self.unanswered(why),
        };
        if (200..300).contains(&answered.status) {
            match response::read(&self.name, &request.model, &answered) {
                Ok((answer, metering)) => answer.deliver(metering, cx),
                Err((failure, metering)) => self.masked(failed(failure, metering)),
            }
        } else {
            let hint = if self.key.is_none() { failure::KEYLESS } else { "" };
            let (failure, metering) = failure::of_status(&self.name, &answered, SystemTime::now(), hint);
            self.masked(failed(failure, metering))
        }
    }
}

/// Sets a header whose value comes from the settings.
fn set_header(headers: &mut HeaderMap, header: &'static str, value: &str) -> Result<(), String> {
    let value = HeaderValue::from_str(value).map_err(|_| format!("the value of `{header}` holds characters that no header may have"))?;
    headers.insert(header, value);
    Ok(())
}

/// Sets the header that carries the key.
fn set_key(headers: &mut HeaderMap, key: &Secret) -> Result<(), String> {
    // The value is not repeated here: it is the key.
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| "the key holds characters that no header may have".to_owned())?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}
