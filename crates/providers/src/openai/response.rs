//! What a successful answer says.

use gorgon_core::call::{Failure, FailureClass, Metering, ModelAnswer, Part};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::usage;
use crate::failure::{Told, of_error_in_answer, request_id, shorten};
use crate::http::Answered;

/// What an answer is read by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The provider.
    pub(super) name: &'a str,
    /// The model.
    pub(super) model: &'a str,
    /// Whether it was given tools.
    pub(super) tools: bool,
}

/// Reads an answer with a success status: what the model said, or why that is nothing. Either way with what it used, as far as that was told. The model is
/// the one that the answer names, which may be another than the one that was asked.
pub(super) fn read(asked: Asked<'_>, answered: &Answered) -> Result<(ModelAnswer, Metering), (Failure, Metering)> {
    let Ok(body) = serde_json::from_slice::<Value>(&answered.body) else {
        let id = request_id(&answered.headers);
        let mut failure = Failure::new(FailureClass::Refused, format!("the answer of `{}` is not JSON{id}", asked.name));
        failure.detail = Some(shorten(&String::from_utf8_lossy(&answered.body)));
        return Err((failure, Metering::Unknown));
    };
    read_body(asked, &body, &answered.headers)
}

/// As [`read`], of an answer that is JSON already.
pub(super) fn read_body(asked: Asked<'_>, body: &Value, headers: &HeaderMap) -> Result<(ModelAnswer, Metering), (Failure, Metering)> {
    let Asked { name, model, tools } = asked;
    let id = request_id(headers);
    let metering = usage::metering(body.get("usage").filter(|usage| !usage.is_null()));
    if let Some(told) = Told::read(body) {
        return Err((of_error_in_answer(name, &told, headers), metering));
    }
    let refuse = |why: &str, detail: Option<String>| {
        let failure = Failure::new(FailureClass::Refused, format!("`{name}` {why}{id}"));
        Err((Failure { detail: detail.map(|text| shorten(&text)), ..failure }, metering))
    };
    let Some(choice) = first_choice(body) else {
        return refuse("answered without a choice", None);
    };
    let message = choice.get("message").unwrap_or(&Value::Null);
    let said = Said::read(message);
    let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("unknown");
    if let Some(refusal) = said.refusal {
        return refuse("answered, and its model refuses", Some(refusal));
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or(model).to_owned();
    let calls = tool_calls(message);
    match reason {
        "content_filter" => return refuse("held back the answer: its content filter stopped it", some(said.text)),
        // Some compatible servers say `stop` and call tools all the same. A call that was cut off is shown as far as it came.
        "tool_calls" | "function_call" | "stop" | "length" if tools && !calls.is_empty() => {
            let text = some(said.text.clone()).map(Part::Text);
            let parts = text.into_iter().chain(calls).collect();
            let finish_reason = if reason == "length" { reason } else { "tool_calls" }.to_owned();
            return Ok((ModelAnswer { text: said.text, model, finish_reason, parts }, metering));
        }
        "tool_calls" | "function_call" if tools => return refuse("says that it calls a tool, and names none", some(said.text)),
        "tool_calls" | "function_call" => return refuse("called a tool, and was given none", some(said.text)),
        "length" if said.text.is_empty() => {
            return refuse("used up `max_tokens` before the first word of its answer: raise it, for reasoning counts inside it", None);
        }
        _ if said.text.is_empty() => return refuse(&format!("gave an empty answer (finish reason `{}`)", shorten(reason)), None),
        _ => {}
    }
    Ok((ModelAnswer { text: said.text, model, finish_reason: shorten(reason), parts: Vec::new() }, metering))
}

/// The tools that a message asks for.
fn tool_calls(message: &Value) -> Vec<Part> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let read = |call: &Value| {
        let function = call.get("function")?;
        Some(Part::ToolCall { id: text(call, "id"), name: text(function, "name"), arguments: arguments(function) })
    };
    calls.filter_map(read).collect()
}

/// The arguments of a tool. The wire says text; compatible servers also send the object itself.
pub(super) fn arguments(function: &Value) -> String {
    match function.get("arguments") {
        Some(object @ Value::Object(_)) => object.to_string(),
        text => text.and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// The answer, or a piece of it. One is asked for; a server that gives several counts them. One that gives a single one may count something else.
pub(super) fn first_choice(body: &Value) -> Option<&Value> {
    let is_first = |choice: &&Value| choice.get("index").and_then(Value::as_u64).is_none_or(|index| index == 0);
    match body.get("choices")?.as_array()?.as_slice() {
        [only] => Some(only),
        several => several.iter().find(is_first),
    }
}

/// What a message holds, or a piece of one.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) refusal: Option<String>,
}

impl Said {
    /// `content` is a text; compatible servers also give a list of parts.
    pub(super) fn read(message: &Value) -> Self {
        let text_of = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let mut said = Self { text: String::new(), refusal: text_of(message, "refusal") };
        match message.get("content") {
            Some(Value::String(text)) => said.text.clone_from(text),
            Some(Value::Array(parts)) => {
                for part in parts {
                    said.text.extend(text_of(part, "text"));
                    said.refusal = said.refusal.or_else(|| text_of(part, "refusal"));
                }
            }
            _ => {}
        }
        said
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
