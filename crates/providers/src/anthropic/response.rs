//! What a successful answer says.

use gorgon_core::call::{Failure, FailureClass, Metering, ModelAnswer, ModelRequest, Part};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::request::OWNER;
use super::usage;
use crate::failure::{Told, of_error_in_answer, request_id, shorten};
use crate::http::Answered;

/// Reads an answer with a success status: what the model said, or why that is nothing. Either way with what it used, as far as that was told.
pub(super) fn read(name: &str, request: &ModelRequest, answered: &Answered) -> Result<(ModelAnswer, Metering), (Failure, Metering)> {
    let Ok(body) = serde_json::from_slice::<Value>(&answered.body) else {
        let id = request_id(&answered.headers);
        let mut failure = Failure::new(FailureClass::Refused, format!("the answer of `{name}` is not JSON{id}"));
        failure.detail = Some(shorten(&String::from_utf8_lossy(&answered.body)));
        return Err((failure, Metering::Unknown));
    };
    read_body(name, request, &body, &answered.headers)
}

/// As [`read`], of an answer that is JSON already.
pub(super) fn read_body(
    name: &str,
    request: &ModelRequest,
    body: &Value,
    headers: &HeaderMap,
) -> Result<(ModelAnswer, Metering), (Failure, Metering)> {
    let id = request_id(headers);
    let metering = usage::metering(body.get("usage").filter(|usage| !usage.is_null()));
    if let Some(told) = Told::read(body) {
        return Err((of_error_in_answer(name, &told, headers), metering));
    }
    let refuse = |why: &str| Err((Failure::new(FailureClass::Refused, format!("`{name}` {why}{id}")), metering));
    let Some(blocks) = body.get("content").and_then(Value::as_array) else {
        return refuse("answered without content");
    };
    let parts: Vec<Part> = blocks.iter().map(part).collect();
    let mut text: String = parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None }).collect();
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let reason = body.get("stop_reason").and_then(Value::as_str).unwrap_or("unknown");
    let finish_reason = match reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "pause_turn" => "pause",
        other => other,
    };
    match finish_reason {
        "refusal" if text.is_empty() => {
            text = body.pointer("/stop_details/explanation").and_then(Value::as_str).unwrap_or_default().to_owned();
        }
        "refusal" | "pause" => {}
        "tool_calls" if request.tools.is_empty() => return refuse("called a tool, and was given none"),
        "tool_calls" if !calls => return refuse("says that it calls a tool, and names none"),
        "length" if text.is_empty() && !calls => {
            return refuse("used up `max_tokens` before the first word of its answer: raise it, for thinking counts inside it");
        }
        "model_context_window_exceeded" if text.is_empty() && !calls => return refuse("has no room left in its context window for an answer"),
        _ if text.is_empty() && !calls => return refuse(&format!("gave an empty answer (stop reason `{}`)", shorten(reason))),
        _ => {}
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or(&request.model).to_owned();
    let plain = matches!(parts.as_slice(), [] | [Part::Text(_)]);
    Ok((ModelAnswer { text, model, finish_reason: shorten(finish_reason), parts: if plain { Vec::new() } else { parts } }, metering))
}

/// A block. What is neither text nor a tool is kept as it came: thinking has to go back unchanged.
fn part(block: &Value) -> Part {
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match block.get("type").and_then(Value::as_str) {
        Some("text") => Part::Text(text("text")),
        Some("tool_use") => {
            let arguments = match block.get("input") {
                // Of a stream: as the model wrote it.
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "{}".to_owned(),
            };
            Part::ToolCall { id: text("id"), name: text("name"), arguments }
        }
        _ => Part::Opaque { provider: OWNER.to_owned(), block: block.clone() },
    }
}
