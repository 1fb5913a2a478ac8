//! The HTTP surface of the engine: `/v1/runs` and `/v1/holder`, over a Unix socket.
//!
//! One file per family of handlers; errors become problem details in one place. It holds no rule of its own: what may be done, the engine says.
#![warn(missing_docs)]

mod problem;
mod runs;
mod serve;

use axum::routing::get;
use axum::{Json, Router};
use gorgon_api::{HOLDER, Holder};
use gorgon_engine::Engine;

pub use self::serve::serve_unix;

/// The route by which whoever holds the store says who it is.
pub fn about(holder: Holder, engine: Engine) -> Router {
    Router::new().route(HOLDER, get(async move || Json(Holder { leaving: engine.is_draining(), ..holder.clone() })))
}

/// The routes.
pub fn router(engine: Engine) -> Router {
    Router::new().merge(runs::routes()).with_state(engine)
}
