//! What the server saw and did.

use serde::Serialize;
use serde_json::Value;

/// One request, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Which request it was, from 1; effects are counted with the rest.
    pub n: u64,
    /// When it came, in nanoseconds of the Unix clock.
    pub at_ns: u64,
    /// Method in capitals.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: JSON if it is some, else a text.
    pub body: Value,
    /// The rule that answered, from 0.
    pub rule: Option<usize>,
    /// The status that was answered; none while it is under way, or if the connection was closed.
    pub status: Option<u16>,
    /// What was charged for it.
    pub charged_nano_usd: u64,
}

impl Recorded {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the server charged altogether.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// The sum in nano-USD.
    pub nano_usd: u64,
    /// How many answers were charged for.
    pub calls: u64,
    /// What did not go by the script.
    pub failures: Vec<String>,
}
