//! Being the process that holds a store: opening it, serving it, and letting go of it.

mod detach;
mod folder;
mod open;
mod socket;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gorgon_client::Client;
use gorgon_engine::Engine;
use gorgon_tools::process_group::Leftovers;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::detach::{LOG, respawn, spawn};
pub(crate) use self::open::{HeldFor, OpenOutcome, built, open_memory, open_store, unready};
pub(crate) use self::socket::socket_path;
use crate::printer::Printer;

/// How long requests that have come may take to be answered once the holder lets go. Whoever watches a run does not count.
const CLOSE_GRACE: Duration = Duration::from_millis(100);

/// How long results that came last may take to be on disk.
const RESULTS_GRACE: Duration = Duration::from_secs(2);

/// How long whoever connected before the socket was gone may take to be let in.
const LINGER: Duration = Duration::from_millis(3);

/// Which file lies there, if any: numbers of files that are gone are given again at once.
fn identity(path: &Path) -> Option<(u64, u64, i64, i64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

/// The holder of a store.
pub(crate) struct Holder {
    pub(crate) engine: Engine,
    socket: PathBuf,
    socket_identity: Option<(u64, u64, i64, i64)>,
    /// Cancelled when somebody wants it to let go.
    pub(crate) asked_to_leave: CancellationToken,
    stop: CancellationToken,
    server: JoinHandle<()>,
    /// The folder of a socket that is for this process only; removed with it.
    folder: Option<tempfile::TempDir>,
    /// The process groups that run for its steps.
    leftovers: Leftovers,
    /// Whether somebody said not to wait for calls that are in flight.
    left: AtomicBool,
}

impl Holder {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::unix(&self.socket)
    }

    /// Stays until no call is in flight: they are paid for, and a call that is left is in doubt.
    pub(crate) async fn stay(&self, printer: &Printer) {
        // No further call is started here: a run that goes on is the next holder's.
        self.engine.drain();
        let calls = self.engine.activity().borrow().calls_in_flight;
        if calls > 0 {
            let (calls, verb) = if calls == 1 { ("1 call".to_owned(), "is") } else { (format!("{calls} calls"), "are") };
            printer.say(format!("{calls} of other runs {verb} in flight: staying until they have ended (Ctrl-C leaves them in doubt)"));
        }
        self.quiet().await;
    }

    /// Waits for the calls in flight, unless somebody says not to.
    async fn quiet(&self) {
        if self.left.load(Ordering::Relaxed) {
            return;
        }
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.engine.quiet() => return,
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        self.left.store(true, Ordering::Relaxed);
    }

    /// Lets go: whoever waits for the store can have it. What somebody asks for meanwhile is recorded, and goes on with the next holder.
    pub(crate) async fn close(self) {
        self.engine.drain();
        // Still served, so that nobody finds a closed door for as long as a call of theirs is in flight.
        self.quiet().await;
        // Without the file nobody new comes; who has come is served.
        self.remove_socket();
        if self.folder.is_none() {
            tokio::time::sleep(LINGER).await;
        }
        self.stop.cancel();
        let mut server = self.server;
        let answered = tokio::time::timeout(CLOSE_GRACE, &mut server).await.is_ok();
        self.engine.shutdown(RESULTS_GRACE).await;
        // Those who watch a run hear that the engine has stopped, and look for the next holder.
        if !answered && tokio::time::timeout(CLOSE_GRACE, &mut server).await.is_err() {
            server.abort();
        }
    }

    /// Before this process leaves at once: what runs for its steps is killed. Calls in flight are in doubt for the next holder.
    pub(crate) fn abandon(&self) {
        self.leftovers.kill_all();
        // Nothing is dropped any more.
        match &self.folder {
            Some(folder) => drop(std::fs::remove_dir_all(folder.path())),
            None => self.remove_socket(),
        }
    }

    /// Where the data directory was removed meanwhile and made anew, another one listens at that place.
    fn remove_socket(&self) {
        if identity(&self.socket) == self.socket_identity {
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}
