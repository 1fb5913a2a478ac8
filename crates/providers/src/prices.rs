//! The price list that comes with this release: `assets/prices.toml`.

use std::sync::LazyLock;

use gorgon_core::money::{LongPrompts, Model, ModelPrice, parse_usd};
use indexmap::IndexMap;
use serde::Deserialize;

/// Who has a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Anthropic, at its own endpoint.
    Anthropic,
    /// OpenAI, at its own endpoint.
    Openai,
}

/// The list, as it was on a day.
#[derive(Debug, Clone)]
pub struct PriceList {
    /// The day of the prices, such as `2026-10-21`.
    pub taken: String,
    /// What they were taken from.
    pub source: String,
    anthropic: IndexMap<String, Model>,
    openai: IndexMap<String, Model>,
}

impl PriceList {
    /// The list of this release. Read when somebody first asks: most commands ask no vendor.
    ///
    /// # Panics
    /// Never in a release: a test reads the same list.
    #[must_use]
    #[expect(clippy::panic, reason = "the list is part of the binary, and a test holds that it can be read")]
    pub fn shipped() -> &'static Self {
        static LIST: LazyLock<PriceList> =
            LazyLock::new(|| PriceList::read(TEXT).unwrap_or_else(|error| panic!("the shipped price list cannot be read: {error}")));
        &LIST
    }

    /// What a vendor's models cost.
    #[must_use]
    pub fn of(&self, vendor: Vendor) -> &IndexMap<String, Model> {
        match vendor {
            Vendor::Anthropic => &self.anthropic,
            Vendor::Openai => &self.openai,
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let models = |entries: IndexMap<String, Entry>| -> Result<IndexMap<String, Model>, String> {
            let model = |(name, entry): (String, Entry)| match entry.model() {
                Ok(model) => Ok((name, model)),
                Err(error) => Err(format!("{name}: {error}")),
            };
            entries.into_iter().map(model).collect()
        };
        Ok(Self { anthropic: models(file.anthropic)?, openai: models(file.openai)?, taken: file.taken, source: file.source })
    }
}

const TEXT: &str = include_str!("../../../assets/prices.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    taken: String,
    source: String,
    anthropic: IndexMap<String, Entry>,
    openai: IndexMap<String, Entry>,
}

/// Dollars for a million tokens, as texts: a float would round them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    input: String,
    cache_read: String,
    cache_write: String,
    output: String,
    input_tokens_max: Option<u64>,
    output_tokens_max: Option<u64>,
    /// The last day on which the vendor serves it; for people.
    #[serde(rename = "retires")]
    _retires: Option<String>,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above_input_tokens: u64,
    input: String,
    cache_read: String,
    cache_write: String,
    output: String,
}

impl Entry {
    fn model(&self) -> Result<Model, String> {
        let long = self.long.as_ref().map(Long::prices).transpose()?;
        let price = ModelPrice {
            input_nano_usd_per_mtok: parse_usd(&self.input)?,
            cache_read_nano_usd_per_mtok: parse_usd(&self.cache_read)?,
            cache_write_nano_usd_per_mtok: parse_usd(&self.cache_write)?,
            output_nano_usd_per_mtok: parse_usd(&self.output)?,
            long,
        };
        Ok(Model { price: Some(price), input_tokens_max: self.input_tokens_max, output_tokens_max: self.output_tokens_max })
    }
}

impl Long {
    fn prices(&self) -> Result<LongPrompts, String> {
        Ok(LongPrompts {
            above_input_tokens: self.above_input_tokens,
            input_nano_usd_per_mtok: parse_usd(&self.input)?,
            cache_read_nano_usd_per_mtok: parse_usd(&self.cache_read)?,
            cache_write_nano_usd_per_mtok: parse_usd(&self.cache_write)?,
            output_nano_usd_per_mtok: parse_usd(&self.output)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use gorgon_core::ids::ContentHash;
    use gorgon_core::money::NANO_PER_USD;

    use super::*;

    #[test]
    fn the_list_is_the_one_that_its_checksum_was_made_of() {
        let said = include_str!("../../../assets/prices.toml.sha256");
        assert_eq!(said.split_whitespace().next(), Some(ContentHash::of(TEXT.as_bytes()).to_string().as_str()));
    }

    #[test]
    fn the_list_has_a_day_a_source_and_prices_that_can_be_true() {
        let list = PriceList::shipped();
        assert!(list.taken.parse::<jiff::civil::Date>().is_ok() && !list.source.is_empty());
        for (name, model) in list.anthropic.iter().chain(&list.openai) {
            let price = model.price.expect(name);
            let parts = [price.input_nano_usd_per_mtok, price.cache_write_nano_usd_per_mtok, price.output_nano_usd_per_mtok];
            // A price for a token that was meant for a million of them is beyond that, and one for a million that was meant for a thousand below.
            assert!(parts.iter().all(|part| (NANO_PER_USD / 100..=1_000 * NANO_PER_USD).contains(part)), "{name}: {price:?}");
            assert!(
                price.cache_read_nano_usd_per_mtok <= price.input_nano_usd_per_mtok
                    && price.input_nano_usd_per_mtok <= price.output_nano_usd_per_mtok,
                "{name}"
            );
            assert!(
                price.cache_write_nano_usd_per_mtok >= price.input_nano_usd_per_mtok,
                "{name}: a cache is not written for less than it is read past"
            );
            assert!(model.input_tokens_max.is_none_or(|tokens| (1_000..100_000_000).contains(&tokens)), "{name}");
            if let Some(long) = price.long {
                assert!(model.input_tokens_max.is_some_and(|window| window > long.above_input_tokens), "{name}: no prompt is that long");
                assert!(
                    long.input_nano_usd_per_mtok >= price.input_nano_usd_per_mtok
                        && long.cache_read_nano_usd_per_mtok >= price.cache_read_nano_usd_per_mtok
                        && long.cache_write_nano_usd_per_mtok >= price.cache_write_nano_usd_per_mtok
                        && long.output_nano_usd_per_mtok >= price.output_nano_usd_per_mtok,
                    "{name}: long prompts are cheaper"
                );
            }
        }
    }

    #[test]
    fn tiers_that_double_a_bill_are_in_it() {
        let list = PriceList::shipped();
        let dear = |vendor, name: &str, tokens| list.of(vendor)[name].price.expect(name).worst_nano_usd(tokens, 0) / tokens;
        // Written to a cache at 1.25 times the price, and beyond the threshold at 2 and 5 times that: nano-dollars a token.
        assert_eq!((dear(Vendor::Openai, "gpt-5.6", 272_000), dear(Vendor::Openai, "gpt-5.6", 272_001)), (5_000, 10_000));
        assert_eq!((dear(Vendor::Anthropic, "claude-haiku-5-5", 100_000), dear(Vendor::Anthropic, "claude-haiku-5-5", 100_001)), (125, 625));
    }
}
