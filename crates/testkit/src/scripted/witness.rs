//! A file that remembers what happened, whatever happens to those who did it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An append-only file of lines, each on disk before its writer goes on.
#[derive(Debug)]
pub struct Witness(File);

impl Witness {
    /// Opens the file, making it if there is none.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Writes a line in one piece, so that lines of several processes never mix, and waits until it is on disk. Line ends inside become spaces.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn line(&self, text: &str) -> io::Result<()> {
        let line = text.replace(['\n', '\r'], " ") + "\n";
        (&self.0).write_all(line.as_bytes())?;
        self.0.sync_data()
    }
}

/// Now, in nanoseconds of the Unix clock.
pub(super) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes a line that begins with the time: the whole work of the `gorgon-witness` binary.
///
/// # Errors
/// If it cannot be written.
pub fn testify(path: &Path, words: &str) -> io::Result<()> {
    Witness::open(path)?.line(&format!("{} {words}", unix_ns()))
}
