//! `GET /v1/runs/{id}/events?after=POS`: what happened and what happens, as server-sent events. The id of an event is its position in the log, so a reader that
//! lost its connection goes on after the last one that it saw.

use std::convert::Infallible;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use gorgon_api::{AppendFrame, EVENT_APPEND, EVENT_DONE, EVENT_OUTPUT, EVENT_PROBLEM, OutputFrame, Problem};
use gorgon_core::diagnostic::Code;
use gorgon_core::payload::Payload;
use gorgon_engine::{Engine, Frame, Watch};
use serde::Deserialize;

use super::named;
use crate::problem::Refused;

#[derive(Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: u64,
}

pub(crate) async fn events(
    State(engine): State<Engine>,
    Path(text): Path<String>,
    query: Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let Query(After { after }) = query?;
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let id = named::find(&engine, &text).await?;
    let watch = engine.watch(id, seen.unwrap_or(after)).await?;
    let broken = engine.broken();
    let stream = futures_util::stream::unfold(Some((watch, broken)), |open| async move {
        let (mut watch, mut broken) = open?;
        let frame = tokio::select! {
            frame = watch.next() => frame,
            Ok(why) = broken.wait_for(Option::is_some) => Err(why.clone().unwrap_or_else(|| gorgon_ports::StoreError::Closed(String::new()))),
        };
        match frame {
            Ok(Some(frame)) => {
                let last = matches!(frame, Frame::Done);
                let event = event(&watch, frame);
                Some((Ok(event), (!last).then_some((watch, broken))))
            }
            // It stopped; if that was because it cannot go on, whoever watches hears why.
            Ok(None) => {
                let broken = broken.borrow().clone()?;
                Some((Ok(json(EVENT_PROBLEM, &Refused::from(broken).0)), None))
            }
            Err(error) => {
                let problem = Refused::from(error).0;
                Some((Ok(json(EVENT_PROBLEM, &problem)), None))
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

fn event(watch: &Watch, frame: Frame) -> Event {
    match frame {
        Frame::Append { pos, seq, at, events } => {
            let events = String::from_utf8(events.to_vec()).ok().and_then(|text| Payload::from_json(text).ok()).unwrap_or_default();
            let frame = AppendFrame { pos, run: watch.run(), seq, at: gorgon_api::time(at), events };
            json(EVENT_APPEND, &frame).id(pos.to_string())
        }
        Frame::Output(piece) => {
            let frame = OutputFrame { step: piece.step.to_string(), item: piece.item, stream: piece.stream.to_owned(), text: piece.text };
            json(EVENT_OUTPUT, &frame)
        }
        Frame::Done => Event::default().event(EVENT_DONE).data("{}"),
    }
}

fn json<T: serde::Serialize>(name: &str, value: &T) -> Event {
    let text = serde_json::to_string(value).unwrap_or_else(|error| {
        let problem = Problem::new(Code::Internal, format!("a frame cannot be written: {error}"));
        serde_json::to_string(&problem).unwrap_or_default()
    });
    Event::default().event(name).data(text)
}
