//! Providers that are there without a table of their own, because their variables are set.

use gorgon_core::diagnostic::Code;
use gorgon_core::money::SIMULATED;
use gorgon_providers::{AnthropicConfig, OpenAiConfig, ProviderConfig, SimulatedConfig};
use indexmap::IndexMap;

use super::environment::Environment;
use super::setting::Setting;
use crate::fault::Fault;

/// Adds what nobody described: the simulator, and the providers whose variables are set.
pub(super) fn add(providers: &mut IndexMap<String, Setting<ProviderConfig>>, env: &Environment) -> Result<(), Fault> {
    providers.entry(SIMULATED.to_owned()).or_insert_with(|| Setting::default(ProviderConfig::Simulated(SimulatedConfig::default())));
    if let Some((key, base, variable)) = variables(env, "OPENAI_API_KEY", "OPENAI_BASE_URL") {
        let config = OpenAiConfig { api_key_env: key.clone(), ..OpenAiConfig::default() };
        let known = providers.entry("openai".to_owned()).or_insert_with(|| Setting::new(ProviderConfig::Openai(config), env.source(variable)));
        if let (ProviderConfig::Openai(config), Some(base)) = (&mut known.value, base) {
            direct(base, key, &mut config.base_url, &mut config.api_key_env);
            known.source = env.source("OPENAI_BASE_URL");
        }
    }
    check_mode(env)?;
    if let Some((key, base, variable)) = variables(env, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL") {
        let config = AnthropicConfig { api_key_env: key.clone(), ..AnthropicConfig::default() };
        let known = providers.entry("anthropic".to_owned()).or_insert_with(|| Setting::new(ProviderConfig::Anthropic(config), env.source(variable)));
        if let (ProviderConfig::Anthropic(config), Some(base)) = (&mut known.value, base) {
            direct(base, key, &mut config.base_url, &mut config.api_key_env);
            known.source = env.source("ANTHROPIC_BASE_URL");
        }
    }
    Ok(())
}

/// The variable that holds the key, the address, and the variable that says so; `None` if neither is set. Who sets both means them for each other.
fn variables<'a>(env: &Environment, key: &'a str, base: &'a str) -> Option<(Option<String>, Option<String>, &'a str)> {
    let address = env.get(base);
    let has_key = env.get(key).is_some();
    let variable = if has_key { key } else { base };
    (has_key || address.is_some()).then(|| (has_key.then(|| key.to_owned()), address, variable))
}

/// An address in a variable takes the place of that of a table, as variables do, and the key beside it goes there. The key that a table names for an address
/// of its own goes nowhere else.
fn direct(base: String, key: Option<String>, base_url: &mut Option<String>, api_key_env: &mut Option<String>) {
    let of_table = api_key_env.take().filter(|_| base_url.as_ref().is_none_or(|there| *there == base));
    *api_key_env = of_table.or(key);
    *base_url = Some(base);
}

/// `CLAUDE_MODE`: how Claude is asked. What this release cannot do is an error, never ignored.
fn check_mode(env: &Environment) -> Result<(), Fault> {
    let refuse = |why: String, help: &str| Err(Fault::new(Code::BadSetting, why).help(help));
    match env.get("CLAUDE_MODE").as_deref() {
        None | Some("api") => Ok(()),
        Some("cli") => refuse(
            "CLAUDE_MODE is `cli`, and this release does not ask Claude by its command line".to_owned(),
            "set it to `api`, with ANTHROPIC_API_KEY",
        ),
        Some(other) => refuse(format!("CLAUDE_MODE is `{other}`"), "it is `api`"),
    }
}
