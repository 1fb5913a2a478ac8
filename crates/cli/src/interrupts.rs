//! Ctrl-C, the polite request to end, and the terminal that goes away.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fault::Fault;

/// All of them, as one. From the moment of listening on they no longer end the process by themselves.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// Absent where `nohup` said not to mind.
    hangup: Option<Signal>,
    /// How many have come, and how many of them somebody has acted on.
    came: u32,
    acted_on: u32,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::internal(format!("signals cannot be listened to: {error}"));
        let listen = |kind| signal(kind).map_err(failed);
        let hangup = if minds_hangup() { Some(listen(SignalKind::hangup())?) } else { None };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())?, hangup, came: 0, acted_on: 0 })
    }

    /// The next one that nobody has acted on.
    pub(crate) async fn next(&mut self) {
        self.wait_for(self.acted_on + 1).await;
        self.acted_on += 1;
    }

    /// The second of all: whoever said it twice does not want to wait for what became of the first, which stays for [`Self::next`].
    pub(crate) async fn second(&mut self) {
        self.wait_for(2).await;
    }

    async fn wait_for(&mut self, count: u32) {
        while self.came < count {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => drop(hangup.recv().await),
                    None => std::future::pending().await,
                }
            };
            let hung_up = tokio::select! {
                _ = self.interrupt.recv() => false,
                _ = self.terminate.recv() => false,
                () = hangup => true,
            };
            // A terminal that goes away says so several times, through the shell and by itself. All of that asks to end, and none of it to end at once.
            if hung_up {
                self.hangup = None;
            }
            if !hung_up || self.came == 0 {
                self.came += 1;
            }
        }
    }
}

/// Whether the end of the terminal ends this process: not so where it was started by `nohup`, or where nobody can tell.
fn minds_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (SignalKind::hangup().as_raw_value() - 1)) == 0)
}
