//! What the run machine does: given events, when a command, then events.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

/// What the simulator builds its workflows with serves here as well.
#[path = "../../../testkit/src/sim/build.rs"]
mod build;
mod harness;

mod answers;
mod approvals;
mod asked_again;
mod bounds;
mod branches;
mod budgets;
mod commands;
mod conversations;
mod doubts;
mod failures;
mod fan_out;
mod forks;
mod groups;
mod hops;
mod loops;
mod order;
#[path = "../../../testkit/src/sim/program.rs"]
mod program;
mod properties;
mod reopened;
mod retries;
#[path = "../../../testkit/src/sim/rng.rs"]
mod rng;
mod sub_workflows;
mod timers;
mod totality;
