//! The write-ahead log: kept small, and lengthened once so that it does not grow under load.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::{Connection, ErrorCode, Result};

use crate::stats::{Counters, add};

/// A checkpoint is due when the WAL holds so many frames.
const CHECKPOINT_FRAMES: i32 = 1000;

/// The WAL is lengthened after so many commits: a process that does one short thing does not pay for it.
const LENGTHEN_AFTER: u32 = 16;

/// Header, the frames up to a checkpoint, and those of one transaction more.
const LENGTH_BYTES: u64 = 32 + (CHECKPOINT_FRAMES as u64 + 100) * (4096 + 24);

/// Looks after the WAL of the writer's connection.
pub(crate) struct Wal {
    path: PathBuf,
    /// Frames in it, as of the last commit.
    frames: Arc<AtomicI32>,
    checkpoint_at: i32,
    /// Counts down to the lengthening; `None`: it is done, or not wanted.
    lengthen_in: Option<u32>,
}

impl Wal {
    /// Takes over from SQLite's own checkpointing, whose errors nobody sees.
    pub(crate) fn of(connection: &mut Connection, database: &Path, lengthen: bool) -> Result<Self> {
        let frames = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&frames);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            seen.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Ok(Self { path: path.into(), frames, checkpoint_at: CHECKPOINT_FRAMES, lengthen_in: lengthen.then_some(LENGTHEN_AFTER) })
    }

    /// To be called after each commit and its acknowledgements.
    ///
    /// # Errors
    /// A page could not be made durable: nothing may be trusted to this file any more.
    pub(crate) fn after_commit(&mut self, connection: &Connection, counters: &Counters) -> Result<()> {
        self.lengthen();
        let frames = self.frames.load(Ordering::Relaxed);
        if frames < CHECKPOINT_FRAMES {
            self.checkpoint_at = CHECKPOINT_FRAMES;
        }
        if frames < self.checkpoint_at {
            return Ok(());
        }
        // If a reader keeps it from completing, the next one comes a thousand frames later, not with every commit.
        self.checkpoint_at = frames.saturating_add(CHECKPOINT_FRAMES);
        match connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(())) {
            Ok(()) => {
                add(&counters.checkpoints, 1);
                Ok(())
            }
            // The pages stay in the WAL, where they are safe.
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                tracing::warn!(%error, "the write-ahead log could not be copied into the database file; it goes on growing");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes zeros behind the last frame, once. A file that grows costs a journal commit of the file system in each flush; and zeros carry no valid
    /// salt, so a recovery ends before them. Only the writer's thread writes this file, so nobody else lengthens it meanwhile.
    fn lengthen(&mut self) {
        let Some(commits) = &mut self.lengthen_in else { return };
        *commits -= 1;
        if *commits > 0 {
            return;
        }
        self.lengthen_in = None;
        if let Err(error) = write_zeros(&self.path) {
            // It is only slower so.
            tracing::debug!(%error, path = %self.path.display(), "the write-ahead log could not be lengthened");
        }
    }
}

fn write_zeros(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let Ok(missing) = usize::try_from(LENGTH_BYTES.saturating_sub(length)) else { return Ok(()) };
    file.write_all(&vec![0; missing]).inspect_err(|_| {
        // A disk that is nearly full needs its room for appends.
        let _ = file.set_len(length);
    })
}
