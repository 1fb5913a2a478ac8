//! What comes back: a status, headers, and a bounded body.

use gorgon_core::call::{Failure, FailureClass};
use gorgon_core::payload::Payload;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Broken;
use super::connection::{cause, root};
use super::request::Hop;
use crate::outcome::refused;

#[derive(Serialize)]
struct Answer {
    status: u16,
    headers: Map<String, Value>,
    body: Value,
}

/// Reads the body, decompressed, up to `bytes_max`.
pub(super) async fn read(hop: &Hop, mut response: Response, bytes_max: u64) -> Result<Payload, Broken> {
    let status = response.status().as_u16();
    let headers = headers(response.headers());
    // What was decompressed on the way says so no more.
    if let Some(encoding) = response.headers().get(CONTENT_ENCODING).filter(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity") && !e.is_empty()) {
        return Err(Broken::Known(refused(format!("{hop} answered {status} with a body encoded as {encoding:?}, which was not asked for"))));
    }
    let too_long =
        || Broken::Known(refused(format!("{hop} answered {status} with an answer longer than {bytes_max} bytes; `body_bytes_max` allows more")));
    let is_json = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > bytes_max - body.len() => return Err(too_long()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // Whatever breaks below the decompression is told as an error of it: only if the connection is well, it is one.
            Err(error) if error.is_decode() && cause::<hyper::Error>(&error).is_none() => {
                return Err(Broken::Known(refused(format!("{hop} answered {status} with a body that cannot be decompressed: {}", root(&error)))));
            }
            Err(error) => {
                let message = format!("{hop} answered {status} and broke off after {} bytes of the body: {}", body.len(), root(&error));
                return Err(Broken::Unanswered(Failure::new(FailureClass::Transport, message)));
            }
        }
    }
    let json = if is_json { serde_json::from_slice(&body).ok() } else { None };
    let text = || Value::String(String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
    let body = json.unwrap_or_else(text);
    Ok(Payload::of(&Answer { status, headers, body }))
}

/// Names in lower case; the values of a repeated one joined by commas.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let joined = |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(", ");
    headers.keys().map(|name| (name.as_str().to_owned(), Value::String(joined(name)))).collect()
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}
