//! What a successful answer says.

use gorgon_core::call::{Failure, FailureClass, Metering};
use serde_json::Value;

use super::failure::{Told, of_error_in_answer, request_id, shorten};
use super::usage;
use crate::answer::Answer;
use crate::http::Answered;

/// Reads an answer with a success status: the model's text, or why there is none. Either way with what it used, as far as that was told. The model is
/// the one that the answer names, which may be another than the one that was asked.
pub(super) fn read(name: &str, asked_model: &str, answered: &Answered) -> Result<(Answer, Metering), (Failure, Metering)> {
    let id = request_id(&answered.headers);
    let Ok(body) = serde_json::from_slice::<Value>(&answered.body) else {
        let mut failure = Failure::new(FailureClass::Refused, format!("the answer of `{name}` is not JSON{id}"));
        failure.detail = Some(shorten(&String::from_utf8_lossy(&answered.body)));
        return Err((failure, Metering::Unknown));
    };
    let metering = usage::metering(body.get("usage").filter(|usage| !usage.is_null()));
    if let Some(told) = Told::read(&body) {
        return Err((of_error_in_answer(name, &told, answered), metering));
    }
    let refuse = |why: &str, detail: Option<String>| {
        let failure = Failure::new(FailureClass::Refused, format!("`{name}` {why}{id}"));
        Err((Failure { detail: detail.map(|text| shorten(&text)), ..failure }, metering))
    };
    let Some(choice) = body.get("choices").and_then(|choices| choices.get(0)) else {
        return refuse("answered without a choice", None);
    };
    let message = choice.get("message").unwrap_or(&Value::Null);
    let said = Said::read(message);
    let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("unknown");
    if let Some(refusal) = said.refusal {
        return refuse("answered, and its model refuses", Some(refusal));
    }
    match reason {
        "content_filter" => return refuse("held back the answer: its content filter stopped it", some(said.text)),
        "tool_calls" | "function_call" => return refuse("called a tool, and was given none", some(said.text)),
        "length" if said.text.is_empty() => {
            return refuse("used up `max_tokens` before the first word of its answer: raise it, for reasoning counts inside it", None);
        }
        _ if said.text.is_empty() => return refuse(&format!("gave an empty answer (finish reason `{}`)", shorten(reason)), None),
        _ => {}
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or(asked_model).to_owned();
    Ok((Answer { text: said.text, model, finish_reason: shorten(reason) }, metering))
}

/// What a message holds.
struct Said {
    text: String,
    refusal: Option<String>,
}

impl Said {
    /// `content` is a text; compatible servers also give a list of parts.
    fn read(message: &Value) -> Self {
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
