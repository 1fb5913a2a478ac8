//! A typed client of `/v1/runs`, over the Unix socket of a holder.
//!
//! One connection a request: a local socket costs nothing to open, and a connection that nobody keeps cannot be stale. The client never retries and
//! never starts anything; whoever uses it decides what a broken connection means.
#![warn(missing_docs)]

mod client;
mod connection;
mod error;
mod sse;
mod stream;

pub use self::client::Client;
pub use self::error::Error;
pub use self::stream::{Frame, Frames};
