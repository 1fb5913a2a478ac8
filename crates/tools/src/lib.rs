//! The executors that do something: processes, HTTP requests, scripts, files, and the one that does nothing.
//!
//! Each makes one attempt at one call and says what became of it. None retries, none waits for better times, none decides what a result
//! means: that is the work of the core. None reads the environment, the clock of the wall or any setting by itself; what it may do is in
//! its options, and what surrounds a call in the [`CallCx`](gorgon_ports::CallCx).
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod file;
pub mod guard;
pub mod http;
pub mod mask;
pub mod noop;
mod outcome;
pub mod process;
pub mod process_group;
pub mod script;
mod stop;

use std::sync::Arc;

use gorgon_ports::Executor;

pub use self::file::{FileExecutor, FileOptions};
pub use self::guard::{AllowPrivate, BadAllowEntry};
pub use self::http::{HttpExecutor, HttpOptions};
pub use self::mask::Keys;
pub use self::noop::NoopExecutor;
pub use self::process::{ProcessExecutor, ProcessOptions};
pub use self::script::{ScriptExecutor, ScriptOptions};

/// What the executors of this crate may do, and how much of it.
#[derive(Debug, Clone, Default)]
pub struct ToolOptions {
    /// Processes.
    pub process: ProcessOptions,
    /// HTTP requests.
    pub http: HttpOptions,
    /// Scripts.
    pub script: ScriptOptions,
    /// Files.
    pub file: FileOptions,
}

/// One executor of each family that this crate serves.
#[must_use]
pub fn executors(options: ToolOptions) -> Vec<Arc<dyn Executor>> {
    vec![
        Arc::new(NoopExecutor),
        Arc::new(ProcessExecutor::new(options.process)),
        Arc::new(HttpExecutor::new(options.http)),
        Arc::new(ScriptExecutor::new(options.script)),
        Arc::new(FileExecutor::new(options.file)),
    ]
}
