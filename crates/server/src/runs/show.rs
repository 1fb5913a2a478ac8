//! `GET /v1/runs/{id}?retry=STEP`: how a run stands.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use gorgon_api::{Run, RunView};
use gorgon_engine::Engine;

use super::named;
use crate::problem::Refused;

pub(crate) async fn show(
    State(engine): State<Engine>,
    Path(text): Path<String>,
    query: Result<Query<RunView>, QueryRejection>,
) -> Result<Json<Run>, Refused> {
    let Query(view) = query?;
    let id = named::find(&engine, &text).await?;
    let state = engine.state(id).await?;
    Ok(Json(Run::seen(&state, id, &view)))
}
