//! Ctrl-C, and the polite request to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fault::Fault;

/// Both, as one. From the moment of listening on they no longer end the process by themselves.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// One that came while nobody could act on it.
    early: bool,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::internal(format!("signals cannot be listened to: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)?, early: false })
    }

    pub(crate) async fn next(&mut self) {
        if std::mem::take(&mut self.early) {
            return;
        }
        self.receive().await;
    }

    /// Waits for a second one; the first stays for [`Self::next`].
    pub(crate) async fn second(&mut self) {
        if !self.early {
            self.receive().await;
            self.early = true;
        }
        self.receive().await;
    }

    async fn receive(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
