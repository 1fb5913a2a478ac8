//! `GET /v1/holder`: who holds the store.

use std::collections::BTreeMap;

use gorgon_core::ids::ContentHash;
use serde::{Deserialize, Serialize};

/// Where whoever holds the store says so.
pub const HOLDER: &str = "/v1/holder";

/// Asks whoever holds the store in the background to let go of it. Refused while calls are in flight.
pub const LEAVE: &str = "/v1/holder/leave";

/// Who holds the store, and by which settings it works: those of whoever asks do not count for its runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The settings that decide what runs may do and what they cost, by name; of each the hash of its value as `gorgon config show` has it.
    pub settings: BTreeMap<String, ContentHash>,
    /// The file with settings that it was started with, if there was one, absolute.
    #[serde(default)]
    pub settings_file: Option<String>,
    /// Whether it holds the store for nobody in particular, and can make room for another.
    #[serde(default)]
    pub background: bool,
    /// Whether it is about to let go: it records what it is told, and starts nothing.
    #[serde(default)]
    pub leaving: bool,
}
