//! Settings as lines: name, value, where from. Of keys only that they are set.

use std::collections::BTreeMap;

use gorgon_core::ids::ContentHash;
use gorgon_core::money::{Meter, Model, show_usd};
use serde::Serialize;
use serde_json::{Value, json};

use super::file::family_word;
use super::{Settings, VARIABLES};

/// Variables that hold keys.
const KEYS: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];

/// One line of `config show`.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) value: Value,
    pub(crate) source: String,
}

impl Settings {
    /// All settings, in the order of the reference.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: Value, source: String| lines.push(Shown { name: name.to_owned(), value, source });
        line("data_dir", json!(self.data_dir.value), self.data_dir.source.to_string());
        line("database", json!(self.database.value), self.database.source.to_string());
        line("defaults.provider", json!(self.provider.value), self.provider.source.to_string());
        line("defaults.model", json!(self.model.value), self.model.source.to_string());
        line("http.allow_private", json!(self.allow_private.value), self.allow_private.source.to_string());
        line("env.allow", json!(self.env_allow.value), self.env_allow.source.to_string());
        for (meter, limit) in &self.budget {
            let (name, value) = match meter {
                Meter::Usd => ("budget.max_cost_usd", limit.value.map_or(Value::Null, |nano| decimal(nano).into())),
                Meter::Tokens => ("budget.max_tokens", json!(limit.value)),
                Meter::Calls => ("budget.max_calls", json!(limit.value)),
            };
            line(name, value, limit.source.to_string());
        }
        for (family, permits) in &self.permits {
            line(
                &format!("limits.{}", family_word(*family)),
                if permits.value == u32::MAX { json!("unlimited") } else { json!(permits.value) },
                permits.source.to_string(),
            );
        }
        for (name, provider) in &self.providers {
            let mut value = json!(provider.value);
            if let Some(Value::String(url)) = value.get_mut("base_url") {
                *url = without_secrets(url);
            }
            line(&format!("providers.{name}"), value, provider.source.to_string());
        }
        for key in KEYS.into_iter().filter(|key| self.environment.get(key).is_some()) {
            line(key, json!("********"), self.environment.source(key).to_string());
        }
        for (name, model) in &self.models {
            line(&format!("models.{name}"), shown_model(&model.value), model.source.to_string());
        }
        lines
    }

    /// The settings that decide what runs may do and what they cost, by name, each by the hash of its value. Who may answer, for how much, how
    /// many at once and what is reached are those of the process that holds the store; all others go with the run.
    pub(crate) fn fingerprints(&self) -> BTreeMap<String, ContentHash> {
        let counts = |name: &str| ["budget.", "http.", "limits.", "models.", "providers."].iter().any(|group| name.starts_with(group));
        let lines = self.shown().into_iter().filter(|line| counts(&line.name) && !line.value.is_null());
        let keys = self.providers.values().filter_map(|config| config.value.key_variable());
        let keys = keys.filter_map(|name| Some((format!("keys.{name}"), ContentHash::of(self.environment.get(name)?.as_bytes()))));
        lines.map(|line| (line.name, ContentHash::of(line.value.to_string().as_bytes()))).chain(keys).collect()
    }

    /// Variables that begin as ours do and are none of them: most likely misspelled.
    pub(crate) fn unknown_variables(&self) -> Vec<String> {
        // Whoever is started by a step has these.
        let of_step = [gorgon_tools::process_group::MARK, gorgon_tools::process::IDEMPOTENCY_KEY];
        let known =
            |name: &String| VARIABLES.iter().any(|(known, _)| known == name) || of_step.contains(&name.as_str()) || name.starts_with("GORGON_TEST_");
        let mut names: Vec<String> =
            std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).chain(self.environment.of_file().cloned()).collect();
        names.retain(|name| name.starts_with("GORGON_"));
        names.retain(|name| !known(name));
        names.sort();
        names.dedup();
        names
    }
}

/// An address without what may be a secret: who asks, and what is asked for.
fn without_secrets(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?********"));
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("********@{host}"));
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{host}{path}{query}")
}

fn shown_model(model: &Model) -> Value {
    let mut shown = serde_json::Map::new();
    if let Some(price) = model.price {
        let parts = [
            ("input_usd_per_mtok", price.input_nano_usd_per_mtok),
            ("output_usd_per_mtok", price.output_nano_usd_per_mtok),
            ("cache_read_usd_per_mtok", price.cache_read_nano_usd_per_mtok),
            ("cache_write_usd_per_mtok", price.cache_write_nano_usd_per_mtok),
        ];
        shown.extend(parts.map(|(name, nano)| (name.to_owned(), decimal(nano).into())));
    }
    let tokens = [("input_tokens_max", model.input_tokens_max), ("output_tokens_max", model.output_tokens_max)];
    shown.extend(tokens.into_iter().filter_map(|(name, tokens)| Some((name.to_owned(), tokens?.into()))));
    shown.into()
}

/// Dollars as a text without a sign: a JSON number would become a float in many a reader.
fn decimal(nano_usd: u64) -> String {
    show_usd(nano_usd).trim_start_matches('$').to_owned()
}
