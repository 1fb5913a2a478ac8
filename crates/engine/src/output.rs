//! Live output of steps: shown to whoever watches, kept in bounded files beside the store. It is talk, not truth: losing it loses no result.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gorgon_core::ids::{CallId, RunId, StepId};

use crate::feed::{Live, Watchers};

/// Most bytes that are kept of the output of one attempt.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPiece {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The element of its fan-out.
    pub item: u32,
    /// `stdout`, `stderr` or `text`.
    pub stream: &'static str,
    /// The piece.
    pub text: String,
}

/// Where output goes.
pub(crate) struct Output {
    dir: Option<PathBuf>,
    open: Mutex<HashMap<(RunId, String), LogFile>>,
}

struct LogFile {
    file: File,
    left: u64,
}

impl Output {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir, open: Mutex::new(HashMap::new()) }
    }

    /// Takes a piece of output of a call.
    pub(crate) fn piece(&self, watchers: &Watchers, run: RunId, call: &CallId, stream: &'static str, bytes: &[u8]) {
        self.keep(run, call, bytes);
        watchers.tell(run, || {
            let text = String::from_utf8_lossy(bytes).into_owned();
            Live::Output(OutputPiece { run, step: call.step.clone(), item: call.item, stream, text })
        });
    }

    fn keep(&self, run: RunId, call: &CallId, bytes: &[u8]) {
        let Some(dir) = &self.dir else { return };
        let name = log_name(call);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let log = match open.entry((run, name.clone())) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => match open_log(dir, run, &name) {
                Ok(log) => new.insert(log),
                Err(error) => {
                    tracing::warn!(%run, step = %call.step, %error, "the output of a step cannot be kept in a file");
                    return;
                }
            },
        };
        let take = usize::try_from(log.left).unwrap_or(usize::MAX).min(bytes.len());
        if take > 0 && log.file.write_all(&bytes[..take]).is_ok() {
            log.left -= take as u64;
        }
    }

    /// The call has ended: its file is closed.
    pub(crate) fn ended(&self, run: RunId, call: &CallId) {
        if self.dir.is_some() {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&(run, log_name(call)));
        }
    }

    /// The files of a run with their names, in order.
    pub(crate) fn files(&self, run: RunId) -> Vec<(String, PathBuf)> {
        let Some(dir) = &self.dir else { return Vec::new() };
        let mut files: Vec<(String, PathBuf)> = std::fs::read_dir(dir.join(run.to_string()))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
            .collect();
        files.sort();
        files
    }
}

/// The name of the file: step ids hold nothing that a file name could not.
fn log_name(call: &CallId) -> String {
    format!("{}.{}.{}.log", call.step, call.item, call.attempt)
}

fn open_log(dir: &Path, run: RunId, name: &str) -> std::io::Result<LogFile> {
    let dir = dir.join(run.to_string());
    std::fs::create_dir_all(&dir)?;
    let file = File::options().create(true).append(true).open(dir.join(name))?;
    let left = LOG_BYTES_MAX.saturating_sub(file.metadata()?.len());
    Ok(LogFile { file, left })
}
