//! `GET /v1/runs`: which runs there are, newest first.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use gorgon_api::{RunList, RunQuery, RunSummary};
use gorgon_core::diagnostic::Code;
use gorgon_core::run::RunStatus;
use gorgon_engine::Engine;
use gorgon_ports::{RunFilter, RunRow};

use crate::problem::Refused;

/// How many runs a page has if nobody says.
const LIMIT_DEFAULT: u32 = 50;

/// How many it may have.
const LIMIT_MAX: u32 = 1_000;

pub(crate) async fn list(State(engine): State<Engine>, query: Result<Query<RunQuery>, QueryRejection>) -> Result<Json<RunList>, Refused> {
    let Query(query) = query?;
    let statuses = query.statuses().map_err(|word| {
        let known: Vec<&str> = RunStatus::ALL.into_iter().map(RunStatus::word).collect();
        Refused::new(Code::BadInput, format!("`{word}` is no status of a run")).help(format!("they are: {}", known.join(", ")))
    })?;
    let before = match query.before {
        Some(id) => Some(engine.row(id).await?.no),
        None => None,
    };
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let rows = engine.list(&RunFilter { statuses, workflow: query.workflow, file: query.file, before, limit }).await?;
    Ok(Json(RunList { runs: rows.iter().map(summary).collect() }))
}

fn summary(row: &RunRow) -> RunSummary {
    RunSummary {
        id: row.id,
        status: row.status,
        workflow: row.workflow.clone(),
        file: row.file.clone(),
        created_at: gorgon_api::time(row.created_at),
        updated_at: gorgon_api::time(row.updated_at),
        wake_at: row.wake_at.map(gorgon_api::time),
    }
}
