//! Policies as pure machines: what they decide depends on what they are given, nothing else.

pub mod backoff;
pub mod retry;
