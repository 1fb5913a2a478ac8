//! Why a store could not be opened, and what errors of SQLite mean.

use std::path::{Path, PathBuf};

use gorgon_ports::StoreError;
use rusqlite::ErrorCode;

/// Why a store could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is held by {}", path.display(), holder(*pid))]
    Held {
        /// The database file.
        path: PathBuf,
        /// The process that holds it, if it has said so already.
        pid: Option<u32>,
        /// What the holder wrote behind its process id.
        note: String,
    },
    /// The environment is at fault.
    #[error("{}: {reason}; {cure}", path.display())]
    Unavailable {
        /// The file or folder that is at fault.
        path: PathBuf,
        /// What went wrong.
        reason: String,
        /// What helps.
        cure: String,
    },
    /// A newer release wrote it.
    #[error("{} has schema {found}, and this release knows schemas up to {known}; use the release that wrote it, or a newer one", path.display())]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The number of its schema.
        found: u32,
        /// The highest number that this release knows.
        known: u32,
    },
    /// It is not what a store wrote.
    #[error("{}: {reason}; restore it from a backup, or move it away to begin with an empty store", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::Held { .. } | OpenError::Unavailable { .. } => Self::Unavailable(text),
            OpenError::TooNew { .. } => Self::TooNew(text),
            OpenError::Damaged { .. } => Self::Damaged(text),
        }
    }
}

impl OpenError {
    /// What an error of the system means for this file or folder.
    pub(crate) fn of_io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let cure = match error.kind() {
            Kind::NotFound => "create the folder, or name another one as the data directory",
            Kind::PermissionDenied => "give this user leave to write there, or name another data directory",
            Kind::ReadOnlyFilesystem => "the file system is read-only: mount it for writing, or name another data directory",
            Kind::StorageFull | Kind::QuotaExceeded => "make room on that disk, or name another data directory",
            _ => "look after the disk, or name another data directory",
        };
        Self::Unavailable { path: path.to_owned(), reason: error.to_string(), cure: cure.to_owned() }
    }

    /// What an error of SQLite means while this file is opened.
    pub(crate) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let reason = error.to_string();
        let unavailable = |cure: &str| Self::Unavailable { path: path.to_owned(), reason: reason.clone(), cure: cure.to_owned() };
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged { path: path.to_owned(), reason },
            Some(ErrorCode::DiskFull) => unavailable("make room on that disk, or name another data directory"),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied) => {
                unavailable("give this user leave to write there, or name another data directory")
            }
            _ => unavailable("look after the disk, or name another data directory"),
        }
    }
}

/// What an error of SQLite means to a reader.
pub(crate) fn of_read(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged(damaged(error)),
        Some(_) => StoreError::Unavailable(format!("the database cannot be read: {error}")),
        // A value of another type than we wrote.
        None => StoreError::Damaged(format!("the database holds what no store wrote: {error}; restore it from a backup")),
    }
}

fn damaged(error: &rusqlite::Error) -> String {
    format!("the database file is damaged: {error}; restore it from a backup")
}

/// Why a transaction was not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A constraint of the database said no, or a text is larger than a row may be: somebody in the transaction is guilty.
    Guilty(Guilt),
    /// There is no room.
    Full(String),
    /// Nothing was written, and nothing more can be.
    Broken(String),
    /// It may or may not be on disk.
    Unknown(String),
}

/// What somebody is guilty of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guilt {
    /// A number, a position or an id that is taken.
    Taken,
    /// A budget that would be out of order.
    OutOfOrder(String),
    /// A text that no row can hold.
    TooBig(String),
}

/// What an error before or at `COMMIT` means.
pub(crate) fn of_write(error: &rusqlite::Error, at_commit: bool) -> Failure {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) if is_check(error) => Failure::Guilty(Guilt::OutOfOrder(text)),
        Some(ErrorCode::ConstraintViolation) => Failure::Guilty(Guilt::Taken),
        Some(ErrorCode::TooBig) => Failure::Guilty(Guilt::TooBig(text)),
        // The commit mark is in the last frame; if a frame had no room, there is no mark.
        Some(ErrorCode::DiskFull) => Failure::Full(text),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) if !at_commit => Failure::Broken(damaged(error)),
        _ if at_commit => Failure::Unknown(text),
        _ => Failure::Broken(text),
    }
}

fn is_check(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_CHECK)
}
