//! One request over one connection.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::Error;

/// Sends a request and answers with the head of what comes back.
pub(crate) async fn send(socket: &Path, method: Method, uri: &str, body: Option<Vec<u8>>) -> Result<Response<Incoming>, Error> {
    let unreachable = |source| Error::Unreachable { place: socket.display().to_string(), source };
    let stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the connection, which ends with the response or with the sender: nobody has to stop it.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::builder().method(method).uri(uri).header(HOST, "localhost").header(ACCEPT, "application/json, text/event-stream");
    let request = match body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body))),
        None => request.body(Full::new(Bytes::new())),
    };
    let request = request.map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(sender.send_request(request).await?)
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
