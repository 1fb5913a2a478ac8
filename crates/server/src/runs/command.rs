//! `POST /v1/runs/{id}/commands/{name}`: requests to a run.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use gorgon_api::{Cancel, CommandName, Decide, Pause, Resolve, Resume, Retry, Run, Signal};
use gorgon_core::command::Command;
use gorgon_core::diagnostic::Code;
use gorgon_engine::Engine;
use serde::de::DeserializeOwned;

use super::named;
use crate::problem::Refused;

pub(crate) async fn command(State(engine): State<Engine>, Path((text, name)): Path<(String, String)>, body: Bytes) -> Result<Json<Run>, Refused> {
    let Some(name) = CommandName::from_word(&name) else {
        let known: Vec<&str> = CommandName::ALL.into_iter().map(CommandName::word).collect();
        return Err(Refused::new(Code::BadInput, format!("a run knows no command `{name}`")).help(format!("it knows: {}", known.join(", "))));
    };
    let id = named::find(&engine, &text).await?;
    let command: Command = match name {
        CommandName::Resume => read::<Resume>(&body)?.into(),
        CommandName::Retry => read::<Retry>(&body)?.into(),
        CommandName::Cancel => read::<Cancel>(&body)?.into(),
        CommandName::Pause => read::<Pause>(&body)?.into(),
        CommandName::Approve => read::<Decide>(&body)?.into_command(true),
        CommandName::Reject => read::<Decide>(&body)?.into_command(false),
        CommandName::Signal => read::<Signal>(&body)?.into(),
        CommandName::Resolve => read::<Resolve>(&body)?.into(),
    };
    engine.command(id, command).await?;
    let state = engine.state(id).await?;
    Ok(Json(Run::of(&state, id)))
}

/// The body of a command; an empty one says nothing.
fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    let refuse = |why: &str| Refused::new(Code::BadInput, format!("the body does not fit the command: {why}"));
    // Serde reads a list as the fields of an object in their order; nobody means that.
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(refuse("it is not a JSON object"));
    }
    serde_json::from_slice(text).map_err(|error| refuse(&error.to_string()))
}
