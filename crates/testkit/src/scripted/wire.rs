//! Answers in the words of the interfaces.

mod anthropic;
mod openai;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::price::Counts;
use super::question::{Question, Wire};
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
    let (events, whole, id) = match question.wire {
        Wire::OpenAi => (openai::events(n, answer, question, told.as_ref()), openai::whole(n, answer, question, told), "x-request-id"),
        Wire::Anthropic => (anthropic::events(n, answer, question, told.as_ref()), anthropic::whole(n, answer, question, told), "request-id"),
    };
    let mut prepared = if question.stream { streamed(&events) } else { json(200, &whole) };
    prepared.headers.insert(id.to_owned(), format!("req_{n}"));
    prepared.headers.extend(answer.headers.clone());
    (prepared, billed)
}

fn streamed(events: &str) -> Prepared {
    let headers = BTreeMap::from([("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())]);
    Prepared { status: Some(200), headers, body: Bytes::from(events.to_owned()), charged_nano_usd: 0 }
}

/// A text in a few pieces, the way a model says it.
fn pieces(text: &str) -> Vec<&str> {
    text.split_inclusive(' ').collect()
}

pub(super) fn error(error: &ErrorReply, wire: Wire) -> Prepared {
    let body = match wire {
        Wire::OpenAi => json!({"error": {"message": error.message, "type": error.kind, "param": null, "code": error.code}}),
        Wire::Anthropic => json!({
            "type": "error", "request_id": "req_e",
            "error": {"type": error.kind, "message": error.message, "details": error.code.as_ref().map(|code| json!({"error_code": code}))},
        }),
    };
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
