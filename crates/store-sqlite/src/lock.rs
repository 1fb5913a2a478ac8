//! One process a file: a lock file beside the database, held with `flock` as long as the store is open.
//!
//! The kernel lets go of it when the process dies, however it dies; the file itself stays, and means nothing.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::error::OpenError;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of this database and writes who holds it. It lies in a file of its own, which has `.lock` behind the name.
    ///
    /// # Errors
    /// [`OpenError::Held`] with what its holder wrote, or why the file cannot be had.
    pub fn take(database: &Path, note: &str) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let unavailable = |error: &std::io::Error| OpenError::of_io(&path, error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|error| unavailable(&error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // What cannot be read names nobody.
                let _ = file.read_to_string(&mut text);
                let (pid, note) = text.split_once('\n').unwrap_or((&text, ""));
                return Err(OpenError::Held { path: database.to_owned(), pid: pid.trim().parse().ok(), note: note.trim_end().to_owned() });
            }
            Err(errno) => return Err(unavailable(&errno.into())),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}\n{note}", std::process::id()))
            .map_err(|error| unavailable(&error))?;
        Ok(Self { _file: file })
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_hears_who_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("g.db");
        let first = Lock::take(&path, "listens at x").expect("free");
        let held = OpenError::Held { path: path.clone(), pid: Some(std::process::id()), note: "listens at x".to_owned() };
        assert_eq!(Lock::take(&path, "").expect_err("held"), held);
        drop(first);
        Lock::take(&path, "").expect("free again");
    }
}
