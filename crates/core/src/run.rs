//! How a run stands: the fold of its events.
//!
//! [`RunState`] changes only by [`evolve`](RunState::evolve). It answers what is due, when it wants to be woken, and what its steps gave; it
//! decides nothing.

mod calls;
mod evolve;
mod hopped;
mod item;
mod money;
mod reopened;
mod rounds;
mod scope;
mod state;
mod status;
mod talk;
mod view;

pub(crate) use self::evolve::ITEMS_MAX;
pub use self::item::{Doubt, ItemPhase, ItemState, OpenCall, StepState, WaitState};
pub use self::rounds::{PastFailure, Round, Rounds};
pub use self::scope::RunScope;
pub use self::state::{RunState, TimerKind, Work, WorkKind};
pub use self::status::{RunStatus, StepStatus};
pub use self::talk::Talk;
pub use self::view::{PendingApproval, WaitingFor};
