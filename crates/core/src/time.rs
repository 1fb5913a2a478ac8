//! Instants, as the core sees them: numbers that came in from outside.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant and `ms` milliseconds more; saturates.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this instant; 0 if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// Milliseconds as seconds, with as many places as it takes.
#[must_use]
pub fn show_seconds(ms: u64) -> String {
    let places = format!("{:03}", ms % 1_000);
    let places = places.trim_end_matches('0');
    if places.is_empty() { format!("{}", ms / 1_000) } else { format!("{}.{places}", ms / 1_000) }
}
