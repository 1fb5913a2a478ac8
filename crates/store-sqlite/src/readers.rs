//! Reads: on a few connections that cannot write, outside of the runtime's threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gorgon_ports::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::error::of_read;

pub(crate) struct Readers {
    pub(crate) path: PathBuf,
    pub(crate) vfs: Option<String>,
    /// One permit a connection that may be open.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) idle: Mutex<Vec<Connection>>,
    pub(crate) closed: Arc<OnceLock<String>>,
}

impl Readers {
    /// Reads. Whoever stops waiting leaves the read to end by itself.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(self.is_closed());
        };
        if self.closed.get().is_some() {
            return Err(self.is_closed());
        }
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let answer = read(&connection);
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            answer
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => Err(StoreError::Unavailable(format!("a read was broken off: {error}"))),
        }
    }

    fn is_closed(&self) -> StoreError {
        StoreError::Closed(self.closed.get().cloned().unwrap_or_else(|| "it was shut down".to_owned()))
    }

    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(connection);
        }
        self.open().map_err(|error| of_read(&error))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &self.vfs {
            None => Connection::open_with_flags(&self.path, flags)?,
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs.as_str())?,
        };
        connection.busy_timeout(crate::open::BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    /// Ends: waits for the reads that are under way, lets nobody begin, closes the connections.
    pub(crate) async fn close(&self, connections: u32) {
        let all = self.permits.acquire_many(connections).await;
        self.permits.close();
        drop(all);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
