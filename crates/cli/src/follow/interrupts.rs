//! Ctrl-C, and the polite request to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fault::Fault;

/// Both, as one.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(super) fn listen() -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::internal(format!("signals cannot be listened to: {error}"));
        Ok(Self { interrupt: signal(SignalKind::interrupt()).map_err(failed)?, terminate: signal(SignalKind::terminate()).map_err(failed)? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
