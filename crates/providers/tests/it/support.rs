//! What the tests of this crate share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gorgon_core::call::{Failure, Metering, ModelRequest, Outcome};
use gorgon_core::money::TokenUsage;
use gorgon_ports::{CallCx, Progress, Steer};
use gorgon_providers::{Anthropic, AnthropicConfig, OpenAiChat, OpenAiConfig, Provider};
use gorgon_testkit::scripted::{RawReply, Reply, Script, ScriptedServer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "sk-test-0123456789";

pub(crate) fn request(prompt: &str) -> ModelRequest {
    ModelRequest {
        provider: "openai".to_owned(),
        model: "gpt-test".to_owned(),
        system: Some("Be short.".to_owned()),
        prompt: prompt.to_owned(),
        output_tokens_max: 50,
        temperature: None,
        ..ModelRequest::default()
    }
}

pub(crate) fn cx() -> CallCx {
    cx_for(Duration::from_secs(30))
}

pub(crate) fn cx_for(time: Duration) -> CallCx {
    CallCx {
        deadline: Instant::now() + time,
        cancel: CancellationToken::new(),
        idempotency_key: "key".to_owned(),
        folder: PathBuf::from("/"),
        env: Arc::new(BTreeMap::new()),
        progress: Arc::new(|_| Steer::Continue),
    }
}

/// A context, and what is told to its listener.
pub(crate) fn cx_heard() -> (CallCx, Arc<Mutex<Vec<Progress>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let progress = Arc::new(move |progress| {
        ears.lock().expect("not poisoned").push(progress);
        Steer::Continue
    });
    (CallCx { progress, ..cx() }, heard)
}

pub(crate) fn config(base_url: &str) -> OpenAiConfig {
    OpenAiConfig { base_url: Some(base_url.to_owned()), api_key_env: Some("TEST_KEY".to_owned()), ..OpenAiConfig::default() }
}

pub(crate) fn provider(base_url: &str) -> OpenAiChat {
    provider_of(&config(base_url))
}

pub(crate) fn provider_of(config: &OpenAiConfig) -> OpenAiChat {
    let env = |name: &str| (name == "TEST_KEY").then(|| KEY.to_owned());
    OpenAiChat::build("openai", config, &env).unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn anthropic(config: &AnthropicConfig) -> Anthropic {
    let env = |name: &str| (name == "TEST_KEY").then(|| KEY.to_owned());
    Anthropic::build("claude", config, &env).unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn anthropic_config(base_url: &str) -> AnthropicConfig {
    AnthropicConfig { base_url: Some(base_url.to_owned()), api_key_env: Some("TEST_KEY".to_owned()), ..AnthropicConfig::default() }
}

/// A server that answers every question with these bytes.
pub(crate) async fn answering_raw(status: u16, content_type: &str, headers: BTreeMap<String, String>, body: &str) -> ScriptedServer {
    let headers = headers.into_iter().chain([("content-type".to_owned(), content_type.to_owned())]).collect();
    let raw = RawReply { status, body: body.to_owned(), repeat: 1, headers, billed: None };
    ScriptedServer::start(Script::always(Reply::Raw(raw))).await.expect("a free port")
}

/// As [`answering_raw`], of a stream.
pub(crate) async fn streaming_raw(body: &str) -> ScriptedServer {
    answering_raw(200, "text/event-stream", BTreeMap::new(), body).await
}

/// Asks the server once.
pub(crate) async fn ask(server: &ScriptedServer, prompt: &str) -> Outcome {
    provider(&server.base_url()).ask(&request(prompt), &cx()).await
}

pub(crate) fn succeeded(outcome: Outcome) -> (Value, Metering) {
    match outcome {
        Outcome::Succeeded { value, metering } => (value.value(), metering),
        other => panic!("no success: {other:?}"),
    }
}

pub(crate) fn failed(outcome: Outcome) -> (Failure, Metering) {
    match outcome {
        Outcome::Failed { failure, metering } => {
            assert!(!format!("{failure:?}").contains(KEY), "{failure:?}");
            (failure, metering)
        }
        other => panic!("no failure: {other:?}"),
    }
}

pub(crate) fn reported(metering: Metering) -> TokenUsage {
    match metering {
        Metering::Reported(usage) => usage,
        other => panic!("not reported: {other:?}"),
    }
}
