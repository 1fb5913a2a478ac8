//! `GET /v1/runs/{id}/events`.

use gorgon_api::CommandName;
use gorgon_client::Frame;
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::support::{HELLO, Server, WAITS, patiently, problem, text};

/// The frames of a stream that has ended, as (name, id).
fn frames(text: &str) -> Vec<(String, Option<u64>)> {
    let frame = |lines: &str| {
        let field = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        Some((field("event:")?, field("id:").map(|id| id.parse().expect("a position"))))
    };
    text.split("\n\n").filter_map(frame).filter(|(name, _)| name != "output").collect()
}

async fn seen(server: &Server, address: &str, last: Option<&str>) -> Vec<(String, Option<u64>)> {
    let headers: Vec<(&str, &str)> = last.map(|last| ("last-event-id", last)).into_iter().collect();
    let response = server.send(Method::GET, address, &headers, "").await;
    assert_eq!((response.status(), response.headers()["content-type"].to_str().expect("text")), (StatusCode::OK, "text/event-stream"));
    frames(&text(response).await)
}

#[tokio::test]
async fn a_stream_goes_on_after_what_was_seen_and_ends_with_the_run() {
    let server = Server::start().await;
    server.ended(HELLO).await;
    let run = server.ended(HELLO).await.id;
    let address = format!("/v1/runs/{run}/events");
    let whole = seen(&server, &address, None).await;
    let ids: Vec<u64> = whole.iter().filter_map(|(_, id)| *id).collect();
    assert!(ids.len() >= 2 && ids.is_sorted(), "{whole:?}");
    assert_eq!(whole.last(), Some(&("done".to_owned(), None)));
    assert_eq!(seen(&server, &format!("{address}?after={}", ids[0]), None).await, whole[1..]);
    assert_eq!(seen(&server, &address, Some(&ids[0].to_string())).await, whole[1..]);
    // The header is what a reader that lost its connection sends by itself: it is the later word.
    assert_eq!(seen(&server, &format!("{address}?after=0"), Some(&ids[0].to_string())).await, whole[1..]);
    assert_eq!(seen(&server, &format!("{address}?after={}", u64::MAX), None).await, [("done".to_owned(), None)]);
    server.stop().await;
}

#[tokio::test]
async fn what_happens_is_streamed_while_it_happens() {
    let server = Server::start().await;
    let run = server.create(WAITS).await.id.to_string();
    let mut frames = server.client.events(&run, 0).await.expect("a stream");
    let Some(Frame::Append(first)) = patiently("the past comes", frames.next()).await.expect("the stream lasts") else {
        panic!("the first frame is an append")
    };
    assert_eq!((first.seq, first.run.to_string()), (1, run.clone()));
    server.client.command(&run, CommandName::Signal, &json!({ "name": "go", "payload": 7 })).await.expect("it is taken");
    let Some(Frame::Append(second)) = patiently("the signal comes", frames.next()).await.expect("the stream lasts") else {
        panic!("the second frame is an append")
    };
    assert_eq!((second.seq, second.pos), (2, first.pos + 1));
    assert!(second.events().expect("events").iter().any(|event| event.name() == "signal_received"), "{:?}", second.events());
    assert_eq!(patiently("the end comes", frames.next()).await.expect("the stream lasts"), Some(Frame::Done));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_engine_does() {
    let server = Server::start().await;
    let run = server.create(WAITS).await.id.to_string();
    let mut frames = server.client.events(&run, 0).await.expect("a stream");
    patiently("the past comes", frames.next()).await.expect("the stream lasts").expect("a frame");
    server.engine.shutdown(std::time::Duration::ZERO).await;
    assert_eq!(patiently("the stream ends", frames.next()).await.expect("it ends well"), None);
    server.stop().await;
}

#[tokio::test]
async fn a_position_that_is_no_number_is_refused() {
    let server = Server::start().await;
    let run = server.create(WAITS).await.id;
    problem(server.get(&format!("/v1/runs/{run}/events?after=x")).await, StatusCode::UNPROCESSABLE_ENTITY, "GOR0202").await;
    server.stop().await;
}
