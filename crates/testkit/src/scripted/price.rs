//! What the server charges. The arithmetic is its own on purpose: a bill that shares code with the ledger would agree with it in error, too.

use serde::{Deserialize, Serialize};

/// Prices in nano-USD for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens that no cache served.
    pub input_nano_usd_per_mtok: u64,
    /// Prompt tokens read from a cache.
    pub cache_read_nano_usd_per_mtok: u64,
    /// Prompt tokens written to a cache.
    pub cache_write_nano_usd_per_mtok: u64,
    /// Output tokens, reasoning included.
    pub output_nano_usd_per_mtok: u64,
}

/// Token counts as this wire tells them: the prompt includes what a cache served or took, the completion includes reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// All tokens of the prompt.
    pub prompt: u64,
    /// All tokens of the answer.
    pub completion: u64,
    /// Those of the prompt that a cache served.
    pub cached: u64,
    /// Those of the prompt that were written to a cache.
    pub cache_write: u64,
    /// Those of the answer that were spent on reasoning.
    pub reasoning: u64,
}

impl Price {
    /// What these tokens cost in nano-USD, rounded up once.
    #[must_use]
    pub fn charge_nano_usd(&self, counts: &Counts) -> u64 {
        let wide = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let uncached = counts.prompt.saturating_sub(counts.cached).saturating_sub(counts.cache_write);
        let millionths = wide(uncached, self.input_nano_usd_per_mtok)
            + wide(counts.cached, self.cache_read_nano_usd_per_mtok)
            + wide(counts.cache_write, self.cache_write_nano_usd_per_mtok)
            + wide(counts.completion, self.output_nano_usd_per_mtok);
        u64::try_from(millionths / 1_000_000 + u128::from(!millionths.is_multiple_of(1_000_000))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_exact_and_rounded_up_once() {
        let price = Price {
            input_nano_usd_per_mtok: 2_500_000_000,
            cache_read_nano_usd_per_mtok: 250_000_000,
            cache_write_nano_usd_per_mtok: 3_125_000_000,
            output_nano_usd_per_mtok: 10_000_000_001,
        };
        // 10 · 2500 + 60 · 250 + 30 · 3125 + 50 · 10000.000001
        let counts = Counts { prompt: 100, completion: 50, cached: 60, cache_write: 30, reasoning: 40 };
        assert_eq!(price.charge_nano_usd(&counts), 25_000 + 15_000 + 93_750 + 500_000 + 1);
        assert_eq!(price.charge_nano_usd(&Counts::default()), 0);
    }
}
