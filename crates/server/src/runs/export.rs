//! `GET /v1/runs/{id}/export` and `…/logs`: everything about a run in one document, and what its steps wrote.

use axum::Json;
use axum::extract::{Path, State};
use gorgon_api::{AppendFrame, Export, Log, Logs, Run};
use gorgon_core::payload::Payload;
use gorgon_engine::Engine;

use super::named;
use crate::problem::Refused;

pub(crate) async fn export(State(engine): State<Engine>, Path(text): Path<String>) -> Result<Json<Export>, Refused> {
    let id = named::find(&engine, &text).await?;
    let state = engine.state(id).await?;
    let history = engine.history(id).await?;
    let events = history
        .into_iter()
        .map(|append| AppendFrame { pos: append.pos, run: id, seq: append.seq, at: gorgon_api::time(append.at), events: Payload::of(&append.events) })
        .collect();
    Ok(Json(Export {
        run: Run::of(&state, id),
        definition: (*state.program.definition).clone(),
        plan: state.program.plan.clone(),
        source: engine.source(&state).await?,
        events,
    }))
}

pub(crate) async fn logs(State(engine): State<Engine>, Path(text): Path<String>) -> Result<Json<Logs>, Refused> {
    let id = named::find(&engine, &text).await?;
    engine.row(id).await?;
    let files = engine.log_files(id);
    let read = tokio::task::spawn_blocking(move || {
        files
            .into_iter()
            .map(|(name, path)| Log { name, text: std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default() })
            .collect()
    });
    Ok(Json(Logs { logs: read.await.unwrap_or_default() }))
}
