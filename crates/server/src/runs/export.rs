//! `GET /v1/runs/{id}/export` and `…/logs`: everything about a run in one document, and what its steps wrote.

use axum::Json;
use axum::extract::{Path, State};
use gorgon_api::{AppendFrame, Export, Log, Logs, Run};
use gorgon_core::diagnostic::Code;
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
    let Some(file) = engine.log_file(id) else { return Ok(Json(Logs { logs: Vec::new() })) };
    let read = tokio::task::spawn_blocking(move || gorgon_engine::read_log(&file)).await.unwrap_or_else(|_| Ok(Vec::new()));
    let read = read.map_err(|error| Refused::new(Code::StoreUnavailable, format!("the output of the run cannot be read: {error}")))?;
    let logs =
        read.into_iter().map(|(name, bytes)| Log { name: format!("{name}.log"), text: String::from_utf8_lossy(&bytes).into_owned() }).collect();
    Ok(Json(Logs { logs }))
}
