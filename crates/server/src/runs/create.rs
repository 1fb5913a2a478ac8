//! `POST /v1/runs`: start a run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use gorgon_api::{CreateRun, RUNS, Run};
use gorgon_engine::Engine;

use crate::problem::Refused;

pub(crate) async fn create(State(engine): State<Engine>, body: Result<Json<CreateRun>, JsonRejection>) -> Result<impl IntoResponse, Refused> {
    let Json(new) = body?;
    let CreateRun { definition, source, goals, inputs, limits, start } = new;
    let definition = Arc::new(definition);
    // The engine puts in whose run it is: nobody starts one for another tenant.
    let start = start.of_tenant("");
    let (id, _cost) = engine.create(gorgon_engine::CreateRun { definition, source, goals, inputs, start, limits }).await?;
    let state = engine.state(id).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{RUNS}/{id}"))], Json(Run::of(&state, id))))
}
