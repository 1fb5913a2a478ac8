//! The claims that Gorgon makes, tested from outside: the real binary, real processes, real sockets, real kills.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approvals;
mod conversation;
mod dialects;
mod faults;
mod forks;
mod handover;
mod history;
mod hops;
mod leftovers;
mod machine;
mod money;
mod random;
mod roles;
mod rounds;
mod server;
mod torture;
mod verdicts;
