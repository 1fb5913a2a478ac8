//! What the run machine does: given events, when a command, then events.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod build;
mod harness;

mod approvals;
mod branches;
#[cfg(any())]
mod budgets;
#[cfg(any())]
mod commands;
mod doubts;
mod failures;
mod fan_out;
mod groups;
mod order;
#[cfg(any())]
mod properties;
mod retries;
#[cfg(any())]
mod reopened;
mod timers;
#[cfg(any())]
mod totality;
