//! `POST /v1/runs`: start a run. `?wait_seconds=N`: and wait, at most so long, until nothing of it moves without somebody.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use gorgon_api::{CreateRun, RUNS, Run};
use gorgon_core::diagnostic::Code;
use gorgon_core::ids::RunId;
use gorgon_core::run::{RunState, RunStatus};
use gorgon_engine::{Engine, ReadError};
use serde::Deserialize;
use tokio::time::Instant;

use crate::problem::Refused;

/// Longest wait for a run in seconds. A longer one belongs to a stream of events.
const WAIT_SECONDS_MAX: u64 = 3_600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    #[serde(default)]
    wait_seconds: u64,
}

pub(crate) async fn create(
    State(engine): State<Engine>,
    query: Result<Query<Wait>, QueryRejection>,
    body: Result<Json<CreateRun>, JsonRejection>,
) -> Result<impl IntoResponse, Refused> {
    let Query(Wait { wait_seconds }) = query?;
    if wait_seconds > WAIT_SECONDS_MAX {
        let why = format!("`wait_seconds` is {wait_seconds}; at most {WAIT_SECONDS_MAX} are allowed");
        return Err(Refused::new(Code::BadInput, why).help("start the run without it, and follow its `events`"));
    }
    let Json(new) = body?;
    let CreateRun { definition, source, goals, inputs, limits, start } = new;
    let definition = Arc::new(definition);
    // The engine puts in whose run it is: nobody starts one for another tenant.
    let start = start.of_tenant("");
    let new = gorgon_engine::CreateRun { definition, source, goals, inputs, start, limits };
    let (id, state) = if wait_seconds == 0 {
        let (id, _cost) = engine.create(new).await?;
        (id, engine.state(id).await?)
    } else {
        let end = Instant::now() + Duration::from_secs(wait_seconds);
        let (id, _cost, rest) = engine.create_and_follow(new).await?;
        match tokio::time::timeout_at(end, rest).await {
            Ok(Ok(state)) => (id, state),
            // It sleeps in between, or time is up.
            Ok(Err(_)) | Err(_) => (id, at_rest(&engine, id, end).await?),
        }
    };
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{RUNS}/{id}"))], Json(Run::of(&state, id))))
}

/// Waits, until then at most, for a run that has ended or goes on only if somebody does something.
async fn at_rest(engine: &Engine, id: RunId, end: Instant) -> Result<Arc<RunState>, ReadError> {
    let mut watch = engine.watch_status(id);
    loop {
        let state = engine.state(id).await?;
        if state.status.is_terminal() || state.needs_somebody() || end <= Instant::now() {
            return Ok(state);
        }
        // Whether it is queued or running: of interest is what it comes to.
        loop {
            match tokio::time::timeout_at(end, watch.next()).await {
                Ok(Some(RunStatus::Queued | RunStatus::Running)) => {}
                Ok(Some(_)) | Err(_) => break,
                Ok(None) => return Ok(state),
            }
        }
    }
}
