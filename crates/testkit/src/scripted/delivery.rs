//! How an answer travels: whole, in pieces, or not to its end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::script::Delivery;

/// A body that announces its whole length and comes as it is fed.
#[derive(Debug)]
pub(super) struct Pieces {
    length: u64,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// Sends the body as the script wants it.
pub(super) fn deliver(body: Bytes, delivery: Delivery) -> Pieces {
    // A capacity of one makes each piece a write of its own.
    let (sender, pieces) = mpsc::channel(1);
    let length = body.len() as u64;
    tokio::spawn(feed(body, delivery, sender));
    Pieces { length, pieces }
}

async fn feed(body: Bytes, delivery: Delivery, sender: mpsc::Sender<io::Result<Bytes>>) {
    let end = delivery.break_after_bytes.unwrap_or(body.len()).min(body.len());
    let size = delivery.chunk_bytes.unwrap_or(body.len()).max(1);
    let mut start = 0;
    while start < end {
        let next = (start + size).min(end);
        if sender.send(Ok(body.slice(start..next))).await.is_err() {
            return;
        }
        if delivery.chunk_bytes.is_some() {
            // Even no delay gives way once, so that the piece is written before the next one is there.
            tokio::time::sleep(Duration::from_millis(delivery.chunk_delay_ms)).await;
        }
        start = next;
    }
    if delivery.break_after_bytes.is_some() {
        // What was fed has to leave before the connection breaks under it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = sender.send(Err(io::Error::other("broken off as scripted"))).await;
    }
}
