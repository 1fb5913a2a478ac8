//! One request and what came back.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::once::{Once, Taken};

/// What is sent.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Question {
    /// A question in JSON.
    pub(crate) fn json(url: &Url, headers: &HeaderMap, body: &impl Serialize) -> Self {
        let mut headers = headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Nothing can fail: the keys are texts, and memory is written to.
        Self { url: url.clone(), headers, body: Bytes::from(serde_json::to_vec(body).unwrap_or_default()) }
    }
}

/// When an exchange ends, at the latest.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
    /// Most bytes of the answer, decompressed.
    pub(crate) body_bytes_max: usize,
    /// How long a stream may be silent.
    pub(crate) idle: Duration,
}

/// Who takes in the events of a stream as they come.
pub(crate) trait Listener: Send {
    /// Takes one in: its name, which many wires leave out, and its data.
    fn take(&mut self, name: &str, data: &str) -> Heard;
}

/// What a listener says to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is more to come.
    More,
    /// That was the last one.
    Last,
    /// Nobody wants the rest.
    Stop,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// All at once.
    Whole(Answered),
    /// As a stream, which the listener has taken in to its last event or its end.
    Streamed(HeaderMap),
}

/// A whole answer. Of one with an error status the body may be cut: the status says enough.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
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
    /// The stream fell silent.
    Idle,
}

/// For the parser of streams, which passes it on.
impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Sends a POST and reads the answer. If it is a stream, the listener hears it.
pub(crate) async fn exchange(client: &Client, question: Question, limits: &Limits<'_>, listener: &mut dyn Listener) -> Result<Reply, Unanswered> {
    let taken = Taken::default();
    tokio::select! {
        biased;
        () = limits.cancel.cancelled() => Err(Unanswered::Cancelled { sent: taken.yet() }),
        () = tokio::time::sleep_until(limits.deadline.into()) => Err(Unanswered::TimedOut { sent: taken.yet() }),
        became = send_and_read(client, question, &taken, limits, listener) => became,
    }
}

async fn send_and_read(
    client: &Client,
    question: Question,
    taken: &Taken,
    limits: &Limits<'_>,
    listener: &mut dyn Listener,
) -> Result<Reply, Unanswered> {
    let body = reqwest::Body::wrap(Once::new(question.body, taken.clone()));
    let mut response = match client.post(question.url).headers(question.headers).body(body).send().await {
        Ok(response) => response,
        Err(error) if taken.yet() => return Err(Unanswered::Broken(causes(error))),
        Err(error) => return Err(Unanswered::NotSent(causes(error))),
    };
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    if status.is_success() && is_stream(&headers) {
        return listen(response, limits, listener).await.map(|()| Reply::Streamed(headers));
    }
    let (body, end) = read(response, limits.body_bytes_max).await;
    let answered = Answered { status: status.as_u16(), headers, body };
    match end {
        End::Whole => Ok(Reply::Whole(answered)),
        // Whoever answers with an error has done no work: how its text ends does not matter.
        End::TooLarge | End::Broken(_) if !status.is_success() => Ok(Reply::Whole(answered)),
        End::TooLarge => Err(Unanswered::TooLarge),
        End::Broken(why) => Err(Unanswered::Broken(why)),
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| value.trim_start().starts_with("text/event-stream"))
}

/// Gives the events of a stream to the listener, until it has heard the last one or the stream ends.
async fn listen(response: Response, limits: &Limits<'_>, listener: &mut dyn Listener) -> Result<(), Unanswered> {
    let mut left = limits.body_bytes_max;
    // Whatever comes is a sign of life, also a comment that the parser keeps to itself.
    let pieces = tokio_stream::StreamExt::timeout(response.bytes_stream(), limits.idle);
    let bytes = pieces.map(move |piece| match piece {
        Ok(Ok(piece)) if piece.len() > left => Err(Unanswered::TooLarge),
        Ok(Ok(piece)) => {
            left -= piece.len();
            Ok(piece)
        }
        Ok(Err(error)) => Err(Unanswered::Broken(causes(error))),
        Err(_) => Err(Unanswered::Idle),
    });
    let mut events = std::pin::pin!(by_lines(bytes).eventsource());
    loop {
        match events.next().await {
            None => return Ok(()),
            Some(Ok(event)) => match listener.take(&event.event, &event.data) {
                Heard::More => {}
                Heard::Last => return Ok(()),
                Heard::Stop => return Err(Unanswered::Cancelled { sent: true }),
            },
            Some(Err(EventStreamError::Transport(why))) => return Err(why),
            Some(Err(error)) => return Err(Unanswered::Broken(error.to_string())),
        }
    }
}

/// The same bytes, in pieces that end with a line: the parser looks at a line that is not whole yet from its beginning again with each piece, and one of
/// several megabytes, as a large answer may be, would take it half a minute.
fn by_lines(bytes: impl Stream<Item = Result<Bytes, Unanswered>>) -> impl Stream<Item = Result<Bytes, Unanswered>> {
    let begin = (Box::pin(bytes), BytesMut::new(), false);
    futures_util::stream::unfold(begin, async |(mut bytes, mut held, over)| {
        if over {
            return None;
        }
        loop {
            match bytes.next().await {
                Some(Ok(piece)) => {
                    let end = piece.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
                    held.extend_from_slice(&piece[..end]);
                    let whole = if end > 0 { held.split().freeze() } else { Bytes::new() };
                    held.extend_from_slice(&piece[end..]);
                    if !whole.is_empty() {
                        return Some((Ok(whole), (bytes, held, false)));
                    }
                }
                Some(Err(why)) => return Some((Err(why), (bytes, held, true))),
                None if held.is_empty() => return None,
                None => return Some((Ok(held.split().freeze()), (bytes, held, true))),
            }
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_end_with_a_line_and_nothing_is_lost() {
        let pieces = ["data: a", "b\ndata", ": c\r", "\n\n", "", "rest", " of it"].map(|piece| Ok(Bytes::from(piece)));
        let lines: Vec<Bytes> = by_lines(futures_util::stream::iter(pieces)).map(Result::unwrap).collect().await;
        assert_eq!(lines, ["data: ab\n", "data: c\r", "\n\n", "rest of it"]);
        let broken = [Ok(Bytes::from("data: a\nhalf")), Err(Unanswered::Broken("gone".to_owned())), Ok(Bytes::from("never\n"))];
        let found: Vec<_> = by_lines(futures_util::stream::iter(broken)).collect().await;
        assert!(matches!(found.as_slice(), [Ok(line), Err(Unanswered::Broken(_))] if line == "data: a\n"), "{found:?}");
    }
}
