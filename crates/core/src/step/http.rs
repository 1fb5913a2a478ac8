//! `http`: one request to a server.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Next, Param, ParamType, StepCx, StepKind, map_outputs, read};
use crate::call::{Failure, FailureClass, HttpBody, HttpRequest, Outcome, Request};
use crate::definition::{EffectClass, Step};

pub(super) struct Http;

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const PARAMS: &[Param] = &[
    Param::required("url", ParamType::Text, "Where to; `http://` or `https://`."),
    Param::optional("method", ParamType::Word(METHODS), "The method.").or("\"GET\""),
    Param::optional("headers", ParamType::Map, "Headers."),
    Param::optional("query", ParamType::Map, "Added to the URL, encoded."),
    Param::optional("json", ParamType::Any, "The body, sent as JSON. Instead of `body`."),
    Param::optional("body", ParamType::Text, "The body, sent as text. Instead of `json`."),
    Param::optional("body_bytes_max", ParamType::Integer(1, 64 << 20), "Longest answer in bytes, decompressed; a longer one is a failure.")
        .or("1048576"),
    Param::optional("allow_failure", ParamType::Boolean, "Whether a status of 400 and more is a result instead of a failure.").or("false"),
];

#[derive(Deserialize)]
struct Params {
    url: String,
    method: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    query: Map<String, Value>,
    json: Option<Value>,
    body: Option<String>,
    body_bytes_max: u64,
    #[serde(default)]
    allow_failure: bool,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: Value,
    body: Value,
}

impl StepKind for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn summary(&self) -> &'static str {
        "Sends one HTTP request; private addresses only where the settings allow them."
    }

    fn params(&self) -> &'static [Param] {
        PARAMS
    }

    fn results(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("body", "The body: JSON if its content type says so, else text."),
            ("status", "The status code."),
            ("headers", "The headers, names in lower case."),
        ]
    }

    fn default_effect(&self, params: &Map<String, Value>) -> EffectClass {
        match params.get("method").and_then(Value::as_str).unwrap_or("GET") {
            "GET" | "HEAD" | "OPTIONS" => EffectClass::Repeatable,
            // Every request carries the receipt token of its step, the same for each try.
            _ => EffectClass::Idempotent,
        }
    }

    fn check(&self, step: &Step, problems: &mut Vec<crate::diagnostic::Diagnostic>) {
        use crate::diagnostic::{Code, Diagnostic};
        if step.params.contains_key("json") && step.params.contains_key("body") {
            problems
                .push(Diagnostic::error(Code::BadValue, "params", format!("step `{}` has both `json` and `body`", step.id)).help("keep one of them"));
        }
    }

    fn next(&self, cx: &StepCx<'_>, journal: &[Outcome]) -> Next {
        let params: Params = match read(cx.params) {
            Ok(params) => params,
            Err(failure) => return Next::Fail(failure),
        };
        match journal.first() {
            None => Next::Call(Request::Http(request(params))),
            Some(Outcome::Succeeded { value, .. }) => match value.parse::<Answer>() {
                Ok(answer) => finish(cx.outputs, &params, answer),
                Err(error) => Next::Fail(Failure::new(FailureClass::Invalid, format!("the answer has no readable form: {error}"))),
            },
            Some(Outcome::Failed { failure, .. }) => Next::Fail(failure.clone()),
            Some(Outcome::InDoubt { evidence }) => Next::Fail(Failure::new(FailureClass::Rejected, evidence.clone())),
        }
    }
}

fn request(params: Params) -> HttpRequest {
    let mut url = params.url;
    for (name, value) in &params.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&encode(name));
        url.push('=');
        url.push_str(&encode(&text_of(value)));
    }
    HttpRequest {
        method: params.method,
        url,
        headers: params.headers.iter().map(|(name, value)| (name.clone(), text_of(value))).collect(),
        body: params.json.map(HttpBody::Json).or(params.body.map(HttpBody::Text)),
        body_bytes_max: params.body_bytes_max,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Percent-encoding of everything but the unreserved characters of RFC 3986, so that a value cannot add a parameter.
fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn finish(outputs: &[String], params: &Params, answer: Answer) -> Next {
    if answer.status >= 400 && !params.allow_failure {
        let class = match answer.status {
            408 => FailureClass::TimedOut,
            429 => FailureClass::RateLimited,
            500.. => FailureClass::Overloaded,
            _ => FailureClass::Refused,
        };
        let detail: String = text_of(&answer.body).chars().take(2_000).collect();
        let retry_after_ms =
            answer.headers.get("retry-after").and_then(Value::as_str).and_then(|s| s.trim().parse::<u64>().ok()).map(|s| s.saturating_mul(1_000));
        return Next::Fail(Failure {
            retry_after_ms,
            detail: (!detail.is_empty()).then_some(detail),
            ..Failure::new(class, format!("{} {} answered {}", params.method, params.url, answer.status))
        });
    }
    let mut result = Map::new();
    result.insert("body".to_owned(), answer.body);
    result.insert("status".to_owned(), answer.status.into());
    result.insert("headers".to_owned(), answer.headers);
    match map_outputs(outputs, Some("body"), result) {
        Ok(outputs) => Next::Done(outputs),
        Err(failure) => Next::Fail(failure),
    }
}
