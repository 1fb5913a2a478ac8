//! The requests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gorgon_api::{CommandName, CreateRun, Export, Fork, Forked, HOLDER, Holder, LEAVE, Logs, Problem, RUNS, Run, RunList, RunQuery, RunView};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::connection::{Connections, escape};
use crate::stream::Frames;

/// A client of one holder. Runs are named by their id, a unique prefix of it, its last six characters, or `@last`.
#[derive(Debug, Clone)]
pub struct Client {
    connections: Connections,
}

impl Client {
    /// A client of whoever listens at this socket.
    #[must_use]
    pub fn unix(socket: impl Into<PathBuf>) -> Self {
        Self { connections: Connections::to(socket.into()) }
    }

    /// Where it connects to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.connections.socket()
    }

    /// Who holds the store.
    ///
    /// # Errors
    /// Nobody answers, or a release that does not say.
    pub async fn holder(&self) -> Result<Holder, Error> {
        self.get(HOLDER).await
    }

    /// Asks whoever holds the store in the background to let go of it.
    ///
    /// # Errors
    /// It does not, or the connection broke.
    pub async fn leave(&self) -> Result<Holder, Error> {
        self.post(LEAVE, &()).await
    }

    /// Starts a run.
    ///
    /// # Errors
    /// It was not started, or the connection broke.
    pub async fn create(&self, create: &CreateRun) -> Result<Run, Error> {
        self.post(RUNS, create).await
    }

    /// Starts a run and waits until nothing of it moves without somebody any more, or for as long as is said; answers how it stands then.
    ///
    /// # Errors
    /// It was not started, or the connection broke.
    pub async fn create_and_wait(&self, create: &CreateRun, wait: Duration) -> Result<Run, Error> {
        self.post(&format!("{RUNS}?wait_seconds={}", wait.as_secs()), create).await
    }

    /// The runs that match, newest first.
    ///
    /// # Errors
    /// They cannot be listed, or the connection broke.
    pub async fn runs(&self, query: &RunQuery) -> Result<RunList, Error> {
        let pairs = [
            ("status", query.status.clone()),
            ("workflow", query.workflow.clone()),
            ("file", query.file.clone()),
            ("before", query.before.map(|id| id.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
        ];
        let pairs: Vec<String> = pairs.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?)))).collect();
        self.get(&format!("{RUNS}?{}", pairs.join("&"))).await
    }

    /// How a run stands.
    ///
    /// # Errors
    /// There is no such run, or the connection broke.
    pub async fn run(&self, run: &str) -> Result<Run, Error> {
        self.run_seen(run, &RunView::default()).await
    }

    /// How a run stands, looked at like this.
    ///
    /// # Errors
    /// There is no such run, or the connection broke.
    pub async fn run_seen(&self, run: &str, view: &RunView) -> Result<Run, Error> {
        let query = view.retry.as_ref().map_or_else(String::new, |step| format!("?retry={}", escape(step.as_str())));
        self.get(&format!("{RUNS}/{}{query}", escape(run))).await
    }

    /// Everything about a run.
    ///
    /// # Errors
    /// There is no such run, or the connection broke.
    pub async fn export(&self, run: &str) -> Result<Export, Error> {
        self.get(&format!("{RUNS}/{}/export", escape(run))).await
    }

    /// What the steps of a run wrote.
    ///
    /// # Errors
    /// There is no such run, or the connection broke.
    pub async fn logs(&self, run: &str) -> Result<Logs, Error> {
        self.get(&format!("{RUNS}/{}/logs", escape(run))).await
    }

    /// What happened to a run after this position of the log, and what happens from now on.
    ///
    /// # Errors
    /// There is no such run, or the connection broke.
    pub async fn events(&self, run: &str, after: u64) -> Result<Frames, Error> {
        let response = self.connections.send(Method::GET, &format!("{RUNS}/{}/events?after={after}", escape(run)), None).await?;
        if response.status() == StatusCode::OK {
            return Ok(Frames::of(response.into_body()));
        }
        Err(refusal(response).await)
    }

    /// Makes a new run out of one, or says what it would be.
    ///
    /// # Errors
    /// It was not made, or the connection broke.
    pub async fn fork(&self, run: &str, fork: &Fork) -> Result<Forked, Error> {
        self.post(&format!("{RUNS}/{}/fork", escape(run)), fork).await
    }

    /// Gives a command to a run; answers how the run stands after it.
    ///
    /// # Errors
    /// The run does not take it, or the connection broke.
    pub async fn command<B: Serialize + Sync>(&self, run: &str, name: CommandName, body: &B) -> Result<Run, Error> {
        let address = format!("{RUNS}/{}/commands/{}", escape(run), name.word());
        let response = self.connections.send(Method::POST, &address, Some(serde_json::to_vec(body)?)).await?;
        if response.status() == StatusCode::ACCEPTED {
            return self.run(run).await;
        }
        read(response).await
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, Error> {
        read(self.connections.send(Method::GET, address, None).await?).await
    }

    async fn post<B: Serialize + Sync, T: DeserializeOwned>(&self, address: &str, body: &B) -> Result<T, Error> {
        read(self.connections.send(Method::POST, address, Some(serde_json::to_vec(body)?)).await?).await
    }
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Error> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let body = response.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&body)?)
}

async fn refusal(response: Response<Incoming>) -> Error {
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return error.into(),
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Error::Problem(Box::new(problem)),
        Err(_) => Error::Unreadable(format!("{status}: {}", String::from_utf8_lossy(&body))),
    }
}
