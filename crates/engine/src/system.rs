//! The real clock, and real randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use gorgon_core::time::Timestamp;
use gorgon_ports::{Clock, Entropy};

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Randomness of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        // The low half of a version 7 UUID is random but for two fixed bits, which a seed can spare.
        uuid::Uuid::now_v7().as_u64_pair().1
    }
}
