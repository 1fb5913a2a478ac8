//! An answer as OpenAI's Chat Completions words it.

use serde_json::{Value, json};

use super::super::question::Question;
use super::super::script::AnswerReply;
use super::pieces;

fn finish_reason(answer: &AnswerReply) -> &str {
    let implied = if answer.tool_calls.is_empty() { "stop" } else { "tool_calls" };
    answer.finish_reason.as_deref().unwrap_or(implied)
}

pub(super) fn whole(n: u64, answer: &AnswerReply, question: &Question, told: Option<Value>) -> Value {
    let no_text = (answer.refusal.is_some() || !answer.tool_calls.is_empty()) && answer.text.is_empty();
    let text = if no_text { Value::Null } else { Value::String(answer.text.clone()) };
    let mut message = json!({"role": "assistant", "content": answer.content.clone().unwrap_or(text), "refusal": answer.refusal});
    if !answer.tool_calls.is_empty() {
        let calls = answer.tool_calls.iter().enumerate().map(|(place, call)| {
            json!({"id": format!("call_{n}_{place}"), "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
        });
        message["tool_calls"] = calls.collect();
    }
    let mut body = json!({
        "id": format!("chatcmpl-{n}"),
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": answer.model.as_ref().unwrap_or(&question.model),
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(answer)}],
    });
    if let Some(told) = told {
        body["usage"] = told;
    }
    body
}

pub(super) fn events(n: u64, answer: &AnswerReply, question: &Question, told: Option<&Value>) -> String {
    let model = answer.model.as_ref().unwrap_or(&question.model);
    let chunk = |choices: Value, usage: Value| {
        let body = json!({
            "id": format!("chatcmpl-{n}"), "object": "chat.completion.chunk", "created": 1_795_000_000, "model": model, "choices": choices, "usage": usage,
            "obfuscation": "xx",
        });
        format!("data: {body}\n\n")
    };
    let delta = |delta: Value, finish: Value| chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), Value::Null);
    let mut out = delta(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null);
    for piece in pieces(&answer.text) {
        out.push_str(&delta(json!({ "content": piece }), Value::Null));
    }
    if let Some(refusal) = &answer.refusal {
        out.push_str(&delta(json!({ "refusal": refusal }), Value::Null));
    }
    for (place, call) in answer.tool_calls.iter().enumerate() {
        let begin = json!({"index": place, "id": format!("call_{n}_{place}"), "type": "function", "function": {"name": call.name, "arguments": ""}});
        out.push_str(&delta(json!({ "tool_calls": [begin] }), Value::Null));
        for piece in pieces(&call.arguments) {
            out.push_str(&delta(json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]}), Value::Null));
        }
    }
    out.push_str(&delta(json!({}), Value::String(finish_reason(answer).to_owned())));
    if let Some(told) = told {
        out.push_str(&chunk(json!([]), told.clone()));
    }
    out.push_str("data: [DONE]\n\n");
    out
}
