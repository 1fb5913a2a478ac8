//! `cargo xtask prices`: the shipped price list, made from LiteLLM's map of models. A source to import from, never read at run time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::shell::root;

/// The vendors whose own endpoints the adapters of this release ask.
const VENDORS: [&str; 2] = ["anthropic", "openai"];

/// Models that cost more than tokens, or that the chat wire does not serve.
const LEFT_OUT: [&str; 7] = ["ft:", "audio", "search", "computer-use", "container", "deep-research", "realtime"];

/// Writes `assets/prices.toml` from a map of this day, and its checksum beside it.
pub(crate) fn import(map: &Path, taken: &str, source: &str) -> Result<()> {
    let text = fs::read_to_string(map).with_context(|| map.display().to_string())?;
    let models: BTreeMap<String, Value> = serde_json::from_str(&text).with_context(|| map.display().to_string())?;
    let mut out = String::from(
        "# What models cost at their vendors' own endpoints, at the standard tier: US dollars for a million tokens.\n\
         # `long` holds for a whole call whose prompt, cached parts included, has more tokens than `above_input_tokens`.\n\
         # Made by `cargo xtask prices`; `[models.\"NAME\"]` in gorgon.toml overrides an entry.\n",
    );
    writeln!(out, "taken = {taken:?}\nsource = {source:?}")?;
    for vendor in VENDORS {
        models.iter().filter_map(|(name, model)| entry(vendor, name, model, taken)).for_each(|entry| out.push_str(&entry));
    }
    let list = root().join("assets/prices.toml");
    fs::write(&list, &out)?;
    fs::write(list.with_extension("toml.sha256"), format!("{}  prices.toml\n", HEXLOWER.encode(&Sha256::digest(out.as_bytes()))))?;
    Ok(())
}

fn entry(vendor: &str, name: &str, model: &Value, taken: &str) -> Option<String> {
    let retires = model["deprecation_date"].as_str();
    let is_chat = model["litellm_provider"] == vendor && model["mode"] == "chat";
    if !is_chat || LEFT_OUT.iter().any(|part| name.contains(part)) || retires.is_some_and(|day| day < taken) {
        return None;
    }
    let price = |key: &str| dollars(&model[key]);
    let (input, output) = (price("input_cost_per_token")?, price("output_cost_per_token")?);
    let or_input = |key: &str| price(key).unwrap_or_else(|| input.clone());
    let mut entry = format!("\n[{vendor}.\"{name}\"]\ninput = \"{input}\"\n");
    let _ = writeln!(entry, "cache_read = \"{}\"", or_input("cache_read_input_token_cost"));
    let _ = writeln!(entry, "cache_write = \"{}\"\noutput = \"{output}\"", or_input("cache_creation_input_token_cost"));
    for key in ["input_tokens_max", "output_tokens_max"] {
        let theirs = format!("max_{}", key.trim_end_matches("_max"));
        if let Some(tokens) = model[theirs.as_str()].as_u64() {
            let _ = writeln!(entry, "{key} = {tokens}");
        }
    }
    if let Some(day) = retires {
        let _ = writeln!(entry, "retires = \"{day}\"");
    }
    if let Some((thousands, long)) = long(model) {
        let _ = writeln!(entry, "long = {{above_input_tokens = {thousands}000, {long}}}");
    }
    Some(entry)
}

/// The tier of long prompts: its threshold in thousands of tokens, and its prices.
fn long(model: &Value) -> Option<(u64, String)> {
    let prefix = "input_cost_per_token_above_";
    let thousands = model.as_object()?.keys().find_map(|key| key.strip_prefix(prefix)?.strip_suffix("k_tokens")?.parse::<u64>().ok())?;
    let price = |part: &str| dollars(&model[format!("{part}_above_{thousands}k_tokens").as_str()]);
    let input = price("input_cost_per_token")?;
    let read = price("cache_read_input_token_cost").unwrap_or_else(|| input.clone());
    let write = price("cache_creation_input_token_cost").unwrap_or_else(|| input.clone());
    let output = price("output_cost_per_token")?;
    Some((thousands, format!("input = \"{input}\", cache_read = \"{read}\", cache_write = \"{write}\", output = \"{output}\"")))
}

/// Dollars for one token, as dollars for a million, to the ninth place.
fn dollars(price: &Value) -> Option<String> {
    let text = format!("{:.9}", price.as_f64()? * 1e6);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Some(text.to_owned())
}
