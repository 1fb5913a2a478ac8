//! `GET /v1/runs/{id}`: how a run stands.

use axum::Json;
use axum::extract::{Path, State};
use gorgon_api::Run;
use gorgon_engine::Engine;

use super::named;
use crate::problem::Refused;

pub(crate) async fn show(State(engine): State<Engine>, Path(text): Path<String>) -> Result<Json<Run>, Refused> {
    let id = named::find(&engine, &text).await?;
    let state = engine.state(id).await?;
    Ok(Json(Run::of(&state, id)))
}
