//! What goes over the wire: the types of `/v1/runs`, used by the server that answers and by every surface that asks.
//!
//! They are shapes and conversions. Nothing here opens a socket, and nothing here decides anything. Times are RFC 3339 texts, amounts of money are
//! integer nano-dollars.
#![warn(missing_docs)]

mod command;
mod create;
mod export;
mod fork;
mod frame;
mod holder;
mod log;
mod problem;
mod run;
mod step;
mod summary;
mod time;
mod waiting;

pub use self::command::{Cancel, CommandName, Decide, Pause, Resolve, Resume, Retry, Signal, Verdict};
pub use self::create::{CreateRun, Start};
pub use self::export::Export;
pub use self::fork::{Fork, Forked, Version};
pub use self::frame::{AppendFrame, EVENT_APPEND, EVENT_DONE, EVENT_OUTPUT, EVENT_PROBLEM, OutputFrame};
pub use self::holder::{HOLDER, Holder, LEAVE};
pub use self::log::{Log, Logs};
pub use self::problem::{Problem, status_of};
pub use self::run::{BudgetRow, Run, RunError, RunView};
pub use self::step::{Items, RoundFailure, RunStep};
pub use self::summary::{RunList, RunQuery, RunSummary};
pub use self::time::{Time, time};
pub use self::waiting::{InDoubt, Waiting};

/// Where runs are found.
pub const RUNS: &str = "/v1/runs";

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";
