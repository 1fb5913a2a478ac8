//! A second reader of the fixtures: `genai`, which knows nothing of ours, comes to the same text and the same counts of the same bytes.
//!
//! Its counts include each other, as on the wire of OpenAI: the prompt what a cache served or took, the completion what was thought. Ours are disjoint
//! and are summed here. Where the two differ, the difference is asserted, with the one that is right.

use futures_util::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatStreamEvent, Usage};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use gorgon_core::call::{FailureClass, Metering, Outcome};
use gorgon_core::money::TokenUsage;
use gorgon_testkit::scripted::ScriptedServer;
use serde_json::{Value, json};

use crate::fixtures::{adapter, question, serving};
use crate::support::{cx, failed, reported};

/// What a reader makes of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    text: String,
    /// Id, name, and arguments as JSON, or as text where they are none.
    calls: Vec<(String, String, Value)>,
    counts: Counts,
}

/// Counts that include each other.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
}

impl Counts {
    fn of_ours(usage: TokenUsage) -> Self {
        Self {
            input: usage.input_uncached + usage.input_cache_read + usage.input_cache_write,
            cache_read: usage.input_cache_read,
            cache_write: usage.input_cache_write,
            output: usage.output_text + usage.output_reasoning,
            reasoning: usage.output_reasoning,
        }
    }

    /// What is not told is none, there as here.
    fn of_theirs(usage: &Usage) -> Self {
        let count = |count: Option<i32>| count.map_or(0, |count| u64::try_from(count).expect("not negative"));
        let prompt = usage.prompt_tokens_details.as_ref();
        Self {
            input: count(usage.prompt_tokens),
            cache_read: count(prompt.and_then(|details| details.cached_tokens)),
            cache_write: count(prompt.and_then(|details| details.cache_creation_tokens)),
            output: count(usage.completion_tokens),
            reasoning: count(usage.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens)),
        }
    }
}

async fn ours(file: &str) -> Reading {
    let server = serving(file).await;
    let outcome = adapter(file, &server.base_url()).ask(&question(), &cx()).await;
    let Outcome::Succeeded { value, metering } = outcome else { panic!("{file}: {outcome:?}") };
    let value = value.value();
    let calls = value["parts"].as_array().into_iter().flatten().filter_map(|part| part.get("tool_call"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Reading {
        text: text(&value["text"]),
        calls: calls.map(|call| (text(&call["id"]), text(&call["name"]), parsed(&text(&call["arguments"])))).collect(),
        counts: if metering == Metering::Unknown { Counts::default() } else { Counts::of_ours(reported(metering)) },
    }
}

fn parsed(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments))
}

async fn theirs(file: &str) -> Result<Reading, genai::Error> {
    theirs_of(file, &serving(file).await).await
}

async fn theirs_of(file: &str, server: &ScriptedServer) -> Result<Reading, genai::Error> {
    let client = their_client(file, server);
    let request = ChatRequest::from_user("Wie spät?");
    let options = ChatOptions::default().with_max_tokens(500).with_capture_usage(true).with_capture_content(true).with_capture_tool_calls(true);
    if file.ends_with(".json") {
        let answer = client.exec_chat("asked", request, Some(&options)).await?;
        let calls = answer.tool_calls().into_iter().map(|call| (call.call_id.clone(), call.fn_name.clone(), read_arguments(&call.fn_arguments)));
        return Ok(Reading { text: answer.texts().concat(), calls: calls.collect(), counts: Counts::of_theirs(&answer.usage) });
    }
    let mut stream = client.exec_chat_stream("asked", request, Some(&options)).await?.stream;
    while let Some(event) = stream.next().await {
        if let ChatStreamEvent::End(end) = event? {
            let calls = end.captured_tool_calls().unwrap_or_default();
            let calls = calls.into_iter().map(|call| (call.call_id.clone(), call.fn_name.clone(), read_arguments(&call.fn_arguments)));
            return Ok(Reading {
                text: end.captured_texts().unwrap_or_default().concat(),
                calls: calls.collect(),
                counts: end.captured_usage.as_ref().map(Counts::of_theirs).unwrap_or_default(),
            });
        }
    }
    panic!("{file}: the stream has no end");
}

fn read_arguments(arguments: &Value) -> Value {
    arguments.as_str().map_or_else(|| arguments.clone(), parsed)
}

fn their_client(file: &str, server: &ScriptedServer) -> Client {
    let kind = if file.starts_with("anthropic/") { AdapterKind::Anthropic } else { AdapterKind::OpenAI };
    let base = format!("{}/", server.base_url());
    let target = ServiceTargetResolver::from_resolver_fn(move |target: ServiceTarget| -> Result<ServiceTarget, genai::resolver::Error> {
        let model = ModelIden::new(kind, target.model.model_name);
        Ok(ServiceTarget { endpoint: Endpoint::from_owned(base.clone()), auth: AuthData::from_single("sk-test"), model })
    });
    Client::builder().with_reqwest(plain_http()).with_service_target_resolver(target).build().expect("a client")
}

/// A client for this machine alone. It never speaks TLS, but wants to know how it would.
fn plain_http() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}

#[tokio::test]
async fn both_come_to_the_same() {
    for file in [
        "anthropic/context_window_exceeded.json",
        "anthropic/message_delta_omitted_usage.sse",
        "anthropic/tool_use.sse",
        "anthropic/tool_use_invalid_json.sse",
        "anthropic/tool_use_cut_off.sse",
        "anthropic/unknown_block.sse",
        "anthropic/unknown_events.sse",
        "anthropic/pause_turn.json",
        "openai/text_tools_usage.sse",
        "openai/parallel_tools.sse",
        "openai/obfuscation.sse",
        "openai/moderation.sse",
        "openai/cached_tokens.json",
        "openai/cache_write_tokens.json",
        "openai/reasoning_tokens.json",
        "openai/tool_calls.json",
    ] {
        let theirs = theirs(file).await.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(ours(file).await, theirs, "{file}");
    }
}

/// `genai` asks for the version of 2023 and cannot be told another. The bytes that it is given here are of 2026, and its readings hold for those.
#[tokio::test]
async fn they_ask_in_the_words_of_another_version() {
    let file = "anthropic/tool_use.sse";
    let server = serving(file).await;
    adapter(file, &server.base_url()).ask(&question(), &cx()).await;
    theirs_of(file, &server).await.unwrap_or_else(|error| panic!("{error}"));
    let versions: Vec<_> = server.requests().iter().map(|request| request.header("anthropic-version").map(str::to_owned)).collect();
    assert_eq!(versions, [Some("2026-10-21".to_owned()), Some("2023-06-01".to_owned())]);
}

/// Ours is right: the server says how much of the output was thought, and a price may depend on it. `genai` reads it in whole answers only.
#[tokio::test]
async fn they_do_not_see_in_a_stream_what_was_thought() {
    for (file, reasoning) in
        [("anthropic/thinking_text_tool.sse", 120), ("anthropic/message_delta_fields.sse", 3), ("anthropic/refusal_after_thinking.sse", 67)]
    {
        let mut ours = ours(file).await;
        assert_eq!(std::mem::take(&mut ours.counts.reasoning), reasoning, "{file}");
        let theirs = theirs(file).await.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(ours, theirs, "{file}");
    }
}

/// Ours is right: the official SDK reads both streams to their ends. `genai` takes a delta of a block that it does not know for one of text.
#[tokio::test]
async fn they_give_up_at_a_delta_that_they_do_not_know() {
    for (file, input, output) in [("anthropic/server_tool_use.sse", 9_281, 97), ("anthropic/unknown_delta.sse", 30, 8)] {
        let error = theirs(file).await.expect_err(file).to_string();
        assert!(error.contains("/delta/text"), "{error}");
        assert_eq!(ours(file).await.counts, Counts { input, output, ..Counts::default() }, "{file}");
    }
}

/// Ours is right: why a model refuses stands beside its text, and `genai` reads the text alone. What was paid for is the same.
#[tokio::test]
async fn they_do_not_hear_why_a_model_refuses() {
    let file = "anthropic/refusal.sse";
    let Reading { text, calls, counts } = ours(file).await;
    assert_eq!((text.as_str(), counts), ("Das nicht.", Counts { input: 20, ..Counts::default() }));
    assert_eq!(theirs(file).await.expect("an answer"), Reading { text: String::new(), calls, counts });

    let file = "openai/refusal.sse";
    let server = serving(file).await;
    let (failure, metering) = failed(adapter(file, &server.base_url()).ask(&question(), &cx()).await);
    assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::Refused, Some("Das nicht.")));
    let counts = Counts::of_ours(reported(metering));
    assert_eq!(theirs(file).await.expect("an answer"), Reading { text: String::new(), calls: Vec::new(), counts });
}

#[tokio::test]
async fn both_see_an_error_in_a_stream() {
    for (file, says) in [("anthropic/error_in_stream.sse", "Overloaded"), ("openai/error_in_stream.sse", "it broke")] {
        let server = serving(file).await;
        let (failure, metering) = failed(adapter(file, &server.base_url()).ask(&question(), &cx()).await);
        assert_eq!((failure.class, metering), (FailureClass::Overloaded, Metering::Unknown), "{file}");
        let error = theirs(file).await.expect_err(file);
        assert!(failure.message.contains(says) && error.to_string().contains(says), "{file}: {error}");
    }
}
