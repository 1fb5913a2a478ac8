//! The semantics of Gorgon: what a workflow means, what a run may do next, what it may spend.
//!
//! This crate decides and computes. It never performs: there is no IO here, no clock, no randomness, no environment, no thread and no `async`.
//! Time, permits and balances come in as [`Facts`](facts::Facts); what should happen comes out as [`Event`](event::Event)s and as the calls
//! that a run [owes](run::RunState::due).
//!
//! Read it in this order: [`definition`], [`plan`], [`event`], [`run`], [`command`], [`step`].
#![warn(missing_docs)]

pub mod budget;
pub mod call;
pub mod command;
pub mod contract;
pub mod definition;
pub mod diagnostic;
pub mod event;
pub mod event_codec;
pub mod facts;
pub mod fork;
pub mod ids;
pub mod money;
pub mod payload;
pub mod plan;
pub mod policy;
pub mod run;
pub mod step;
pub mod template;
pub mod time;
