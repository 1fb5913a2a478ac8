use bytes::Bytes;
use gorgon_core::money::TokenUsage;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;

use super::*;

const CACHED: &str = include_str!("../../../tests/fixtures/openai/cached_tokens.json");
const CACHE_WRITE: &str = include_str!("../../../tests/fixtures/openai/cache_write_tokens.json");
const REASONING: &str = include_str!("../../../tests/fixtures/openai/reasoning_tokens.json");
const LENGTH: &str = include_str!("../../../tests/fixtures/openai/length.json");
const REFUSAL: &str = include_str!("../../../tests/fixtures/openai/refusal.json");
const CONTENT_FILTER: &str = include_str!("../../../tests/fixtures/openai/content_filter.json");
const RATE_LIMIT: &str = include_str!("../../../tests/fixtures/openai/rate_limit.json");
const QUOTA: &str = include_str!("../../../tests/fixtures/openai/insufficient_quota.json");

const ASKED: Asked<'_> = Asked { name: "openai", model: "asked", tools: false };

fn read_text(body: &str) -> Result<(ModelAnswer, Metering), (Failure, Metering)> {
    let headers = HeaderMap::from_iter([("x-request-id".parse().expect("a name"), HeaderValue::from_static("req_9"))]);
    read(ASKED, &Answered { status: 200, headers, body: Bytes::from(body.to_owned()) })
}

fn answer(text: &str) -> ModelAnswer {
    ModelAnswer { text: text.to_owned(), model: "gpt-fixture-2026-10-01".to_owned(), finish_reason: "stop".to_owned(), parts: Vec::new() }
}

fn refused(body: &str) -> (String, Option<String>, Metering) {
    let (failure, metering) = read_text(body).expect_err("a failure");
    assert_eq!(failure.class, FailureClass::Refused, "{}", failure.message);
    assert!(failure.message.ends_with(" [request req_9]"), "{}", failure.message);
    (failure.message, failure.detail, metering)
}

fn reported(parts: [u64; 5]) -> Metering {
    let [input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning] = parts;
    Metering::Reported(TokenUsage { input_uncached, input_cache_read, input_cache_write, output_text, output_reasoning })
}

#[test]
fn documented_answers_are_read() {
    assert_eq!(read_text(CACHED).ok(), Some((answer("Twelve files, two of them empty."), reported([120, 1280, 0, 9, 0]))));
    assert_eq!(read_text(CACHE_WRITE).ok(), Some((answer("Zwölf Dateien – zwei leer."), reported([52, 512, 1536, 11, 0]))));
    assert_eq!(read_text(REASONING).ok(), Some((answer("42"), reported([30, 0, 0, 4, 256]))));
}

#[test]
fn an_answer_without_an_answer_fails_and_is_paid_for() {
    let (message, detail, metering) = refused(REFUSAL);
    assert!(message.contains("refuses"), "{message}");
    assert_eq!((detail.as_deref(), metering), (Some("I can't help with that."), reported([25, 0, 0, 8, 0])));

    let (message, detail, metering) = refused(CONTENT_FILTER);
    assert!(message.contains("content filter"), "{message}");
    assert_eq!((detail.as_deref(), metering), (Some("The first half of"), reported([25, 0, 0, 5, 0])));

    let (message, _, metering) = refused(LENGTH);
    assert!(message.contains("max_tokens"), "{message}");
    assert_eq!(metering, reported([30, 0, 0, 0, 64]));

    for content in [json!(null), json!(""), json!([]), json!(7)] {
        let body = json!({
            "model": "m", "choices": [{"finish_reason": "stop", "message": {"content": content}}], "usage": {"prompt_tokens": 3, "completion_tokens": 0},
        });
        let (message, _, metering) = refused(&body.to_string());
        assert!(message.contains("empty answer"), "{message}");
        assert_eq!(metering, reported([3, 0, 0, 0, 0]));
    }
}

#[test]
fn a_call_that_the_cap_cut_off_is_not_said_to_be_whole() {
    let call = |arguments: &str| json!({"id": "t1", "type": "function", "function": {"name": "shell", "arguments": arguments}});
    for (text, calls) in [("", vec![call("{\"command\": \"rm")]), ("Now it goes.", vec![call("{\"command\": \"ls\"}"), call("")])] {
        let parts = calls.len() + usize::from(!text.is_empty());
        let body = json!({"model": "m", "choices": [{"finish_reason": "length", "message": {"content": text, "tool_calls": calls}}]});
        let asked = Asked { tools: true, ..ASKED };
        let (answer, _) = read_body(asked, &body, &HeaderMap::new()).expect("an answer");
        assert_eq!((answer.text.as_str(), answer.finish_reason.as_str(), answer.parts.len()), (text, "length", parts));
    }
}

#[test]
fn an_answer_cut_by_its_cap_says_so() {
    let body = json!({"model": "m", "choices": [{"finish_reason": "length", "message": {"content": "Once upon"}}]});
    let (answer, metering) = read_text(&body.to_string()).expect("an answer");
    assert_eq!((answer.text.as_str(), answer.finish_reason.as_str(), metering), ("Once upon", "length", Metering::Unknown));
}

#[test]
fn parts_of_a_text_are_joined() {
    let body = json!({
        "choices": [{"finish_reason": null, "message": {"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}}],
    });
    let (answer, _) = read_text(&body.to_string()).expect("an answer");
    assert_eq!(answer, ModelAnswer { text: "ab".to_owned(), model: "asked".to_owned(), finish_reason: "unknown".to_owned(), parts: Vec::new() });

    let body = json!({"choices": [{"finish_reason": "stop", "message": {"content": [{"type": "refusal", "refusal": "No."}]}}]});
    assert_eq!(refused(&body.to_string()).1.as_deref(), Some("No."));
}

#[test]
fn a_call_of_a_tool_that_was_not_given_is_no_answer() {
    let body = json!({"choices": [{"finish_reason": "tool_calls", "message": {"content": null, "tool_calls": [{"id": "1"}]}}]});
    assert!(refused(&body.to_string()).0.contains("called a tool"));
}

#[test]
fn what_is_no_answer_at_all_is_not_known_to_be_free() {
    for body in ["", "not JSON", "{\"choices\":[", "[]", "{}", "null", r#"{"choices":[]}"#] {
        assert_eq!(refused(body).2, Metering::Unknown, "{body}");
    }
    assert_eq!(refused("<html>").1.as_deref(), Some("<html>"));
}

#[test]
fn an_error_in_an_answer_keeps_its_class_and_may_have_cost_everything() {
    let server_error = json!({"error": {"message": "m", "type": "server_error"}}).to_string();
    let numbered = json!({"error": {"message": "m", "code": 503}}).to_string();
    let other = json!({"error": "m"}).to_string();
    for (body, class) in [
        (RATE_LIMIT, FailureClass::RateLimited),
        (QUOTA, FailureClass::Denied),
        (&server_error, FailureClass::Overloaded),
        (&numbered, FailureClass::Overloaded),
        (&other, FailureClass::Refused),
    ] {
        let (failure, metering) = read_text(body).expect_err("a failure");
        assert_eq!((failure.class, metering), (class, Metering::Unknown), "{body}");
    }
}
