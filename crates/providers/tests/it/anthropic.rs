//! What a stream of Messages may say, event by event.

use gorgon_core::call::{FailureClass, Metering, Outcome};
use gorgon_core::money::TokenUsage;
use gorgon_providers::Provider;
use serde_json::{Value, json};

use crate::support::{anthropic, anthropic_config, cx, failed, reported, request, streaming_raw, succeeded};

async fn answer_to(events: &[Value]) -> Outcome {
    let body: String = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())).collect();
    let server = streaming_raw(&body).await;
    anthropic(&anthropic_config(&server.base_url())).ask(&request("x"), &cx()).await
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"model": "m", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}})
}

fn block(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn end(usage: &Value) -> [Value; 2] {
    [json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}), json!({"type": "message_stop"})]
}

fn said(text: &str) -> [Value; 2] {
    [block(7, &json!({"type": "text", "text": ""})), delta(7, &json!({"type": "text_delta", "text": text}))]
}

#[tokio::test]
async fn an_end_that_does_not_count_the_output_leaves_it_unknown() {
    for usage in [json!({}), json!({"output_tokens": null}), json!({"input_tokens": 9, "cache_read_input_tokens": 0})] {
        let [ended, stopped] = end(&usage);
        let [begun, spoken] = said("yes");
        let (value, metering) = succeeded(answer_to(&[start(), begun, spoken, ended, stopped]).await);
        assert_eq!((&value["text"], metering), (&json!("yes"), Metering::Unknown), "the one token of the beginning is not the last word: {usage}");
    }
    let [ended, stopped] = end(&json!({"output_tokens": 4}));
    let [begun, spoken] = said("yes");
    let (_, metering) = succeeded(answer_to(&[start(), begun, spoken, ended, stopped]).await);
    assert_eq!(reported(metering), TokenUsage { input_uncached: 9, output_text: 4, ..TokenUsage::default() });
}

#[tokio::test]
async fn a_tool_of_the_server_is_kept_as_it_would_have_come_whole() {
    let whole = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "ä b"}});
    let mut begun = whole.clone();
    begun["input"] = json!({});
    let [spoke, spoken] = said("yes");
    let [ended, stopped] = end(&json!({"output_tokens": 4}));
    let pieces = ["", "{\"query\": \"", "ä b\"}"].map(|piece| delta(0, &json!({"type": "input_json_delta", "partial_json": piece})));
    let events: Vec<Value> = [start(), block(0, &begun)].into_iter().chain(pieces).chain([spoke, spoken, ended, stopped]).collect();
    let (value, _) = succeeded(answer_to(&events).await);
    assert_eq!(value["parts"], json!([{"opaque": {"provider": "anthropic", "block": whole}}, {"text": "yes"}]));
}

#[tokio::test]
async fn a_signature_that_comes_again_takes_the_place_of_the_first() {
    let [spoke, spoken] = said("yes");
    let [ended, stopped] = end(&json!({"output_tokens": 4}));
    let events = [
        start(),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, &json!({"type": "signature_delta", "signature": "c2ln"})),
        delta(0, &json!({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})),
        spoke,
        spoken,
        ended,
        stopped,
    ];
    let (value, _) = succeeded(answer_to(&events).await);
    assert_eq!(value["parts"][0]["opaque"]["block"], json!({"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"}));
}

#[tokio::test]
async fn an_end_that_is_none_is_not_taken_for_one() {
    let [begun, spoken] = said("yes");
    let [_, stopped] = end(&json!({}));
    let without = json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 4}});
    for events in
        [vec![start(), begun.clone(), spoken.clone(), stopped.clone()], vec![start(), begun.clone(), spoken.clone(), without, stopped.clone()]]
    {
        let (failure, _) = failed(answer_to(&events).await);
        assert!(failure.message.contains("without a word on why"), "{}", failure.message);
    }
    let no_tool = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}});
    let (failure, _) = failed(answer_to(&[start(), begun, spoken, no_tool, stopped]).await);
    assert!(failure.message.contains("a tool"), "{}", failure.message);
}

#[tokio::test]
async fn a_block_that_is_no_object_harms_nobody() {
    for nonsense in [json!("text"), json!([1]), json!(null), json!(7)] {
        let [spoke, spoken] = said("yes");
        let [ended, stopped] = end(&json!({"output_tokens": 4}));
        let events = [
            start(),
            block(0, &nonsense),
            delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, &json!({"type": "input_json_delta", "partial_json": "{}"})),
            spoke,
            spoken,
            ended,
            stopped,
        ];
        assert_eq!(succeeded(answer_to(&events).await).0["text"], json!("yes"), "{nonsense}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_has_the_class_that_its_status_would_have() {
    for (kind, class) in [
        ("overloaded_error", FailureClass::Overloaded),
        ("api_error", FailureClass::Overloaded),
        ("timeout_error", FailureClass::TimedOut),
        ("rate_limit_error", FailureClass::RateLimited),
        ("billing_error", FailureClass::Denied),
    ] {
        let error = json!({"type": "error", "error": {"type": kind, "message": "it says", "details": null}, "request_id": "req_1"});
        let [begun, spoken] = said("ha");
        let (failure, metering) = failed(answer_to(&[start(), begun, spoken, error]).await);
        assert_eq!((failure.class, metering), (class, Metering::Unknown), "{kind}: {failure:?}");
        assert!(failure.message.contains("it says"), "{}", failure.message);
    }
}
