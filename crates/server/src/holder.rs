//! `/v1/holder`: who holds the store, and the wish that it let go.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use gorgon_api::{HOLDER, Holder, LEAVE};
use gorgon_core::diagnostic::Code;
use gorgon_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::problem::Refused;

/// What the handlers know.
struct About {
    holder: Holder,
    engine: Engine,
    leave: CancellationToken,
}

/// The routes by which whoever holds the store says who it is, and by which one that holds it in the background is asked to let go: that cancels `leave`.
pub fn about(holder: Holder, engine: Engine, leave: CancellationToken) -> Router {
    Router::new().route(HOLDER, get(show)).route(LEAVE, post(ask_to_leave)).with_state(Arc::new(About { holder, engine, leave }))
}

async fn show(State(about): State<Arc<About>>) -> Json<Holder> {
    Json(Holder { leaving: about.engine.is_draining() || about.leave.is_cancelled(), ..about.holder.clone() })
}

async fn ask_to_leave(State(about): State<Arc<About>>) -> Result<Json<Holder>, Refused> {
    let pid = about.holder.pid;
    if !about.holder.background {
        return Err(Refused::new(Code::StoreHeld, format!("process {pid} holds the store for a command, and lets go of it when that is done")));
    }
    if about.engine.activity().borrow().calls_in_flight > 0 {
        return Err(Refused::new(Code::StoreHeld, format!("process {pid} has calls in flight")));
    }
    about.leave.cancel();
    Ok(show(State(about)).await)
}
