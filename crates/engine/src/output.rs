//! Live output of steps: shown to whoever watches, kept in one bounded file a run beside the store. It is talk, not truth: losing it loses no result.
//!
//! One file a run and not one a call: making a file costs more than a short answer of a model, and a fan-out would leave thousands of them. Its pieces are
//! framed: a line feed, `STEP.ITEM.ATTEMPT LENGTH`, a line feed, then so many bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gorgon_core::ids::{CallId, RunId, StepId};
use indexmap::IndexMap;

use crate::feed::{Live, Watchers};

/// Most bytes that are kept of the output of one attempt.
const LOG_BYTES_MAX: usize = 8 << 20;

/// Most bytes that are kept of the output of one run.
const RUN_BYTES_MAX: u64 = 256 << 20;

/// Files that are kept open. One that is needed again is opened again.
const OPEN_MAX: usize = 64;

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
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<RunId, LogFile>,
    /// How much the attempts whose calls are in flight have written.
    written: HashMap<(RunId, String), usize>,
}

struct LogFile {
    file: File,
    left: u64,
}

impl Output {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir, kept: Mutex::default() }
    }

    /// Takes a piece of output of a call.
    pub(crate) fn piece(&self, watchers: &Watchers, run: RunId, call: &CallId, stream: &'static str, bytes: &[u8]) {
        if let Err(error) = self.keep(run, call, bytes) {
            tracing::warn!(%run, step = %call.step, %error, "the output of a step cannot be kept in a file");
        }
        watchers.tell(run, || {
            let text = String::from_utf8_lossy(bytes).into_owned();
            Live::Output(OutputPiece { run, step: call.step.clone(), item: call.item, stream, text })
        });
    }

    fn keep(&self, run: RunId, call: &CallId, bytes: &[u8]) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut kept = self.lock();
        let Kept { files, written } = &mut *kept;
        if files.len() >= OPEN_MAX && !files.contains_key(&run) {
            files.clear();
        }
        let log = match files.entry(run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(open_log(dir, run)?),
        };
        let name = log_name(call);
        let so_far = written.get(&(run, name.clone())).copied().unwrap_or(0);
        let left = usize::try_from(log.left).unwrap_or(usize::MAX);
        let take = (LOG_BYTES_MAX - so_far.min(LOG_BYTES_MAX)).min(left).min(bytes.len());
        if take == 0 {
            return Ok(());
        }
        let mut frame = format!("\n{name} {take}\n").into_bytes();
        frame.extend_from_slice(&bytes[..take]);
        log.file.write_all(&frame)?;
        log.left = log.left.saturating_sub(frame.len() as u64);
        written.insert((run, name), so_far + take);
        Ok(())
    }

    /// The call has ended: nothing more comes of it.
    pub(crate) fn ended(&self, run: RunId, call: &CallId) {
        if self.dir.is_some() {
            self.lock().written.remove(&(run, log_name(call)));
        }
    }

    /// The run rests: its file is closed.
    pub(crate) fn rests(&self, run: RunId) {
        if self.dir.is_some() {
            self.lock().files.remove(&run);
        }
    }

    /// The file of a run, whether it is there or not.
    pub(crate) fn file(&self, run: RunId) -> Option<PathBuf> {
        Some(path(self.dir.as_ref()?, run))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the attempts of a run wrote, by `STEP.ITEM.ATTEMPT` and in that order. What was torn off when a process died is left out.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read_log(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut logs: IndexMap<String, Vec<u8>> = IndexMap::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let Some((name, piece, after)) = frame(rest) else {
            // A process died while it wrote this one: the next that is whole begins at some later line feed.
            rest = rest[1..].iter().position(|&byte| byte == b'\n').map_or(&[], |gap| &rest[1 + gap..]);
            continue;
        };
        match logs.get_mut(name) {
            Some(log) => log.extend_from_slice(piece),
            None => {
                logs.insert(name.to_owned(), piece.to_owned());
            }
        }
        rest = after;
    }
    logs.sort_by_cached_key(|name, _| order(name));
    Ok(logs.into_iter().collect())
}

/// Step, element, attempt: the tenth element comes after the second.
fn order(name: &str) -> (String, u32, u32) {
    let mut parts = name.rsplitn(3, '.');
    let mut number = || parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (attempt, item) = (number(), number());
    (parts.next().unwrap_or_default().to_owned(), item, attempt)
}

/// The next frame of a log: whose it is, the piece, and what follows.
fn frame(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let bytes = bytes.strip_prefix(b"\n")?;
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (name, length) = std::str::from_utf8(&bytes[..end]).ok()?.rsplit_once(' ')?;
    let mut parts = name.rsplitn(3, '.');
    if parts.next()?.parse::<u32>().is_err() || parts.next()?.parse::<u32>().is_err() || parts.next()?.contains(' ') {
        return None;
    }
    let piece = bytes[end + 1..].get(..length.parse().ok()?)?;
    let after = &bytes[end + 1 + piece.len()..];
    (after.is_empty() || after.starts_with(b"\n")).then_some((name, piece, after))
}

/// Whose output it is: step ids hold no space and no line feed.
fn log_name(call: &CallId) -> String {
    format!("{}.{}.{}", call.step, call.item, call.attempt)
}

fn path(dir: &Path, run: RunId) -> PathBuf {
    dir.join(format!("{run}.log"))
}

fn open_log(dir: &Path, run: RunId) -> io::Result<LogFile> {
    std::fs::create_dir_all(dir)?;
    let file = File::options().create(true).append(true).open(path(dir, run))?;
    let left = RUN_BYTES_MAX.saturating_sub(file.metadata()?.len());
    Ok(LogFile { file, left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_by_attempt_and_a_torn_one_costs_only_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Output::new(Some(folder.path().to_owned()));
        let watchers = Watchers::default();
        let run = RunId(7);
        let call = |step: &str, item| CallId { step: step.into(), item, attempt: 1, call: 0, redo: 0 };
        // A character that is cut between two pieces is whole again.
        let (one, other) = "ä".as_bytes().split_at(1);
        output.piece(&watchers, run, &call("a", 0), "stdout", one);
        output.piece(&watchers, run, &call("b", 3), "stdout", b"\na.0.1 8\nno frame");
        output.piece(&watchers, run, &call("a", 0), "stdout", other);
        let path = output.file(run).expect("a file");
        // The process died while it wrote; the next one goes on behind what is there.
        let mut bytes = std::fs::read(&path).expect("the file");
        bytes.extend_from_slice(b"\na.0.1 900\ncut off");
        std::fs::write(&path, bytes).expect("written");
        let next = Output::new(Some(folder.path().to_owned()));
        next.piece(&watchers, run, &call("c", 0), "stdout", b"on");
        let read = read_log(&path).expect("read");
        let expected: Vec<(String, Vec<u8>)> = vec![
            ("a.0.1".to_owned(), "ä".as_bytes().to_owned()),
            ("b.3.1".to_owned(), b"\na.0.1 8\nno frame".to_vec()),
            ("c.0.1".to_owned(), b"on".to_vec()),
        ];
        assert_eq!(read, expected);
    }
}
