//! Agents as data: the roles in which models are asked.
//!
//! A role is instructions under a name. Those that come with Gorgon stand in `assets/roles.toml`; users add and replace them by files. A role is written
//! into a definition when its file is loaded, so a run is pinned to the words that it was started with. Nothing here asks a model or runs a step.
#![warn(missing_docs)]

mod role;
mod roles;

pub use self::role::{Origin, Role, RoleContract};
pub use self::roles::{Error, Roles};
