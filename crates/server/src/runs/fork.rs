//! `POST /v1/runs/{id}/fork`: a new run out of an old one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use gorgon_api::{Fork, Forked, Run};
use gorgon_core::diagnostic::Code;
use gorgon_engine::{Cut, Engine, ForkRun, Version};

use super::named;
use crate::problem::Refused;

pub(crate) async fn fork(
    State(engine): State<Engine>,
    Path(text): Path<String>,
    body: Result<Json<Fork>, JsonRejection>,
) -> Result<impl IntoResponse, Refused> {
    let Json(Fork { at, from, version, inputs, provider, model, limits, by, dry_run }) = body?;
    let cut = match (at, from, &version) {
        (Some(_), Some(_), _) => return Err(Refused::new(Code::BadInput, "`at` and `from` stand side by side").help("give one of them")),
        (Some(_), None, Some(_)) => {
            let why = "a history up to a point belongs to the version of the file that made it";
            return Err(Refused::new(Code::BadInput, why).help("give `from` a step, or leave `at` out: what is unchanged is kept"));
        }
        (Some(at), None, None) => Cut::At(at),
        (None, Some(step), _) => Cut::From(step),
        (None, None, _) => Cut::Unchanged,
    };
    let id = named::find(&engine, &text).await?;
    let version = version.map(|version| Version { definition: Arc::new(version.definition), source: version.source, goals: version.goals });
    let made = engine.fork(id, ForkRun { cut, version, inputs, provider, model, limits, by }, dry_run).await?;
    let run = match made.id {
        Some(id) => Some(Run::of(&*engine.state(id).await?, id)),
        None => None,
    };
    let status = if run.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Forked { run, kept: made.kept, begun: made.begun, repeated: made.repeated, cost: made.cost })))
}
