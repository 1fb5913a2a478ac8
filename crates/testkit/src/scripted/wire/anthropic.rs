//! An answer as Anthropic's Messages words it.

use serde_json::{Value, json};

use super::super::question::Question;
use super::super::script::AnswerReply;
use super::pieces;

fn stop_reason(answer: &AnswerReply) -> &str {
    let implied = match (&answer.refusal, answer.tool_calls.is_empty()) {
        (Some(_), _) => "refusal",
        (None, true) => "end_turn",
        (None, false) => "tool_use",
    };
    answer.finish_reason.as_deref().unwrap_or(implied)
}

/// On this wire the three kinds of input are apart.
fn usage(told: Option<&Value>) -> Value {
    let Some(told) = told else { return Value::Null };
    let count = |pointer: &str| told.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let (prompt, cached) = (count("/prompt_tokens"), count("/prompt_tokens_details/cached_tokens"));
    let written = count("/prompt_tokens_details/cache_write_tokens");
    if told.get("prompt_tokens").is_none() {
        return told.clone();
    }
    json!({
        "input_tokens": prompt.saturating_sub(cached).saturating_sub(written),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "output_tokens": count("/completion_tokens"),
        "output_tokens_details": {"thinking_tokens": count("/completion_tokens_details/reasoning_tokens")},
        "service_tier": "standard",
    })
}

/// The blocks of the answer: thinking first, where the question lets the model think.
fn blocks(n: u64, answer: &AnswerReply, question: &Question) -> Vec<Value> {
    let mut blocks = Vec::new();
    if question.thinks {
        blocks.push(json!({"type": "thinking", "thinking": "hm", "signature": format!("sig_{n}")}));
    }
    let text = answer.refusal.as_ref().filter(|_| answer.text.is_empty()).unwrap_or(&answer.text);
    if !text.is_empty() {
        blocks.push(json!({"type": "text", "text": text}));
    }
    for (place, call) in answer.tool_calls.iter().enumerate() {
        let input = serde_json::from_str::<Value>(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks.push(json!({"type": "tool_use", "id": format!("toolu_{n}_{place}"), "name": call.name, "input": input}));
    }
    blocks
}

pub(super) fn whole(n: u64, answer: &AnswerReply, question: &Question, told: Option<Value>) -> Value {
    json!({
        "id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": answer.model.as_ref().unwrap_or(&question.model),
        "content": blocks(n, answer, question), "stop_reason": stop_reason(answer), "stop_sequence": null,
        "stop_details": answer.refusal.as_ref().map(|why| json!({"type": "refusal", "category": null, "explanation": why})),
        "usage": usage(told.as_ref()),
    })
}

pub(super) fn events(n: u64, answer: &AnswerReply, question: &Question, told: Option<&Value>) -> String {
    let event = |body: Value| format!("event: {}\ndata: {body}\n\n", body.get("type").and_then(Value::as_str).unwrap_or_default());
    let mut begun = whole(n, answer, question, told.cloned());
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["stop_details"] = Value::Null;
    if let Some(output) = begun.pointer_mut("/usage/output_tokens") {
        // The last word on the output comes at the end.
        *output = json!(1);
    }
    let mut out = event(json!({"type": "message_start", "message": begun}));
    out.push_str(&event(json!({"type": "ping"})));
    for (index, block) in blocks(n, answer, question).into_iter().enumerate() {
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let delta = |delta: Value| event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        let (begin, deltas): (Value, Vec<Value>) = match kind.as_str() {
            "text" => {
                let text = text("text");
                (json!({"type": "text", "text": ""}), pieces(&text).into_iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect())
            }
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": text("thinking")}),
                    json!({"type": "signature_delta", "signature": text("signature")}),
                ],
            ),
            _ => {
                let place = answer.tool_calls.iter().position(|call| call.name == text("name")).unwrap_or_default();
                let arguments = answer.tool_calls.get(place).map(|call| call.arguments.clone()).unwrap_or_default();
                let deltas = pieces(&arguments).into_iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
                (json!({"type": "tool_use", "id": text("id"), "name": text("name"), "input": {}}), deltas)
            }
        };
        out.push_str(&event(json!({"type": "content_block_start", "index": index, "content_block": begin})));
        out.extend(deltas.into_iter().map(delta));
        out.push_str(&event(json!({"type": "content_block_stop", "index": index})));
    }
    let details = answer.refusal.as_ref().map(|why| json!({"type": "refusal", "category": null, "explanation": why}));
    let end = json!({"stop_reason": stop_reason(answer), "stop_sequence": null, "stop_details": details});
    let mut last = json!({"type": "message_delta", "delta": end});
    if told.is_some() {
        last["usage"] = usage(told);
    }
    out.push_str(&event(last));
    out.push_str(&event(json!({"type": "message_stop"})));
    out
}
