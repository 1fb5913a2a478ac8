//! What tests need and no release contains: a model server that plays a script over the real wire, and witnesses of side effects.
#![warn(missing_docs)]

pub mod scripted;
pub mod store_contract;
