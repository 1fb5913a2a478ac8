//! A server that answers each connection with the same bytes, cut in two: the first connection before its first byte, the next one after it, and so on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Cutting {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Cutting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cutting {
    pub(crate) async fn serve(body: Bytes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let cut = count.fetch_add(1, Ordering::Relaxed).min(body.len());
                answer(socket, &body, cut).await;
            }
        });
        Self { address, served, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

async fn answer(mut socket: TcpStream, body: &Bytes, cut: usize) {
    socket.set_nodelay(true).expect("no delay");
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    // The request is small: its head says how long it is.
    loop {
        let count = socket.read(&mut buffer).await.expect("a request");
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).to_lowercase();
        let Some(end) = text.find("\r\n\r\n") else { continue };
        let length: usize =
            text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).and_then(|n| n.parse().ok()).expect("a length");
        if seen.len() >= end + 4 + length {
            break;
        }
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    socket.write_all(head.as_bytes()).await.expect("written");
    socket.write_all(&body[..cut]).await.expect("written");
    socket.flush().await.expect("flushed");
    tokio::task::yield_now().await;
    socket.write_all(&body[cut..]).await.expect("written");
}

/// The body of an answer, as it stands.
pub(crate) async fn post(base_url: &str, path: &str, body: &str) -> Bytes {
    let address = base_url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let head = format!("POST /v1/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    Bytes::from(answer.split_off(end + 4))
}
