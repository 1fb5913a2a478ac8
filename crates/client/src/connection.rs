//! Requests over connections: a question takes one that is kept and free, or makes one; anything else makes its own.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use crate::Error;

/// Connections to one socket.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    socket: PathBuf,
    /// For questions, over connections that are kept.
    asks: legacy::Client<Dial, Full<Bytes>>,
    /// For what may be done only once, over a connection of its own: one that is kept may be closed by the other side in the very moment in which a request
    /// is sent over it, and nobody would know whether it was carried out.
    sends: legacy::Client<Dial, Full<Bytes>>,
}

impl Connections {
    pub(crate) fn to(socket: PathBuf) -> Self {
        let asks = legacy::Client::builder(TokioExecutor::new()).build(Dial(socket.clone()));
        let sends = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(Dial(socket.clone()));
        Self { socket, asks, sends }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a request and answers with the head of what comes back.
    pub(crate) async fn send(&self, method: Method, uri: &str, body: Option<Vec<u8>>) -> Result<Response<Incoming>, Error> {
        let client = if method == Method::GET { &self.asks } else { &self.sends };
        let request = Request::builder().method(method).uri(format!("http://localhost{uri}")).header(ACCEPT, "application/json, text/event-stream");
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body))),
            None => request.body(Full::new(Bytes::new())),
        };
        let request = request.map_err(|error| Error::Unreadable(error.to_string()))?;
        client.request(request).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &legacy::Error) -> Error {
        if error.is_connect() {
            return Error::Unreachable { place: self.socket.display().to_string(), source: refusal(error) };
        }
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::Broken(cause)
    }
}

/// What the system said to the attempt to connect.
fn refusal(error: &legacy::Error) -> io::Error {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        }
        cause = error.source();
    }
    io::Error::other(error.to_string())
}

/// Connects to the socket, whatever host an address names.
#[derive(Debug, Clone)]
struct Dial(PathBuf);

impl tower_service::Service<Uri> for Dial {
    type Response = Stream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Stream>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let socket = self.0.clone();
        Box::pin(async move { UnixStream::connect(socket).await.map(|stream| Stream(TokioIo::new(stream))) })
    }
}

/// A connection to a socket.
struct Stream(TokioIo<UnixStream>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

/// Writes a text as one part of a path or of a query.
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
