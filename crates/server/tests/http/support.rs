//! A server on a socket in a folder of its own, and two ways to ask it: the typed client, and plain HTTP for what the client would never send.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gorgon_api::{CreateRun, Problem, Run, Start};
use gorgon_client::{Client, Frame};
use gorgon_core::budget::Limits;
use gorgon_core::ids::RunId;
use gorgon_core::money::PriceTable;
use gorgon_core::run::RunStatus;
use gorgon_engine::{Engine, Options, Permits, SystemClock, SystemEntropy};
use gorgon_store_memory::MemoryStore;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

pub(crate) const ASKS: &str = "name: asks\noutputs: [said]\nsteps:\n  - {id: ok, type: approval, params: {prompt: 'Go?'}}\n  - {id: a, type: shell, argv: [printf, hello], outputs: [said]}\n";
pub(crate) const WAITS: &str = "name: waits\nsteps:\n  - {id: a, type: signal, params: {name: go}}\n";
pub(crate) const HELLO: &str = "name: hello\noutputs: [said]\nsteps:\n  - {id: a, type: shell, argv: [printf, hello], outputs: [said]}\n";
pub(crate) const FAILS: &str = "name: fails\nsteps:\n  - {id: a, type: shell, argv: ['false']}\n";

pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(MemoryStore::new());
        let options = Options {
            journal: store.clone(),
            runs: store.clone(),
            ledger: store,
            executors: gorgon_tools::executors(gorgon_tools::ToolOptions::default()),
            prices: PriceTable::new(indexmap::IndexMap::new()),
            providers: Default::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            log_dir: Some(folder.path().join("logs")),
            tenant: "local".to_owned(),
            scopes: Vec::new(),
            permits: Permits::defaults(),
            run: true,
        };
        let engine = Engine::open(options).await.expect("the engine opens");
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).expect("the socket is free");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(gorgon_server::serve_unix(listener, gorgon_server::router(engine.clone()), stop.clone()));
        Self { client: Client::unix(socket), engine, folder, stop, serving }
    }

    /// Ends the server; it has to come to an end by itself.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        patiently("the server ends", self.serving).await.expect("it ends well");
    }

    pub(crate) fn new_run(&self, text: &str) -> CreateRun {
        let loaded = gorgon_language::load(text);
        let definition = loaded.definition.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let folder = self.folder.path().display().to_string();
        let start = Start { by: "ann".to_owned(), folder, file: None, env: BTreeMap::new(), models: gorgon_core::step::ModelChoice::default() };
        CreateRun { definition, source: Some(text.to_owned()), goals: Vec::new(), inputs: BTreeMap::new(), limits: Limits::default(), start }
    }

    pub(crate) async fn create(&self, text: &str) -> Run {
        self.client.create(&self.new_run(text)).await.expect("the run starts")
    }

    /// Waits until a run stands so, looking after each thing that happens to it.
    pub(crate) async fn until(&self, run: RunId, status: RunStatus) -> Run {
        patiently("the run comes to stand so", async {
            let name = run.to_string();
            let mut frames = self.client.events(&name, 0).await.expect("it can be watched");
            loop {
                let run = self.client.run(&name).await.expect("it can be read");
                if run.status == status {
                    return run;
                }
                frames.next().await.expect("the stream lasts").expect("the stream goes on");
            }
        })
        .await
    }

    /// Runs a workflow to its end.
    pub(crate) async fn ended(&self, text: &str) -> Run {
        let run = self.create(text).await;
        let mut frames = self.client.events(&run.id.to_string(), 0).await.expect("it can be watched");
        while patiently("the run ends", frames.next()).await.expect("the stream lasts") != Some(Frame::Done) {}
        self.client.run(&run.id.to_string()).await.expect("it can be read")
    }

    pub(crate) async fn send(&self, method: Method, address: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Incoming> {
        let socket: PathBuf = self.client.socket().to_owned();
        let stream = UnixStream::connect(socket).await.expect("the server listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(address).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        patiently("it is answered", sender.send_request(request)).await.expect("it is answered")
    }

    pub(crate) async fn post(&self, address: &str, body: &Value) -> Response<Incoming> {
        self.send(Method::POST, address, &[("content-type", "application/json")], body.to_string()).await
    }

    pub(crate) async fn get(&self, address: &str) -> Response<Incoming> {
        self.send(Method::GET, address, &[], "").await
    }
}

pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("it does not happen: {what}"))
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = patiently("the body comes", response.into_body().collect()).await.expect("the body is whole").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

pub(crate) async fn body(response: Response<Incoming>) -> Value {
    serde_json::from_str(&text(response).await).expect("JSON")
}

/// A refusal: its status stands in its head and in its body, and both are problem details.
pub(crate) async fn problem(response: Response<Incoming>, status: StatusCode, code: &str) -> Problem {
    let (found, kind) = (response.status(), response.headers().get("content-type").cloned());
    let body = body(response).await;
    assert_eq!((found, kind.as_ref().and_then(|kind| kind.to_str().ok())), (status, Some("application/problem+json")), "{body}");
    assert_eq!((&body["status"], &body["code"]), (&json!(status.as_u16()), &json!(code)), "{body}");
    assert_eq!(body["type"], json!(format!("urn:gorgon:error:{code}")));
    serde_json::from_value(body).expect("problem details")
}

pub(crate) fn last_six(run: RunId) -> String {
    let id = run.to_string();
    id[id.len() - 6..].to_owned()
}
