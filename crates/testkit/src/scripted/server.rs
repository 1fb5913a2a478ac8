//! The server itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::delivery::{Pieces, deliver};
use super::desk::Desk;
use super::effect::Effect;
use super::question::Wire;
use super::record::{Bill, Recorded};
use super::script::{Delivery, Script};
use super::wire::{self, Prepared};
use super::witness::{Witness, unix_ns};

/// Longest request body.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A running server on loopback. It ends when this is dropped, and the test fails then if something went off the script.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    accept: JoinHandle<()>,
}

impl ScriptedServer {
    /// Starts on a free port.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_with(script, None, 0).await
    }

    /// Starts on this port, 0 being any, and writes what it sees into a witness.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn start_with(script: Script, witness: Option<Witness>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk::new(script, witness));
        let accept = tokio::spawn(accept(listener, Arc::clone(&desk)));
        Ok(Self { address, desk, accept })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the model's interface begins, as `base_url` wants it.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where an effect of this name is.
    #[must_use]
    pub fn effect_url(&self, name: &str) -> String {
        format!("http://{}/effect/{name}", self.address)
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.desk.requests()
    }

    /// What the server charged so far: the provider's side of the ledger.
    #[must_use]
    pub fn billed(&self) -> Bill {
        self.desk.bill()
    }

    /// What went off the script so far. Taken, it is the caller's to judge.
    #[must_use]
    pub fn take_failures(&self) -> Vec<String> {
        self.desk.take_failures()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.accept.abort();
        let failures = self.desk.take_failures();
        assert!(failures.is_empty() || std::thread::panicking(), "the scripted server was asked off its script: {failures:#?}");
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    // Owning the connections ends them with the server.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                // Without this the kernel would join small pieces, and nothing would ever be split.
                let _ = socket.set_nodelay(true);
                let desk = Arc::clone(&desk);
                connections.spawn(async move {
                    let service = service_fn(move |request| serve(Arc::clone(&desk), request));
                    // A connection that breaks is what some scripts are about.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Response<Pieces>, io::Error> {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    if let Some(prepared) = asked_about(&desk, &path) {
        return respond(prepared, Delivery::default());
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
    let record = Recorded { n: 0, at_ns: unix_ns(), method, path, headers, body: readable(&body), rule: None, status: None, charged_nano_usd: 0 };
    // A provider works on when its client has gone, and charges for it: the work is a task of its own.
    let work = tokio::spawn(work(desk, record));
    let (prepared, delivery) = work.await.map_err(io::Error::other)??;
    respond(prepared, delivery)
}

/// Questions about the server, which are not part of any script.
fn asked_about(desk: &Desk, path: &str) -> Option<Prepared> {
    match path {
        "/__requests" => Some(wire::json(200, &json!(desk.requests()))),
        "/__bill" => Some(wire::json(200, &json!(desk.bill()))),
        _ => None,
    }
}

async fn work(desk: Arc<Desk>, record: Recorded) -> io::Result<(Prepared, Delivery)> {
    let (method, path, body) = (record.method.clone(), record.path.clone(), record.body.clone());
    let n = desk.receive(record).await.inspect_err(|error| desk.fail(format!("the witness cannot write: {error}")))?;
    let (prepared, delivery) = if let Some(effect) = Effect::read(&path) {
        tokio::time::sleep(effect.delay).await;
        (effect.answer(n, &desk.requests()), Delivery::default())
    } else if method == "POST"
        && let Some(wire) = Wire::at(&path)
    {
        let (prepared, delivery) = desk.decide(n, &body, wire);
        tokio::time::sleep(Duration::from_millis(delivery.delay_ms)).await;
        (prepared, delivery)
    } else {
        let why = format!("request {n}: nothing is at {method} {path}");
        desk.fail(why.clone());
        (wire::off_script(&why), Delivery::default())
    };
    let noted = desk.answer(n, prepared.status, prepared.charged_nano_usd).await;
    noted.inspect_err(|error| desk.fail(format!("the witness cannot write: {error}")))?;
    Ok((prepared, delivery))
}

fn readable(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// An error closes the connection without a word.
fn respond(prepared: Prepared, delivery: Delivery) -> Result<Response<Pieces>, io::Error> {
    let status = prepared.status.ok_or_else(|| io::Error::other("closed as scripted"))?;
    let mut response = Response::new(deliver(prepared.body, delivery));
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    for (name, value) in prepared.headers {
        let name = name.parse::<HeaderName>().map_err(io::Error::other)?;
        response.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(io::Error::other)?);
    }
    Ok(response)
}
