//! How a store comes up.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};
use tokio::sync::{Semaphore, mpsc};

use crate::batch::Memory;
use crate::error::OpenError;
use crate::lock::Lock;
use crate::options::Options;
use crate::readers::Readers;
use crate::schema;
use crate::stats::Counters;
use crate::store::{Shared, SqliteStore};
use crate::wal::Wal;
use crate::writer::Writer;

/// Only another program, such as a shell or a backup, can keep us waiting: the lock file keeps our own kind out.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of the writer's connection. `synchronous = FULL` is what acknowledgements rest on. The two of `fullfsync` matter on macOS only, where a
/// plain flush stops at the drive's cache.
const PRAGMAS: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA trusted_schema = OFF;
";

impl SqliteStore {
    /// Opens the file, making it if there is none, and starts its writer.
    ///
    /// # Errors
    /// Another process has it, the environment is at fault, a newer release wrote it, or it is no store.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let Options { path, queue_max, readers_max, lock_note, vfs } = options;
        let lock = Lock::take(&path, &lock_note)?;
        let mut connection = connect(&path, vfs.as_deref())?;
        let failed = |error: rusqlite::Error| OpenError::of_sqlite(&path, &error);
        // Another VFS has files of its own kind.
        let wal = Wal::of(&mut connection, &path, vfs.is_none()).map_err(failed)?;

        let (orders, queue) = mpsc::channel(queue_max.max(1));
        let counters = Arc::new(Counters::default());
        let closed = Arc::new(OnceLock::new());
        let readers_max = readers_max.clamp(1, 64);
        let readers = Arc::new(Readers {
            path: path.clone(),
            vfs,
            permits: Arc::new(Semaphore::new(readers_max)),
            idle: Mutex::new(Vec::new()),
            closed: Arc::clone(&closed),
        });
        let writer = Writer {
            connection,
            path: path.clone(),
            queue,
            wal,
            counters: Arc::clone(&counters),
            closed: Arc::clone(&closed),
            memory: Memory::default(),
            lock,
        };
        let thread = std::thread::Builder::new()
            .name("gorgon-store".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::of_io(&path, &error))?;
        Ok(Self::of(Shared::new(path, orders, readers, readers_max, counters, closed, thread)))
    }
}

/// A connection to a file that is a store of this release.
fn connect(path: &Path, vfs: Option<&str>) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    // SQLite gives the WAL the mode of the database file: so only the owner reads what runs write.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(|error| OpenError::of_io(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = match vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
    }
    .map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    if connection.is_readonly(MAIN_DB).map_err(failed)? {
        return Err(OpenError::of_io(path, &std::io::ErrorKind::PermissionDenied.into()));
    }
    // Before anything is changed: it may be somebody else's.
    let found = schema::number(&connection, path)?;
    connection.execute_batch(PRAGMAS).map_err(failed)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::Unavailable {
            path: path.to_owned(),
            reason: format!("the file system allows no write-ahead log (the journal is `{mode}`)"),
            cure: "name a data directory on a local file system".to_owned(),
        });
    }
    schema::migrate(&mut connection, path, found)?;
    Ok(connection)
}
