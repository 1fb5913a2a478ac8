//! Files below the folder of the run, never outside of it.
//!
//! Every path is opened step by step below a handle of that folder, so neither `..` nor a symbolic link leads out, also not one that is
//! exchanged in between.

mod entries;
mod glob;
mod read;
mod root;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gorgon_core::call::{Family, FileRequest, Outcome, Request};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, StoredCall};

use self::root::{Broken, Root};
pub use self::root::{closed_in, is_closed};
use crate::outcome::{failed, in_doubt, misdirected, refused, succeeded};
use crate::stop::Stop;

/// How long a write that is under way is waited for when the call has to end: its true outcome is better than a doubt.
const FINISHING: Duration = Duration::from_secs(2);

/// Settings of files.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// Most entries that a list or a glob looks at.
    pub entries_max: usize,
    /// Absolute paths of files and folders that are closed, with all that lies below them. By their names `.env`, `gorgon.toml`, `gorgon-state.db…` and the
    /// folder `.gorgon` are closed in every folder of a run.
    pub closed: Vec<PathBuf>,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { entries_max: 100_000, closed: Vec::new() }
    }
}

/// Reads and writes files.
#[derive(Debug, Clone)]
pub struct FileExecutor {
    options: FileOptions,
}

impl FileExecutor {
    /// An executor with these settings.
    #[must_use]
    pub fn new(options: FileOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Executor for FileExecutor {
    fn family(&self) -> Family {
        Family::File
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        const WHAT: &str = "the file action";
        let Request::File(request) = call.request() else {
            return misdirected(call.request(), Family::File);
        };
        if let Some(stop) = Stop::now(cx.deadline, &cx.cancel) {
            return failed(stop.failure(WHAT));
        }
        let writes = matches!(request, FileRequest::Write { .. });
        let stopped = Flag::default();
        // If this call is dropped, a walk ends as well.
        let _dropped = SetOnDrop(stopped.clone());
        let job = Job { request: request.clone(), cx: cx.clone(), options: self.options.clone(), stopped: stopped.clone() };
        let mut thread = tokio::task::spawn_blocking(move || job.run());
        let finished = tokio::select! {
            biased;
            finished = &mut thread => Some(finished),
            stop = Stop::wait(cx.deadline, &cx.cancel) => {
                stopped.set();
                if !writes {
                    return failed(stop.failure(WHAT));
                }
                tokio::time::timeout(FINISHING, thread).await.ok()
            }
        };
        match finished {
            Some(Ok(Ok(value))) => succeeded(value),
            Some(Ok(Err(Broken::Failed(failure)))) => failed(failure),
            Some(Ok(Err(Broken::InDoubt(evidence)))) => in_doubt(evidence),
            Some(Err(error)) if writes => in_doubt(format!("{WHAT} broke off: {error}")),
            Some(Err(error)) => failed(refused(format!("{WHAT} broke off: {error}"))),
            None => in_doubt("a write was under way and did not end in time"),
        }
    }
}

/// Set when nobody waits for the result any more.
#[derive(Debug, Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct SetOnDrop(Flag);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// One action, for the thread on which it happens.
struct Job {
    request: FileRequest,
    cx: CallCx,
    options: FileOptions,
    stopped: Flag,
}

impl Job {
    fn run(&self) -> Result<Payload, Broken> {
        let root = Root::open(&self.cx.folder, &self.options.closed)?;
        let entries_max = self.options.entries_max;
        match &self.request {
            FileRequest::Read { path, bytes_max } => Ok(read::read(&root, path, *bytes_max)?),
            FileRequest::Write { path, content, append: false } => write::replace(&root, path, content, &self.cx.idempotency_key),
            FileRequest::Write { path, content, append: true } => write::append(&root, path, content),
            FileRequest::List { path } => Ok(entries::list(&root, path, entries_max)?),
            FileRequest::Glob { pattern } => Ok(glob::glob(&root, pattern, entries_max, &|| self.stopped.is_set())?),
        }
    }
}
