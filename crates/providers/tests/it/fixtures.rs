//! The fixtures: what servers send, as the official SDK packages know it. `SOURCES.toml` beside them says where each is from.

mod anthropic;
mod openai;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gorgon_core::call::{Metering, ModelRequest, Outcome, ToolSpec};
use gorgon_core::money::TokenUsage;
use gorgon_providers::{AnthropicConfig, OpenAiConfig, Provider};
use gorgon_testkit::scripted::{Delivery, RawReply, Reply, Rule, Script, ScriptedServer};
use serde_json::{Value, json};

use crate::raw::Cutting;
use crate::support::{answering_raw, anthropic, anthropic_config, config, cx, cx_heard, failed, provider_of, reported, succeeded};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of one provider that end so.
pub(crate) fn files(provider: &str, end: &str) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(folder().join(provider))
        .expect("a folder")
        .map(|entry| format!("{provider}/{}", entry.expect("an entry").file_name().to_string_lossy()))
        .filter(|file| file.ends_with(end))
        .collect();
    files.sort();
    files
}

/// A server that sends this file whatever it is asked.
pub(crate) async fn serving(file: &str) -> ScriptedServer {
    let content_type = if file.ends_with(".sse") { "text/event-stream; charset=utf-8" } else { "application/json" };
    answering_raw(200, content_type, BTreeMap::new(), &text(file)).await
}

/// The adapter of the provider that the file belongs to.
pub(crate) fn adapter(file: &str, base_url: &str) -> Box<dyn Provider> {
    let stream = Some(file.ends_with(".sse"));
    match file.split('/').next() {
        Some("anthropic") => Box::new(anthropic(&AnthropicConfig { stream, ..anthropic_config(base_url) })),
        Some("openai") => Box::new(provider_of(&OpenAiConfig { stream, ..config(base_url) })),
        other => panic!("nobody reads {other:?}"),
    }
}

/// A question with tools, for an answer may call some.
pub(crate) fn question() -> ModelRequest {
    let tool = |name: &str| ToolSpec { name: name.to_owned(), description: "Does.".to_owned(), parameters: json!({"type": "object"}) };
    ModelRequest {
        model: "asked".to_owned(),
        prompt: "Wie spät?".to_owned(),
        output_tokens_max: 500,
        tools: vec![tool("files_read"), tool("shell")],
        ..ModelRequest::default()
    }
}

async fn outcome(file: &str) -> Outcome {
    let server = serving(file).await;
    adapter(file, &server.base_url()).ask(&question(), &cx()).await
}

/// The answer that our adapter makes of a file, and what it cost.
async fn answer(file: &str) -> (Value, Metering) {
    succeeded(outcome(file).await)
}

/// Usage: uncached input, cache read, cache write, text, reasoning.
fn used(parts: [u64; 5]) -> TokenUsage {
    let [input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning] = parts;
    TokenUsage { input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning }
}

/// Asks for each error of a list: its number in the list, the failure, the metering.
async fn errors(file: &str) -> Vec<(Value, gorgon_core::call::Failure, Metering)> {
    let list: Vec<Value> = serde_json::from_str(&text(file)).expect("a list");
    let mut failures = Vec::new();
    for error in list {
        let status = error["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        let headers = serde_json::from_value(error["headers"].clone()).expect("headers");
        let server = answering_raw(status, "application/json", headers, &error["body"].to_string()).await;
        let (failure, metering) = failed(adapter(file, &server.base_url()).ask(&question(), &cx()).await);
        let message = error["body"]["error"]["message"].as_str().expect("a message");
        assert!(failure.message.contains(message), "what the server says is shown: {}", failure.message);
        failures.push((error, failure, metering));
    }
    failures
}

/// That the outcome of every stream is the same if it comes in pieces that end anywhere: within lines, names, and characters.
async fn in_small_pieces(provider: &str) {
    for file in files(provider, ".sse") {
        let headers = [("content-type".to_owned(), "text/event-stream".to_owned())].into();
        let raw = RawReply { status: 200, body: text(&file), repeat: 1, headers, billed: None };
        let pieces = Delivery { chunk_bytes: Some(11), ..Delivery::default() };
        let server = ScriptedServer::start(Script::default().rule(Rule::new(Reply::Raw(raw)).deliver(pieces))).await.expect("a free port");
        let in_pieces = adapter(&file, &server.base_url()).ask(&question(), &cx()).await;
        assert_eq!(in_pieces, outcome(&file).await, "{file}");
    }
}

/// That the outcome of a stream is the same wherever its bytes are cut in two.
async fn cut_at_every_byte(file: &str) {
    let whole = outcome(file).await;
    let body = Bytes::from(text(file));
    let cutting = Cutting::serve(body.clone()).await;
    let adapter = adapter(file, &cutting.base_url());
    for at in 0..=body.len() {
        assert_eq!(adapter.ask(&question(), &cx()).await, whole, "{file} cut at {at}");
    }
    assert_eq!(cutting.served(), body.len() + 1);
}
