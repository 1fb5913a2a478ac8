//! The HTTP surface of the engine: `/v1/runs` and `/v1/holder`, over a Unix socket.
//!
//! One file per family of handlers; errors become problem details in one place. It holds no rule of its own: what may be done, the engine says.
#![warn(missing_docs)]

mod holder;
mod problem;
mod runs;
mod serve;

use axum::Router;
use gorgon_engine::Engine;

pub use self::holder::about;
pub use self::serve::serve_unix;

/// The routes.
pub fn router(engine: Engine) -> Router {
    Router::new().merge(runs::routes()).with_state(engine)
}
