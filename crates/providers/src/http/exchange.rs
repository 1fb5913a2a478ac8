//! One request and what came back.

use std::error::Error;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, Url};
use tokio_util::sync::CancellationToken;

use super::once::{Once, Taken};

/// What is sent.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// When an exchange ends, at the latest.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
    /// Most bytes of the answer, decompressed.
    pub(crate) body_bytes_max: usize,
}

/// A whole answer. Of one with an error status the body may be cut: the status says enough.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The other side was not reached; nothing was sent.
    NotSent(String),
    /// It was sent, and no whole answer came.
    Broken(String),
    /// It was sent, and the answer is longer than is taken.
    TooLarge,
    /// Time was up.
    TimedOut { sent: bool },
    /// Nobody wants it any more.
    Cancelled { sent: bool },
}

/// Sends a POST and reads the answer.
pub(crate) async fn exchange(client: &Client, question: Question, limits: &Limits<'_>) -> Result<Answered, Unanswered> {
    let taken = Taken::default();
    tokio::select! {
        biased;
        () = limits.cancel.cancelled() => Err(Unanswered::Cancelled { sent: taken.yet() }),
        () = tokio::time::sleep_until(limits.deadline.into()) => Err(Unanswered::TimedOut { sent: taken.yet() }),
        became = send_and_read(client, question, &taken, limits.body_bytes_max) => became,
    }
}

async fn send_and_read(client: &Client, question: Question, taken: &Taken, body_bytes_max: usize) -> Result<Answered, Unanswered> {
    let body = reqwest::Body::wrap(Once::new(question.body, taken.clone()));
    let mut response = match client.post(question.url).headers(question.headers).body(body).send().await {
        Ok(response) => response,
        Err(error) if taken.yet() => return Err(Unanswered::Broken(causes(error))),
        Err(error) => return Err(Unanswered::NotSent(causes(error))),
    };
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let (body, end) = read(response, body_bytes_max).await;
    let answered = Answered { status: status.as_u16(), headers, body };
    match end {
        End::Whole => Ok(answered),
        // Whoever answers with an error has done no work: how its text ends does not matter.
        End::TooLarge | End::Broken(_) if !status.is_success() => Ok(answered),
        End::TooLarge => Err(Unanswered::TooLarge),
        End::Broken(why) => Err(Unanswered::Broken(why)),
    }
}

enum End {
    Whole,
    TooLarge,
    Broken(String),
}

async fn read(mut response: Response, bytes_max: usize) -> (Bytes, End) {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return (body.freeze(), End::Whole),
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => return (body.freeze(), End::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return (body.freeze(), End::Broken(causes(error))),
        }
    }
}

/// The causes of an error in one line. The URL is left out: whoever reads this knows the provider by its name.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
