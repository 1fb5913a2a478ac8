//! A request body that knows whether it was touched.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Whether a body was taken up for sending. Until then no byte of it can have left, so nobody can have worked on it or charged for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    pub(super) fn yet(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body of known length in one piece.
#[derive(Debug)]
pub(super) struct Once {
    piece: Option<Bytes>,
    taken: Taken,
}

impl Once {
    pub(super) fn new(piece: Bytes, taken: Taken) -> Self {
        Self { piece: Some(piece), taken }
    }
}

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.0.store(true, Ordering::Release);
        Poll::Ready(self.piece.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.piece.as_ref().map_or(0, |piece| piece.len() as u64))
    }
}
