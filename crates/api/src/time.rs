//! Instants, as texts of RFC 3339.

use gorgon_core::time::Timestamp;

/// An instant; in JSON a text such as `2026-11-20T11:25:37.123Z`.
pub type Time = jiff::Timestamp;

/// The instant of a recorded time. Times beyond the year 9999 become the last one that can be written.
#[must_use]
pub fn time(at: Timestamp) -> Time {
    Time::from_millisecond(at.0).unwrap_or(if at.0 < 0 { Time::MIN } else { Time::MAX })
}
