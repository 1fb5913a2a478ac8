//! One HTTP exchange with a provider: bounded in time and size, not redirected, not proxied, not retried, and honest about whether anything was sent.

mod client;
mod exchange;
mod once;

pub(crate) use client::client;
pub(crate) use exchange::{Answered, Heard, Limits, Listener, Question, Reply, Unanswered, exchange};
