//! Streams of both wires: cut anywhere, broken anywhere, and counted once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gorgon_core::call::{AnswerSchema, FailureClass, Message, Metering, ModelRequest, Part, Speaker, ToolSpec};
use gorgon_core::money::TokenUsage;
use gorgon_ports::{CallCx, Progress, Steer};
use gorgon_providers::{AnthropicConfig, OpenAiConfig, Provider, Thinking};
use gorgon_testkit::scripted::{AnswerReply, Counts, Delivery, ErrorReply, RawReply, Reply, Rule, Script, ScriptedServer, ToolCall, Usage};
use serde_json::{Value, json};

use crate::support::{anthropic, anthropic_config, config, cx, cx_heard, failed, provider_of, reported, succeeded};

const COUNTS: Counts = Counts { prompt: 40, completion: 12, cached: 16, cache_write: 8, reasoning: 5 };
const USED: TokenUsage = TokenUsage { input_uncached: 16, input_cache_read: 16, input_cache_write: 8, output_text: 7, output_reasoning: 5 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    OpenAi,
    Anthropic,
}

const WIRES: [Wire; 2] = [Wire::OpenAi, Wire::Anthropic];

fn provider(wire: Wire, base_url: &str) -> Arc<dyn Provider> {
    match wire {
        Wire::OpenAi => Arc::new(provider_of(&config(base_url))),
        Wire::Anthropic => Arc::new(anthropic(&anthropic_config(base_url))),
    }
}

fn whole(wire: Wire, base_url: &str) -> Arc<dyn Provider> {
    match wire {
        Wire::OpenAi => Arc::new(provider_of(&OpenAiConfig { stream: Some(false), ..config(base_url) })),
        Wire::Anthropic => Arc::new(anthropic(&AnthropicConfig { stream: Some(false), ..anthropic_config(base_url) })),
    }
}

fn request() -> ModelRequest {
    ModelRequest { model: "m".to_owned(), prompt: "Wie spät?".to_owned(), output_tokens_max: 50, ..ModelRequest::default() }
}

fn with_tools() -> ModelRequest {
    let tool = |name: &str| ToolSpec { name: name.to_owned(), description: "Does.".to_owned(), parameters: json!({"type": "object"}) };
    ModelRequest { tools: vec![tool("files_read"), tool("shell")], ..request() }
}

fn says(text: &str) -> AnswerReply {
    AnswerReply { text: text.to_owned(), usage: Usage::Is(COUNTS), ..AnswerReply::default() }
}

fn calls() -> AnswerReply {
    let call = |name: &str, arguments: &str| ToolCall { name: name.to_owned(), arguments: arguments.to_owned() };
    AnswerReply { tool_calls: vec![call("files_read", "{\"path\": \"ä b\"}"), call("shell", "{\"command\": \"ls -l\"}")], ..says("Ich sehe nach. ") }
}

async fn server(reply: AnswerReply, deliver: Delivery) -> ScriptedServer {
    ScriptedServer::start(Script::default().rule(Rule::new(Reply::Answer(reply)).deliver(deliver))).await.expect("a free port")
}

#[tokio::test]
async fn a_streamed_answer_is_the_whole_answer() {
    for wire in WIRES {
        for (reply, request) in [(says("Zwölf Uhr – 日本 🦀."), request()), (calls(), with_tools())] {
            let server = server(reply, Delivery::default()).await;
            let (cx, heard) = cx_heard();
            let (streamed, metering) = succeeded(provider(wire, &server.base_url()).ask(&request, &cx).await);
            assert_eq!(reported(metering), USED, "{wire:?}");
            let (at_once, metering) = succeeded(whole(wire, &server.base_url()).ask(&request, &cx).await);
            assert_eq!(reported(metering), USED, "{wire:?}");
            let same = |value: &Value| {
                // The server numbers its answers.
                let text = value.to_string().replace("call_2_", "call_1_").replace("toolu_2_", "toolu_1_");
                // Whole arguments of Anthropic are an object, streamed ones the text of it.
                text.replace("{\\\"path\\\": ", "{\\\"path\\\":").replace("{\\\"command\\\": ", "{\\\"command\\\":")
            };
            assert_eq!(same(&streamed), same(&at_once), "{wire:?}");
            let shown: Vec<u8> = heard
                .lock()
                .expect("not poisoned")
                .iter()
                .flat_map(|progress| if let Progress::Output { bytes, .. } = progress { bytes.clone() } else { Vec::new() })
                .collect();
            let text = streamed["text"].as_str().expect("text");
            assert_eq!(String::from_utf8_lossy(&shown), text.repeat(2), "shown once each: {wire:?}");
        }
    }
}

/// In process, by a server of one connection: a response is cut in two at each of its bytes.
#[tokio::test]
async fn an_answer_may_be_cut_at_every_byte() {
    for wire in WIRES {
        let path = match wire {
            Wire::OpenAi => "chat/completions",
            Wire::Anthropic => "messages",
        };
        let server = server(calls(), Delivery::default()).await;
        let ask = match wire {
            Wire::OpenAi => json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": true}),
            Wire::Anthropic => json!({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}], "stream": true}),
        };
        let body = crate::raw::post(&server.base_url(), path, &ask.to_string()).await;
        let cut = crate::raw::Cutting::serve(body.clone()).await;
        let asked = provider(wire, &cut.base_url());
        let mut first = None;
        for _ in 0..=body.len() {
            let (value, metering) = succeeded(asked.ask(&with_tools(), &cx()).await);
            assert_eq!(reported(metering), USED);
            assert_eq!(*first.get_or_insert_with(|| value.clone()), value, "{wire:?}");
        }
        assert_eq!(cut.served(), body.len() + 1);
        assert_eq!(first.expect("an answer")["parts"].as_array().map(Vec::len), Some(3), "{wire:?}");
    }
}

#[tokio::test]
async fn a_stream_that_stops_anywhere_is_no_answer_and_paid_for() {
    for wire in WIRES {
        let full = match wire {
            Wire::OpenAi => 2_000,
            Wire::Anthropic => 1_500,
        };
        for break_after_bytes in [1, 40, 300, full / 2] {
            let server = server(says("one two three"), Delivery { break_after_bytes: Some(break_after_bytes), ..Delivery::default() }).await;
            let (failure, metering) = failed(provider(wire, &server.base_url()).ask(&request(), &cx()).await);
            assert_eq!((failure.class, metering), (FailureClass::Transport, Metering::Unknown), "{wire:?} after {break_after_bytes}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_but_cleanly_is_no_answer_either() {
    let begun = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hal\"},\"finish_reason\":null}]}\n\n";
    let message = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
    for (wire, body) in [
        (Wire::OpenAi, begun),
        (Wire::Anthropic, message),
        (Wire::OpenAi, ""),
        (Wire::Anthropic, ""),
        (Wire::OpenAi, "data: {\n\n"),
        (Wire::Anthropic, "data: <html>\n\n"),
    ] {
        let raw = RawReply {
            status: 200,
            body: body.to_owned(),
            repeat: 1,
            headers: [("content-type".to_owned(), "text/event-stream".to_owned())].into(),
            billed: None,
        };
        let server = ScriptedServer::start(Script::always(Reply::Raw(raw))).await.expect("a free port");
        let (failure, metering) = failed(provider(wire, &server.base_url()).ask(&request(), &cx()).await);
        assert_eq!((failure.class, metering), (FailureClass::Transport, Metering::Unknown), "{wire:?} {body:?}: {failure:?}");
        assert!(failure.message.contains("not complete"), "{}", failure.message);
    }
}

#[tokio::test]
async fn an_error_in_a_stream_has_its_class() {
    for (wire, body, class) in [
        (
            Wire::OpenAi,
            "data: {\"error\":{\"message\":\"slow\",\"type\":\"server_error\",\"code\":\"rate_limit_exceeded\"}}\n\n",
            FailureClass::RateLimited,
        ),
        (
            Wire::Anthropic,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            FailureClass::Overloaded,
        ),
    ] {
        let raw = RawReply {
            status: 200,
            body: body.to_owned(),
            repeat: 1,
            headers: [("content-type".to_owned(), "text/event-stream".to_owned())].into(),
            billed: None,
        };
        let server = ScriptedServer::start(Script::always(Reply::Raw(raw))).await.expect("a free port");
        let (failure, metering) = failed(provider(wire, &server.base_url()).ask(&request(), &cx()).await);
        assert_eq!((failure.class, metering), (class, Metering::Unknown), "{wire:?}: {failure:?}");
    }
}

#[tokio::test]
async fn usage_that_is_not_told_is_not_known() {
    for wire in WIRES {
        let server = server(AnswerReply { usage: Usage::Missing, ..says("yes") }, Delivery::default()).await;
        let (value, metering) = succeeded(provider(wire, &server.base_url()).ask(&request(), &cx()).await);
        assert_eq!((&value["text"], metering), (&json!("yes"), Metering::Unknown), "{wire:?}");
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends() {
    let deliver = Delivery { chunk_bytes: Some(200), chunk_delay_ms: 5_000, ..Delivery::default() };
    for wire in WIRES {
        let server = server(says("one two three four"), deliver).await;
        let base = server.base_url();
        let asked: Arc<dyn Provider> = match wire {
            Wire::OpenAi => Arc::new(provider_of(&OpenAiConfig { idle_timeout_seconds: Some(0.2), ..config(&base) })),
            Wire::Anthropic => Arc::new(anthropic(&AnthropicConfig { idle_timeout_seconds: Some(0.2), ..anthropic_config(&base) })),
        };
        let begun = Instant::now();
        let (failure, metering) = failed(asked.ask(&request(), &cx()).await);
        assert_eq!((failure.class, metering), (FailureClass::TimedOut, Metering::Unknown), "{wire:?}: {failure:?}");
        assert!(failure.message.contains("silent") && begun.elapsed() < Duration::from_secs(5), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_listener_that_has_heard_enough_ends_the_call() {
    for wire in WIRES {
        let server = server(says("one two three four"), Delivery::default()).await;
        let cx = CallCx { progress: Arc::new(|_| Steer::Stop), ..cx() };
        let (failure, metering) = failed(provider(wire, &server.base_url()).ask(&request(), &cx).await);
        assert_eq!((failure.class, metering), (FailureClass::Cancelled, Metering::Unknown), "{wire:?}");
    }
}

#[tokio::test]
async fn tools_come_back_as_parts_and_go_out_again() {
    for wire in WIRES {
        let server = server(calls(), Delivery::default()).await;
        let asked: Arc<dyn Provider> = match wire {
            Wire::OpenAi => provider(wire, &server.base_url()),
            Wire::Anthropic => Arc::new(anthropic(&AnthropicConfig { thinking: Some(Thinking::Adaptive), ..anthropic_config(&server.base_url()) })),
        };
        let (value, _) = succeeded(asked.ask(&with_tools(), &cx()).await);
        assert_eq!(value["finish_reason"], "tool_calls");
        let parts: Vec<Part> = serde_json::from_value(value["parts"].clone()).expect("parts");
        let asked_for: Vec<(&str, &str)> = parts
            .iter()
            .filter_map(|part| if let Part::ToolCall { name, arguments, .. } = part { Some((name.as_str(), arguments.as_str())) } else { None })
            .collect();
        assert_eq!(asked_for, [("files_read", "{\"path\": \"ä b\"}"), ("shell", "{\"command\": \"ls -l\"}")], "{wire:?}");
        let results = parts
            .iter()
            .filter_map(|part| {
                if let Part::ToolCall { id, name, .. } = part {
                    Some(Part::ToolResult { id: id.clone(), name: name.clone(), content: "ok".to_owned(), is_error: false })
                } else {
                    None
                }
            })
            .collect();
        let messages = vec![Arc::new(Message { by: Speaker::Model, parts }), Arc::new(Message { by: Speaker::User, parts: results })];
        succeeded(asked.ask(&ModelRequest { messages, ..with_tools() }, &cx()).await);
        let body = server.requests().last().expect("a request").body.clone();
        let sent = body["messages"].as_array().expect("messages").clone();
        match wire {
            Wire::OpenAi => {
                let roles: Vec<&str> = sent.iter().filter_map(|message| message["role"].as_str()).collect();
                assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
            }
            Wire::Anthropic => {
                let kinds: Vec<&str> = sent[1]["content"].as_array().expect("blocks").iter().filter_map(|block| block["type"].as_str()).collect();
                assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
                assert_eq!(sent[1]["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": "sig_1"}), "unchanged");
                assert_eq!(sent[2]["content"].as_array().map(Vec::len), Some(2));
            }
        }
    }
}

#[tokio::test]
async fn an_answer_in_a_shape_is_asked_for_in_the_words_of_the_wire() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]});
    for wire in WIRES {
        let server = server(says("{\"a\":1}"), Delivery::default()).await;
        let request = ModelRequest { answer: Some(AnswerSchema { name: "shape".to_owned(), schema: schema.clone() }), ..request() };
        succeeded(provider(wire, &server.base_url()).ask(&request, &cx()).await);
        let body = server.requests()[0].body.clone();
        match wire {
            Wire::OpenAi => {
                assert_eq!(body["response_format"]["json_schema"]["strict"], json!(true));
                assert_eq!(body["response_format"]["json_schema"]["schema"]["additionalProperties"], json!(false));
            }
            Wire::Anthropic => {
                let sent = &body["output_config"]["format"]["schema"];
                assert_eq!(
                    sent,
                    &json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false})
                );
            }
        }
    }
}

#[tokio::test]
async fn anthropic_refuses_and_errs_in_its_own_words() {
    let refusing = server(AnswerReply { refusal: Some("I will not".to_owned()), ..AnswerReply::default() }, Delivery::default()).await;
    let (value, _) = succeeded(provider(Wire::Anthropic, &refusing.base_url()).ask(&request(), &cx()).await);
    assert_eq!((&value["finish_reason"], &value["text"]), (&json!("refusal"), &json!("I will not")));
    for (status, kind, code, class) in [
        (400, "invalid_request_error", None, FailureClass::Invalid),
        (401, "authentication_error", None, FailureClass::Denied),
        (402, "billing_error", None, FailureClass::Denied),
        (413, "request_too_large", None, FailureClass::Invalid),
        (429, "rate_limit_error", None, FailureClass::RateLimited),
        (429, "rate_limit_error", Some("enforced_spend_limit_reached"), FailureClass::Denied),
        (500, "api_error", None, FailureClass::Overloaded),
        (529, "overloaded_error", None, FailureClass::Overloaded),
    ] {
        let error = ErrorReply {
            status,
            message: "it says".to_owned(),
            kind: Some(kind.to_owned()),
            code: code.map(str::to_owned),
            headers: [("retry-after".to_owned(), "3".to_owned())].into(),
        };
        let server = ScriptedServer::start(Script::always(Reply::Error(error))).await.expect("a free port");
        let (failure, metering) = failed(provider(Wire::Anthropic, &server.base_url()).ask(&request(), &cx()).await);
        assert_eq!((failure.class, metering), (class, Metering::None), "{status} {kind}: {failure:?}");
        assert!(failure.message.contains("it says"), "{}", failure.message);
        assert_eq!(failure.retry_after_ms, class.is_transient().then_some(3_000), "{status}");
    }
}

#[tokio::test]
async fn a_temperature_that_is_not_sent_is_said() {
    let server = server(says("yes"), Delivery::default()).await;
    let (cx, heard) = cx_heard();
    succeeded(provider(Wire::Anthropic, &server.base_url()).ask(&ModelRequest { temperature: Some(0.5), ..request() }, &cx).await);
    assert_eq!(server.requests()[0].body.get("temperature"), None);
    let heard = heard.lock().expect("not poisoned");
    assert!(
        matches!(&heard[0], Progress::Output { stream: "stderr", bytes } if String::from_utf8_lossy(bytes).contains("`temperature` is not sent")),
        "{heard:?}"
    );
}

/// A stream of these bytes.
async fn streaming(body: String, deliver: Delivery) -> ScriptedServer {
    let raw = RawReply { status: 200, body, repeat: 1, headers: [("content-type".to_owned(), "text/event-stream".to_owned())].into(), billed: None };
    ScriptedServer::start(Script::default().rule(Rule::new(Reply::Raw(raw)).deliver(deliver))).await.expect("a free port")
}

/// Chunks of the wire of OpenAI, with these deltas.
fn chunks(choices: &[Value]) -> String {
    let chunk = |choices: &Value| format!("data: {}\n\n", json!({ "model": "m", "choices": choices }));
    let end = json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]);
    choices.iter().chain([&end]).map(chunk).collect::<String>() + "data: [DONE]\n\n"
}

#[tokio::test]
async fn whatever_comes_is_a_sign_of_life() {
    // A model that thinks for long: comments keep the line open, in pieces that are far apart, and much longer together than silence may be.
    let thinking = ": OPENROUTER PROCESSING\n\n".repeat(24);
    let body = thinking + &chunks(&[json!([{ "index": 0, "delta": { "content": "yes" } }])]);
    let server = streaming(body, Delivery { chunk_bytes: Some(50), chunk_delay_ms: 120, ..Delivery::default() }).await;
    let asked = provider_of(&OpenAiConfig { idle_timeout_seconds: Some(1.0), ..config(&server.base_url()) });
    let (value, _) = succeeded(asked.ask(&request(), &cx()).await);
    assert_eq!(value["text"], "yes");
}

#[tokio::test]
async fn what_compatible_servers_stream_differently_is_read_as_it_is_meant() {
    let deltas = |deltas: &[Value]| deltas.iter().map(|delta| json!([{ "index": 0, "delta": delta }])).collect::<Vec<_>>();
    let call = |index: u64, id: &str, name: &str, arguments: Value| json!({ "index": index, "id": id, "function": { "name": name, "arguments": arguments } });
    for (what, body, text, asked_for) in [
        ("an empty event", format!("event: ping\ndata: \n\n{}", chunks(&deltas(&[json!({ "content": "hi" })]))), "hi", vec![]),
        (
            "parts",
            chunks(&deltas(&[
                json!({ "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "h" }] }),
                json!({ "content": "i" }),
            ])),
            "hi",
            vec![],
        ),
        (
            "several choices",
            chunks(&[json!([{ "index": 1, "delta": { "content": "no" } }, { "index": 0, "delta": { "content": "hi" } }])]),
            "hi",
            vec![],
        ),
        (
            "one index for all calls",
            chunks(&deltas(&[json!({ "tool_calls": [call(0, "a", "files_read", json!("{\"path\":\"x\"}")), call(0, "b", "shell", json!("{}"))] })])),
            "",
            vec![("files_read", "{\"path\":\"x\"}"), ("shell", "{}")],
        ),
        (
            "the id in each piece",
            chunks(&deltas(&[
                json!({ "tool_calls": [call(0, "a", "files_read", json!("{\"path\":"))] }),
                json!({ "tool_calls": [call(0, "a", "files_read", json!("\"x\"}"))] }),
            ])),
            "",
            vec![("files_read", "{\"path\":\"x\"}")],
        ),
        (
            "an id for each piece",
            chunks(&deltas(&[
                json!({ "tool_calls": [call(0, "a", "files_read", json!("{\"path\":"))] }),
                json!({ "tool_calls": [call(0, "b", "", json!("\"x\"}"))] }),
            ])),
            "",
            vec![("files_read", "{\"path\":\"x\"}")],
        ),
        (
            "choices that are counted",
            chunks(&[json!([{ "index": 0, "delta": { "content": "h" } }]), json!([{ "index": 1, "delta": { "content": "i" } }])]),
            "hi",
            vec![],
        ),
        (
            "arguments that are an object",
            chunks(&deltas(&[json!({ "tool_calls": [call(0, "a", "shell", json!({ "command": "ls" }))] })])),
            "",
            vec![("shell", "{\"command\":\"ls\"}")],
        ),
    ] {
        let server = streaming(body, Delivery::default()).await;
        let (value, _) = succeeded(provider(Wire::OpenAi, &server.base_url()).ask(&with_tools(), &cx()).await);
        let parts: Vec<Part> = serde_json::from_value(value["parts"].clone()).unwrap_or_default();
        let found: Vec<(&str, &str)> = parts
            .iter()
            .filter_map(|part| if let Part::ToolCall { name, arguments, .. } = part { Some((name.as_str(), arguments.as_str())) } else { None })
            .collect();
        assert_eq!((value["text"].as_str(), found), (Some(text), asked_for), "{what}");
    }
}
