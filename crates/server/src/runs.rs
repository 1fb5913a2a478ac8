//! `/v1/runs`.

mod command;
mod create;
mod events;
mod export;
mod fork;
mod list;
mod named;
mod show;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use gorgon_engine::Engine;

/// Longest request in bytes: a definition of the largest size with its inputs.
const REQUEST_BYTES_MAX: usize = 16 << 20;

pub(crate) fn routes() -> Router<Engine> {
    Router::new()
        .route("/v1/runs", post(create::create).get(list::list))
        .route("/v1/runs/{id}", get(show::show))
        .route("/v1/runs/{id}/events", get(events::events))
        .route("/v1/runs/{id}/export", get(export::export))
        .route("/v1/runs/{id}/logs", get(export::logs))
        .route("/v1/runs/{id}/fork", post(fork::fork))
        .route("/v1/runs/{id}/commands/{name}", post(command::command))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
}
