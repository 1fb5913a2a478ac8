//! What is sent: one request to one place.

use std::fmt;

use gorgon_core::call::{Failure, HttpBody, HttpRequest};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::outcome::invalid;

/// Headers that say how a message is framed and where it goes: set by the connection, never by a workflow, for two opinions on where a
/// message ends are how one request is smuggled inside of another.
const OURS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One request to one place.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

impl Hop {
    /// The request as it is asked for.
    pub(super) fn first(request: &HttpRequest, idempotency_key: &str) -> Result<Self, Failure> {
        let method = match Method::from_bytes(request.method.as_bytes()) {
            Ok(method) if !matches!(method, Method::CONNECT | Method::TRACE) => method,
            _ => return Err(invalid(format!("{:?} is no method of an HTTP request", request.method))),
        };
        let url = Url::parse(&request.url).map_err(|error| invalid(format!("the URL cannot be read: {error}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let (name, value) = header(name, value)?;
            headers.append(name, value);
        }
        let (body, content_type) = match &request.body {
            None => (None, None),
            Some(HttpBody::Text(text)) => (Some(text.clone().into_bytes()), Some("text/plain; charset=utf-8")),
            Some(HttpBody::Json(value)) => (Some(value.to_string().into_bytes()), Some("application/json")),
        };
        if let Some(content_type) = content_type {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        if !method.is_safe() && !headers.contains_key(IDEMPOTENCY_KEY) {
            let value = HeaderValue::from_str(idempotency_key).map_err(|_| invalid("the idempotency key cannot be sent as a header"))?;
            headers.insert(IDEMPOTENCY_KEY, value);
        }
        Ok(Self { method, url, headers, body })
    }

    /// Where it goes, without what may be secret in a URL: user, password and query.
    pub(super) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme(), self.url.path())
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.place())
    }
}

/// The value stays out of the messages: it may be a key.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("{name:?} is no name of a header")))?;
    if OURS.contains(&parsed.as_str()) {
        return Err(invalid(format!("the header `{parsed}` is set by the connection and cannot be given")));
    }
    let value = HeaderValue::from_str(value)
        .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
        .map_err(|_| invalid(format!("the value of the header `{parsed}` holds a line break or another control character")))?;
    Ok((parsed, value))
}
