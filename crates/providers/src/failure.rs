//! What an error answer means: whether it is worth another try, when, and whether anything was charged.

use std::time::SystemTime;

use gorgon_core::call::{Failure, FailureClass, Metering};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::http::Answered;
use crate::retry_after::retry_after_ms;

/// Longest wait that is worth it, in milliseconds: the official SDK gives up above it.
const WAIT_MS_MAX: u64 = 120_000;
/// Longest text of an error that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;

/// What to say when a server wants a key and none was configured.
pub(crate) const KEYLESS: &str = "; no key was sent: name the variable that holds it by `api_key_env`";

/// How a wire tells of usage.
pub(crate) type ReadUsage = fn(Option<&Value>) -> Metering;

/// What an error told of itself: `{"error": {"message", "type", "code" or "details.error_code"}}`, with the shapes that compatible servers make of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    message: String,
    kind: Option<String>,
    code: Option<String>,
}

impl Told {
    pub(crate) fn read(body: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| match value.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        match body.get("error") {
            Some(Value::String(message)) => Some(Self { message: message.clone(), ..Self::default() }),
            Some(error @ Value::Object(_)) => {
                // Anthropic's word for it stands one level deeper.
                let code = text(error, "code").or_else(|| text(error.get("details")?, "error_code"));
                Some(Self { message: text(error, "message").unwrap_or_default(), kind: text(error, "type"), code })
            }
            _ => None,
        }
    }

    /// The error of a body that may be anything.
    fn of_body(body: &[u8]) -> Self {
        let json = serde_json::from_slice::<Value>(body).ok();
        json.as_ref().and_then(Self::read).unwrap_or_else(|| Self { message: String::from_utf8_lossy(body).into_owned(), ..Self::default() })
    }

    /// Whether the account has no money or no leave to spend it: asking again soon cannot help, whatever the status says.
    fn is_about_money(&self) -> bool {
        [&self.code, &self.kind]
            .into_iter()
            .flatten()
            .any(|word| ["insufficient_quota", "billing", "credit", "spend_limit", "usage_limit"].iter().any(|about| word.contains(about)))
    }

    fn says(&self, words: &[&str]) -> bool {
        [&self.code, &self.kind].into_iter().flatten().any(|word| words.iter().any(|about| word.contains(about)))
    }
}

/// The failure of an answer with an error status; `of_key` is said of one that is about the key. Nothing was charged: an error comes before any work, unless it tells of usage itself.
pub(crate) fn of_status(name: &str, answered: &Answered, now: SystemTime, of_key: &str, usage: ReadUsage) -> (Failure, Metering) {
    let told = Told::of_body(&answered.body);
    let wait_ms = retry_after_ms(&answered.headers, now);
    let class = classify(answered.status, &told, wait_ms, should_retry(&answered.headers));
    let status = answered.status;
    let code = told.code.as_ref().or(told.kind.as_ref()).map(|code| format!(" ({})", shorten(code))).unwrap_or_default();
    let message = if told.message.trim().is_empty() { "no reason given".to_owned() } else { shorten(told.message.trim()) };
    let mut text = format!("`{name}` answered {status}{code}: {message}");
    if (300..400).contains(&status) {
        text.push_str("; redirects are not followed: set `base_url` to where the interface is");
    }
    if matches!(status, 401 | 403) {
        text.push_str(of_key);
    }
    if let Some(wait_ms) = wait_ms.filter(|&ms| ms > WAIT_MS_MAX) {
        text.push_str(&format!("; it asks to wait {} s, longer than {} s is not waited for", wait_ms.div_ceil(1000), WAIT_MS_MAX / 1000));
    }
    text.push_str(&request_id(&answered.headers));
    let mut failure = Failure::new(class, text);
    failure.retry_after_ms = wait_ms.filter(|_| class.is_transient());
    (failure, metering_of_error(&answered.body, usage))
}

/// The failure of an answer that calls itself a success and holds an error: work may have been done before it.
pub(crate) fn of_error_in_answer(name: &str, told: &Told, headers: &HeaderMap) -> Failure {
    let class = match told.code.as_deref().and_then(|code| code.parse::<u16>().ok()) {
        Some(status @ 400..600) => classify(status, told, None, None),
        _ if told.is_about_money() => FailureClass::Denied,
        _ if told.says(&["rate_limit"]) => FailureClass::RateLimited,
        _ if told.says(&["timeout_error"]) => FailureClass::TimedOut,
        _ if told.says(&["server_error", "overloaded", "internal_error", "api_error"]) => FailureClass::Overloaded,
        _ => FailureClass::Refused,
    };
    let message = if told.message.is_empty() { "no reason given" } else { &told.message };
    Failure::new(class, format!("`{name}` answered with an error: {}{}", shorten(message), request_id(headers)))
}

/// Which kind of failure a status is. The order is the official SDK's, with money before it: a long wait, the server's own word, the status.
fn classify(status: u16, told: &Told, wait_ms: Option<u64>, should_retry: Option<bool>) -> FailureClass {
    let by_status = match status {
        401..=403 => FailureClass::Denied,
        408 => FailureClass::TimedOut,
        409 | 500.. => FailureClass::Overloaded,
        429 => FailureClass::RateLimited,
        // A request that is wrong stays wrong, and so does an address that moved.
        _ => FailureClass::Invalid,
    };
    if told.is_about_money() || wait_ms.is_some_and(|ms| ms > WAIT_MS_MAX) {
        return FailureClass::Denied;
    }
    match should_retry {
        Some(true) if !by_status.is_transient() => FailureClass::Overloaded,
        Some(false) if by_status.is_transient() => FailureClass::Denied,
        Some(_) | None => by_status,
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.to_str().ok()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn metering_of_error(body: &[u8], usage: ReadUsage) -> Metering {
    let json = serde_json::from_slice::<Value>(body).ok();
    match json.as_ref().and_then(|body| body.get("usage")).filter(|usage| !usage.is_null()) {
        Some(told) => usage(Some(told)),
        None => Metering::None,
    }
}

/// What the server calls this exchange, for its support.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-request-id").or_else(|| headers.get("request-id")).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    id.map(|id| format!(" [request {}]", &id[..id.len().min(128)])).unwrap_or_default()
}

/// The text, not longer than an error should be.
pub(crate) fn shorten(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}

#[cfg(test)]
mod tests {
    use FailureClass::{Denied, Invalid, Overloaded, RateLimited, TimedOut};
    use bytes::Bytes;
    use reqwest::header::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn answered(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answered {
        let headers = headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        Answered { status, headers, body: Bytes::from(body.to_owned()) }
    }

    fn failure(status: u16, headers: &[(&'static str, &'static str)], code: &str) -> (Failure, Metering) {
        let body = json!({"error": {"message": "it says", "type": "some_error", "param": null, "code": code}}).to_string();
        of_status("openai", &answered(status, headers, &body), SystemTime::UNIX_EPOCH, "", crate::openai::metering)
    }

    #[test]
    fn each_status_has_its_class() {
        for (status, class) in [
            (302, Invalid),
            (400, Invalid),
            (401, Denied),
            (402, Denied),
            (403, Denied),
            (404, Invalid),
            (408, TimedOut),
            (409, Overloaded),
            (413, Invalid),
            (422, Invalid),
            (429, RateLimited),
            (500, Overloaded),
            (502, Overloaded),
            (503, Overloaded),
            (529, Overloaded),
        ] {
            let (failure, metering) = failure(status, &[], "x");
            assert_eq!((failure.class, metering), (class, Metering::None), "{status}");
        }
    }

    #[test]
    fn money_that_is_gone_does_not_come_back_by_asking() {
        for code in [
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "credit_balance_exhausted",
            "project_spend_limit_exceeded",
            "organization_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        ] {
            for headers in [&[][..], &[("retry-after", "1"), ("x-should-retry", "true")][..]] {
                let (failure, _) = failure(429, headers, code);
                assert_eq!((failure.class, failure.retry_after_ms), (Denied, None), "{code}");
            }
        }
        assert_eq!(failure(429, &[], "rate_limit_exceeded").0.class, RateLimited);
    }

    #[test]
    fn a_wait_is_told_and_one_that_is_too_long_ends_it() {
        let (short, _) = failure(429, &[("retry-after", "120")], "x");
        assert_eq!((short.class, short.retry_after_ms), (RateLimited, Some(120_000)));
        let (fine, _) = failure(503, &[("retry-after-ms", "250")], "x");
        assert_eq!((fine.class, fine.retry_after_ms), (Overloaded, Some(250)));
        let (long, _) = failure(429, &[("retry-after", "121"), ("x-should-retry", "true")], "x");
        assert_eq!((long.class, long.retry_after_ms), (Denied, None));
        assert!(long.message.contains("wait 121 s"), "{}", long.message);
    }

    #[test]
    fn the_servers_own_word_is_obeyed() {
        assert_eq!(failure(500, &[("x-should-retry", "false")], "x").0.class, Denied);
        assert_eq!(failure(400, &[("x-should-retry", "true")], "x").0.class, Overloaded);
        assert_eq!(failure(429, &[("x-should-retry", "true")], "x").0.class, RateLimited);
        assert_eq!(failure(400, &[("x-should-retry", "false")], "x").0.class, Invalid);
        assert_eq!(failure(500, &[("x-should-retry", "maybe")], "x").0.class, Overloaded);
    }

    #[test]
    fn an_error_says_who_what_and_which_request() {
        let (failure, _) = failure(404, &[("x-request-id", "req_1")], "model_not_found");
        assert_eq!(failure.message, "`openai` answered 404 (model_not_found): it says [request req_1]");
    }

    #[test]
    fn errors_of_other_shapes_are_read_as_far_as_they_go() {
        for (body, says) in [
            (r#"{"error":"plain"}"#, "plain"),
            (r#"{"error":{"message":"numbered","code":7}}"#, "(7): numbered"),
            ("<html>bad gateway</html>", "<html>bad gateway</html>"),
            ("", "no reason given"),
            (r#"{"error":{}}"#, "no reason given"),
        ] {
            let (failure, _) = of_status("x", &answered(500, &[], body), SystemTime::UNIX_EPOCH, "", crate::openai::metering);
            assert!(failure.message.contains(says), "{}", failure.message);
        }
        let long = "ä".repeat(5_000);
        let (failure, _) = of_status("x", &answered(500, &[], &long), SystemTime::UNIX_EPOCH, "", crate::openai::metering);
        assert!(failure.message.len() < 2_100 && failure.message.ends_with('…'));
    }

    #[test]
    fn an_error_that_tells_of_usage_is_believed() {
        let body = json!({"error": {"message": "m"}, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).to_string();
        let (_, metering) = of_status("x", &answered(500, &[], &body), SystemTime::UNIX_EPOCH, "", crate::openai::metering);
        assert!(matches!(metering, Metering::Reported(usage) if usage.total() == 5), "{metering:?}");
    }
}
