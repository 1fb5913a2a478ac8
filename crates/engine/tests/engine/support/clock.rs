//! A clock that goes as the clock of the runtime goes: where that is paused, time passes only when nothing else is left to do.

use gorgon_core::time::Timestamp;
use gorgon_ports::Clock;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        const SOME_DAY: i64 = 1_700_000_000_000;
        Timestamp(SOME_DAY + i64::try_from(self.0.elapsed().as_millis()).expect("no test takes that long"))
    }
}
