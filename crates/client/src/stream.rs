//! The events of a run, as they come.

use gorgon_api::{AppendFrame, EVENT_APPEND, EVENT_DONE, EVENT_OUTPUT, EVENT_PROBLEM, OutputFrame};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::Error;
use crate::sse::{Decoder, RawFrame};

/// What comes on the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Events that are on disk.
    Append(AppendFrame),
    /// Live output of a step.
    Output(OutputFrame),
    /// The run has ended, and everything was sent.
    Done,
}

/// The stream.
#[derive(Debug)]
pub struct Frames {
    body: Incoming,
    decoder: Decoder,
}

impl Frames {
    pub(crate) fn of(body: Incoming) -> Self {
        Self { body, decoder: Decoder::default() }
    }

    /// The next frame. `None`: the other side closed the stream without saying that the run is done.
    ///
    /// # Errors
    /// The connection broke, or a frame cannot be read.
    pub async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            while let Some(raw) = self.decoder.next() {
                if let Some(frame) = read(&raw)? {
                    return Ok(Some(frame));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(piece) => {
                    if let Ok(bytes) = piece?.into_data() {
                        self.decoder.push(&bytes);
                    }
                }
            }
        }
    }
}

fn read(raw: &RawFrame) -> Result<Option<Frame>, Error> {
    Ok(match raw.event.as_str() {
        EVENT_APPEND => Some(Frame::Append(serde_json::from_str(&raw.data)?)),
        EVENT_OUTPUT => Some(Frame::Output(serde_json::from_str(&raw.data)?)),
        EVENT_DONE => Some(Frame::Done),
        EVENT_PROBLEM => return Err(Error::Problem(serde_json::from_str(&raw.data)?)),
        // A newer server may send more than this client knows.
        _ => None,
    })
}
