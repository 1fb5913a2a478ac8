//! What tests need and no release contains: a model server that plays a script over the real wire, witnesses of side effects, and a simulator of
//! everything that can go wrong around a run.
#![warn(missing_docs)]

pub mod scripted;
pub mod sim;
pub mod store_contract;
