//! Answers in the words of the interface.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::price::Counts;
use super::question::Question;
use super::script::{AnswerReply, ErrorReply, RawReply};
use super::usage;

/// An answer that is ready to leave.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// None: the connection is closed instead.
    pub(super) status: Option<u16>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Bytes,
    pub(super) charged_nano_usd: u64,
}

impl Prepared {
    pub(super) fn charged(mut self, nano_usd: u64) -> Self {
        self.charged_nano_usd = nano_usd;
        self
    }
}

/// JSON with a status.
pub(super) fn json(status: u16, body: &Value) -> Prepared {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    Prepared { status: Some(status), headers, body: Bytes::from(body.to_string()), charged_nano_usd: 0 }
}

pub(super) fn answer(n: u64, answer: &AnswerReply, question: &Question) -> (Prepared, Counts) {
    let (told, billed) = usage::told_and_billed(answer, question);
    let no_text = answer.refusal.is_some() && answer.text.is_empty();
    let text = if no_text { Value::Null } else { Value::String(answer.text.clone()) };
    let mut body = json!({
        "id": format!("chatcmpl-{n}"),
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": answer.model.as_ref().unwrap_or(&question.model),
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": answer.content.clone().unwrap_or(text), "refusal": answer.refusal},
            "logprobs": null,
            "finish_reason": answer.finish_reason.as_deref().unwrap_or("stop"),
        }],
    });
    if let Some(told) = told {
        body["usage"] = told;
    }
    let mut prepared = json(200, &body);
    prepared.headers.insert("x-request-id".to_owned(), format!("req_{n}"));
    prepared.headers.extend(answer.headers.clone());
    (prepared, billed)
}

pub(super) fn error(error: &ErrorReply) -> Prepared {
    let body = json!({"error": {"message": error.message, "type": error.kind, "param": null, "code": error.code}});
    let mut prepared = json(error.status, &body);
    prepared.headers.extend(error.headers.clone());
    prepared
}

pub(super) fn raw(raw: &RawReply) -> Prepared {
    Prepared { status: Some(raw.status), headers: raw.headers.clone(), body: Bytes::from(raw.body.repeat(raw.repeat)), charged_nano_usd: 0 }
}

pub(super) fn hang_up() -> Prepared {
    Prepared { status: None, headers: BTreeMap::new(), body: Bytes::new(), charged_nano_usd: 0 }
}

/// What a request gets that the script does not know. It asks not to be tried again: the test has failed already.
pub(super) fn off_script(why: &str) -> Prepared {
    let mut prepared =
        json(500, &json!({"error": {"message": format!("off script: {why}"), "type": "off_script", "param": null, "code": "off_script"}}));
    prepared.headers.insert("x-should-retry".to_owned(), "false".to_owned());
    prepared
}
