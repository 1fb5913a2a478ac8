//! What a disk would hold.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::shim;

/// A disk whose power can be cut. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Disk {
    state: Arc<State>,
}

/// What becomes of writes that were not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    All,
    /// Each is lost, kept, or kept up to some sector, as this seed has it: a disk may write what it was not asked to flush, in any order.
    Some(u64),
}

#[derive(Debug)]
pub(crate) struct State {
    name: String,
    files: Mutex<HashMap<PathBuf, Image>>,
    flushes: AtomicU64,
    ignores_flushes: AtomicBool,
    fails_flushes: AtomicBool,
}

#[derive(Debug, Default)]
struct Image {
    flushed: Vec<u8>,
    /// Since the last flush, in order.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

const SECTOR_BYTES: usize = 512;

impl Disk {
    /// Registers a file system of this name with SQLite, for as long as the process lives.
    ///
    /// # Panics
    /// If SQLite refuses it.
    #[must_use]
    pub fn install(name: &str) -> Self {
        let state = Arc::new(State {
            name: name.to_owned(),
            files: Mutex::default(),
            flushes: AtomicU64::new(0),
            ignores_flushes: AtomicBool::new(false),
            fails_flushes: AtomicBool::new(false),
        });
        shim::register(name, Arc::clone(&state));
        Self { state }
    }

    /// The name to open a database with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// How many flushes it was asked for.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.state.flushes.load(Ordering::SeqCst)
    }

    /// From now on a flush does nothing, and says that it did.
    pub fn ignore_flushes(&self) {
        self.state.ignores_flushes.store(true, Ordering::SeqCst);
    }

    /// From now on every flush fails.
    pub fn fail_flushes(&self) {
        self.state.fails_flushes.store(true, Ordering::SeqCst);
    }

    /// Cuts the power, as seen from this instant: writes into `folder` what the disk holds. Who still writes here goes on unharmed, and unheard.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn power_cut(&self, folder: &Path, loss: Loss) -> io::Result<()> {
        let files = self.state.files();
        for (index, (path, image)) in files.iter().enumerate() {
            let mut bytes = image.flushed.clone();
            if let Loss::Some(seed) = loss {
                keep_some(&mut bytes, &image.pending, seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
            }
            if let Some(name) = path.file_name() {
                std::fs::write(folder.join(name), bytes)?;
            }
        }
        Ok(())
    }
}

impl State {
    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, Image>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opened(&self, path: &Path) {
        self.files().entry(path.to_owned()).or_default();
    }

    pub(crate) fn deleted(&self, path: &Path) {
        self.files().remove(path);
    }

    pub(crate) fn written(&self, path: &Path, offset: usize, bytes: &[u8]) {
        self.change(path, Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(crate) fn truncated(&self, path: &Path, length: usize) {
        self.change(path, Change::Truncate { length });
    }

    fn change(&self, path: &Path, change: Change) {
        self.files().entry(path.to_owned()).or_default().pending.push(change);
    }

    /// Whether the flush succeeds.
    pub(crate) fn flushed(&self, path: &Path) -> bool {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        if self.fails_flushes.load(Ordering::SeqCst) {
            return false;
        }
        if !self.ignores_flushes.load(Ordering::SeqCst)
            && let Some(image) = self.files().get_mut(path)
        {
            for change in std::mem::take(&mut image.pending) {
                apply(&mut image.flushed, &change, usize::MAX);
            }
        }
        true
    }
}

/// Applies a change; of a write, at most so many bytes.
fn apply(bytes: &mut Vec<u8>, change: &Change, bytes_max: usize) {
    match change {
        Change::Write { offset, bytes: written } => {
            let written = &written[..written.len().min(bytes_max)];
            let end = offset + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(written);
        }
        Change::Truncate { length } => bytes.resize(*length, 0),
    }
}

fn keep_some(bytes: &mut Vec<u8>, pending: &[Change], seed: u64) {
    let mut state = seed;
    let mut roll = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for change in pending {
        match roll() % 3 {
            0 => {}
            1 => apply(bytes, change, usize::MAX),
            _ => apply(bytes, change, SECTOR_BYTES * usize::try_from(roll() % 8).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a bare connection finds after the power was cut behind its commits.
    fn rows_left(name: &str, synchronous: &str) -> u32 {
        let (folder, after) = (std::env::temp_dir().join(name), std::env::temp_dir().join(format!("{name}-after")));
        for folder in [&folder, &after] {
            let _ = std::fs::remove_dir_all(folder);
            std::fs::create_dir_all(folder).expect("makes");
        }
        let disk = Disk::install(name);
        let flags = rusqlite::OpenFlags::default();
        let connection = rusqlite::Connection::open_with_flags_and_vfs(folder.join("a.db"), flags, name).expect("opens");
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (a)").expect("makes");
        connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}")).expect("sets");
        for number in 0..10 {
            connection.execute("INSERT INTO t VALUES (?1)", [number]).expect("commits");
        }
        disk.power_cut(&after, Loss::All).expect("writes");
        let left =
            rusqlite::Connection::open(after.join("a.db")).expect("opens").query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("reads");
        drop(connection);
        for folder in [folder, after] {
            std::fs::remove_dir_all(folder).expect("removes");
        }
        left
    }

    #[test]
    fn commits_that_are_flushed_outlive_the_power() {
        let pid = std::process::id();
        assert_eq!(rows_left(&format!("gorgon-vfs-full-{pid}"), "FULL"), 10);
        assert_eq!(rows_left(&format!("gorgon-vfs-normal-{pid}"), "NORMAL"), 0);
        assert_eq!(rows_left(&format!("gorgon-vfs-off-{pid}"), "OFF"), 0);
    }
}
