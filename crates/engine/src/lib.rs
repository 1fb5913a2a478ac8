//! The shell around the core: it asks the core what to do, makes that durable, does it, and tells the core what came of it.
//!
//! One task owns each active run. Commands and results reach it through its mailbox; it drains the mailbox into one decision and one append, waits
//! until that is on disk, and only then starts what the append ordered. Runs that only wait have no task: they are an entry in a heap.
//!
//! It never decides what a workflow means, never touches a database or a network itself, and starts nothing that is not on disk.
#![warn(missing_docs)]

mod engine;
mod error;
mod feed;
mod gate;
mod history;
mod mailbox;
mod options;
mod output;
mod owner;
mod programs;
mod sleepers;
mod system;

pub use self::engine::{Activity, CreateRun, Cut, Engine, ForkRun, Forked, Version};
pub use self::error::{CommandError, CreateError, ForkError, ReadError};
pub use self::feed::{Frame, StatusWatch, Watch};
pub use self::history::Recorded;
pub use self::options::{Options, Permits};
pub use self::output::{OutputPiece, read_log};
pub use self::system::{SystemClock, SystemEntropy};
