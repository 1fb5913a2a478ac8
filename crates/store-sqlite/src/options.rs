//! What a store is opened with.

use std::path::PathBuf;

/// What a store is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The database file. Its folder exists; `-wal`, `-shm` and `.lock` files appear beside it.
    pub path: PathBuf,
    /// How many appends may wait for the writer. Who comes then waits for room.
    pub queue_max: usize,
    /// How many reads run at once.
    pub readers_max: usize,
    /// Written into the lock file behind the process id, for whoever finds the file held: such as where the holder listens.
    pub lock_note: String,
    /// The SQLite VFS to use; `None`: the system's. Tests put a faulty one in.
    pub vfs: Option<String>,
}

impl Options {
    /// This file, with defaults: 1024 waiting appends, 4 readers.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), queue_max: 1024, readers_max: 4, lock_note: String::new(), vfs: None }
    }
}
