//! Amounts: integer nano-dollars, disjoint token counts, and the prices that lead from one to the other.
//!
//! Nothing here uses floating point. A cost is computed in pico-dollars of 128 bits and rounded *up* once per call, so a sum of costs is never below
//! what a provider would charge at these prices.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::ids::ContentHash;

/// Nano-dollars in a dollar.
pub const NANO_PER_USD: u64 = 1_000_000_000;

/// What a call used or may use, in each of the three meters that a budget can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Cost in nano-USD.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_nano_usd: u64,
    /// Tokens that count: uncached input, cache writes, output with reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Calls that may cost money.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Amounts {
    /// Nothing.
    pub const ZERO: Self = Self { cost_nano_usd: 0, tokens: 0, calls: 0 };

    /// The amount in one meter.
    #[must_use]
    pub fn of(self, meter: Meter) -> u64 {
        match meter {
            Meter::Usd => self.cost_nano_usd,
            Meter::Tokens => self.tokens,
            Meter::Calls => self.calls,
        }
    }

    /// Whether no meter moves.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The sum, meter by meter; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cost_nano_usd: self.cost_nano_usd.saturating_add(other.cost_nano_usd),
            tokens: self.tokens.saturating_add(other.tokens),
            calls: self.calls.saturating_add(other.calls),
        }
    }

    /// What is left when `other` is taken away, meter by meter, not below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cost_nano_usd: self.cost_nano_usd.saturating_sub(other.cost_nano_usd),
            tokens: self.tokens.saturating_sub(other.tokens),
            calls: self.calls.saturating_sub(other.calls),
        }
    }

    /// The smaller of the two, meter by meter.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { cost_nano_usd: self.cost_nano_usd.min(other.cost_nano_usd), tokens: self.tokens.min(other.tokens), calls: self.calls.min(other.calls) }
    }

    /// This amount `times` over; saturates.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            cost_nano_usd: self.cost_nano_usd.saturating_mul(times),
            tokens: self.tokens.saturating_mul(times),
            calls: self.calls.saturating_mul(times),
        }
    }
}

/// What a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Nano-USD.
    Usd,
    /// Tokens that count.
    Tokens,
    /// Calls that may cost money.
    Calls,
}

impl Meter {
    /// All meters, in the order in which they are judged.
    pub const ALL: [Self; 3] = [Self::Usd, Self::Tokens, Self::Calls];

    /// The word for it in keys and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::Calls => "calls",
        }
    }

    /// An amount of it for people: dollars as `$0.05`, anything else with its word.
    #[must_use]
    pub fn shown(self, amount: u64) -> String {
        if self == Self::Usd { show_usd(amount) } else { format!("{amount} {}", self.word()) }
    }
}

/// Tokens of one model call in disjoint parts: each token stands in exactly one field, so a sum cannot count it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// Prompt tokens that no cache served.
    pub input_uncached: u64,
    /// Prompt tokens read from a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_cache_read: u64,
    /// Prompt tokens written to a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub input_cache_write: u64,
    /// Visible output tokens.
    pub output_text: u64,
    /// Output tokens spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub output_reasoning: u64,
}

impl TokenUsage {
    /// Tokens that count against a token budget: everything but cache reads.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.input_uncached.saturating_add(self.input_cache_write).saturating_add(self.output_text).saturating_add(self.output_reasoning)
    }

    /// All tokens of the prompt.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input_uncached.saturating_add(self.input_cache_read).saturating_add(self.input_cache_write)
    }

    /// All tokens.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counted().saturating_add(self.input_cache_read)
    }
}

/// Prices of one model. Units: nano-USD for a million tokens, which is what a price list's "dollars per million tokens" is times 10⁹.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelPrice {
    /// Nano-USD for a million uncached input tokens.
    pub input_nano_usd_per_mtok: u64,
    /// Nano-USD for a million input tokens read from a cache.
    pub cache_read_nano_usd_per_mtok: u64,
    /// Nano-USD for a million input tokens written to a cache.
    pub cache_write_nano_usd_per_mtok: u64,
    /// Nano-USD for a million output tokens, reasoning included.
    pub output_nano_usd_per_mtok: u64,
    /// Other prices for long prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPrompts>,
}

/// Prices of a call whose whole prompt, cached parts included, has more tokens than this. They hold for all of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LongPrompts {
    /// The most tokens of a prompt that is not long.
    pub above_input_tokens: u64,
    /// As in [`ModelPrice`].
    pub input_nano_usd_per_mtok: u64,
    /// As in [`ModelPrice`].
    pub cache_read_nano_usd_per_mtok: u64,
    /// As in [`ModelPrice`].
    pub cache_write_nano_usd_per_mtok: u64,
    /// As in [`ModelPrice`].
    pub output_nano_usd_per_mtok: u64,
}

impl LongPrompts {
    fn price(&self) -> ModelPrice {
        ModelPrice {
            input_nano_usd_per_mtok: self.input_nano_usd_per_mtok,
            cache_read_nano_usd_per_mtok: self.cache_read_nano_usd_per_mtok,
            cache_write_nano_usd_per_mtok: self.cache_write_nano_usd_per_mtok,
            output_nano_usd_per_mtok: self.output_nano_usd_per_mtok,
            long: None,
        }
    }
}

impl ModelPrice {
    /// Nothing costs anything. Only for models that were said to be free.
    pub const FREE: Self = Self {
        input_nano_usd_per_mtok: 0,
        cache_read_nano_usd_per_mtok: 0,
        cache_write_nano_usd_per_mtok: 0,
        output_nano_usd_per_mtok: 0,
        long: None,
    };

    /// What this usage costs in nano-USD, rounded up once.
    #[must_use]
    pub fn cost_nano_usd(&self, usage: &TokenUsage) -> u64 {
        let price = self.long_for(usage.prompt()).unwrap_or(*self);
        let parts = [
            (usage.input_uncached, price.input_nano_usd_per_mtok),
            (usage.input_cache_read, price.cache_read_nano_usd_per_mtok),
            (usage.input_cache_write, price.cache_write_nano_usd_per_mtok),
            (usage.output_text.saturating_add(usage.output_reasoning), price.output_nano_usd_per_mtok),
        ];
        let micro_nano: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        u64::try_from(micro_nano.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The most that a call may cost: its input at the dearest input price that it can come to, its output cap at the dearest output price.
    #[must_use]
    pub fn worst_nano_usd(&self, input_tokens_max: u64, output_tokens_max: u64) -> u64 {
        let worst = |price: &Self| {
            let input = price.input_nano_usd_per_mtok.max(price.cache_read_nano_usd_per_mtok).max(price.cache_write_nano_usd_per_mtok);
            let micro_nano =
                u128::from(input_tokens_max) * u128::from(input) + u128::from(output_tokens_max) * u128::from(price.output_nano_usd_per_mtok);
            u64::try_from(micro_nano.div_ceil(1_000_000)).unwrap_or(u64::MAX)
        };
        self.long_for(input_tokens_max).map_or(0, |long| worst(&long)).max(worst(self))
    }

    /// The prices of a prompt of so many tokens, if that is a long one.
    fn long_for(&self, prompt_tokens: u64) -> Option<Self> {
        self.long.filter(|long| prompt_tokens > long.above_input_tokens).map(|long| long.price())
    }
}

/// What is known about one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// What its tokens cost; `None`: nobody said, so it is refused wherever dollars are limited.
    pub price: Option<ModelPrice>,
    /// The longest prompt that the provider takes, in tokens.
    pub input_tokens_max: Option<u64>,
    /// The longest answer that the provider gives, in tokens.
    pub output_tokens_max: Option<u64>,
}

/// The provider that is no model, and the model that it is.
pub const SIMULATED: &str = "simulated";

/// The prices in force. Named by its hash wherever it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTable {
    /// By name, whoever answers.
    models: IndexMap<String, Model>,
    /// By provider, then by name: what its own list says.
    listed: IndexMap<String, IndexMap<String, Model>>,
    version: ContentHash,
}

impl PriceTable {
    /// A table of these models, whoever answers for them.
    #[must_use]
    pub fn new(models: IndexMap<String, Model>) -> Self {
        Self::listed(models, IndexMap::new())
    }

    /// A table of these models, and of what the lists of providers say of theirs. A model that stands in both has of each list what the first leaves open.
    #[must_use]
    pub fn listed(mut models: IndexMap<String, Model>, mut listed: IndexMap<String, IndexMap<String, Model>>) -> Self {
        models.sort_keys();
        listed.sort_keys();
        for known in listed.values_mut() {
            known.sort_keys();
        }
        let version = ContentHash::of(&serde_json::to_vec(&(&models, &listed)).unwrap_or_default());
        Self { models, listed, version }
    }

    /// What is known of a model of a provider. The simulator has one entry, under its own name: it is no model, whatever model it is asked to stand for, and
    /// costs what that model costs only if somebody says so there.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Option<Model> {
        let model = if provider == SIMULATED { SIMULATED } else { model };
        let listed = self.listed.get(provider).and_then(|models| models.get(model));
        let said = self.models.get(model).or(listed)?;
        Some(Model {
            price: said.price.or_else(|| listed?.price),
            input_tokens_max: said.input_tokens_max.or_else(|| listed?.input_tokens_max),
            output_tokens_max: said.output_tokens_max.or_else(|| listed?.output_tokens_max),
        })
    }

    /// SHA-256 of the table.
    #[must_use]
    pub fn version(&self) -> ContentHash {
        self.version
    }
}

/// Reads a decimal number of dollars exactly, up to nine places; no float is involved.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse_usd(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is not an amount of dollars such as `2.50` (at most nine places)");
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(places) || places.len() > 9 || text.ends_with('.') {
        return Err(refuse());
    }
    let whole: u64 = whole.parse().map_err(|_| refuse())?;
    let places: u64 = format!("{places:0<9}").parse().map_err(|_| refuse())?;
    whole.checked_mul(NANO_PER_USD).and_then(|n| n.checked_add(places)).ok_or_else(refuse)
}

/// Shows nano-dollars as dollars, exactly: at least two places, no trailing zeros after them.
#[must_use]
pub fn show_usd(nano_usd: u64) -> String {
    let places = format!("{:09}", nano_usd % NANO_PER_USD);
    let kept = places.trim_end_matches('0');
    format!("${}.{kept:0<2}", nano_usd / NANO_PER_USD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_are_read_and_shown_exactly() {
        for (text, nano, shown) in
            [("2", 2_000_000_000, "$2.00"), ("0.01", 10_000_000, "$0.01"), ("0.000000001", 1, "$0.000000001"), ("12.345", 12_345_000_000, "$12.345")]
        {
            assert_eq!(parse_usd(text), Ok(nano));
            assert_eq!(show_usd(nano), shown);
        }
        for text in ["", ".5", "1.", "-1", "1e3", "1.0000000001", "99999999999999999999", "1,5"] {
            assert!(parse_usd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_long_prompt_is_dear_from_its_first_token_on() {
        let long = LongPrompts {
            above_input_tokens: 100,
            input_nano_usd_per_mtok: 5_000_000,
            output_nano_usd_per_mtok: 7_000_000,
            ..LongPrompts::default()
        };
        let price = ModelPrice { input_nano_usd_per_mtok: 1_000_000, output_nano_usd_per_mtok: 2_000_000, long: Some(long), ..ModelPrice::FREE };
        let usage = |input_uncached, input_cache_read| TokenUsage { input_uncached, input_cache_read, output_text: 10, ..TokenUsage::default() };
        assert_eq!(price.cost_nano_usd(&usage(100, 0)), 120);
        // Read from a cache or not: what counts is the length.
        assert_eq!(price.cost_nano_usd(&usage(100, 1)), 570);
        assert_eq!((price.worst_nano_usd(100, 10), price.worst_nano_usd(101, 10)), (120, 575));
    }

    #[test]
    fn what_the_settings_leave_open_stands_in_the_list_of_the_provider_and_in_no_other() {
        let model = |price, input_tokens_max| Model { price, input_tokens_max, output_tokens_max: None };
        let listed = IndexMap::from([("shop".to_owned(), IndexMap::from([("m".to_owned(), model(Some(ModelPrice::FREE), Some(9)))]))]);
        let table = PriceTable::listed(IndexMap::from([("m".to_owned(), model(None, Some(5)))]), listed.clone());
        assert_eq!(table.find("shop", "m"), Some(model(Some(ModelPrice::FREE), Some(5))));
        assert_eq!(table.find("other", "m"), Some(model(None, Some(5))));
        assert_eq!(PriceTable::listed(IndexMap::new(), listed).find("other", "m"), None);
    }

    proptest! {
        #[test]
        fn what_was_used_never_costs_more_than_what_was_held(
            input in 0_u64..10_000_000, read in 0_u64..10_000_000, write in 0_u64..10_000_000, output in 0_u64..1_000_000, reasoning in 0_u64..1_000_000,
            p1 in 0_u64..100_000_000_000, p2 in 0_u64..100_000_000_000, p3 in 0_u64..100_000_000_000, p4 in 0_u64..100_000_000_000,
            above in proptest::option::of((0_u64..20_000_000, 0_u64..100_000_000_000)), spare in 0_u64..1_000_000,
        ) {
            // Neither list is dearer in every part.
            let long = above.map(|(above_input_tokens, dearer)| LongPrompts {
                above_input_tokens,
                input_nano_usd_per_mtok: dearer, cache_read_nano_usd_per_mtok: p1, cache_write_nano_usd_per_mtok: p2, output_nano_usd_per_mtok: p3,
            });
            let price = ModelPrice {
                input_nano_usd_per_mtok: p1, cache_read_nano_usd_per_mtok: p2, cache_write_nano_usd_per_mtok: p3, output_nano_usd_per_mtok: p4, long,
            };
            let usage = TokenUsage {
                input_uncached: input, input_cache_read: read, input_cache_write: write, output_text: output, output_reasoning: reasoning,
            };
            prop_assert!(price.cost_nano_usd(&usage) <= price.worst_nano_usd(input + read + write + spare, output + reasoning));
        }
    }
}
