//! Where a provider is, and with which key: what all of their settings have in common.

use std::time::Duration;

use reqwest::Url;

use crate::config::ConfigError;
use crate::secret::Secret;

/// Longest time to reach a server, unless the settings say otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within a stream, unless the settings say otherwise. Models that think say nothing for a while, but their servers send pings.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest that may be set: a day.
const TIMEOUT_SECONDS_MAX: f64 = 86_400.0;

/// An address where an interface begins, proven to be a place that a key may be sent to.
pub(crate) fn checked_base(name: &str, text: &str) -> Result<Url, ConfigError> {
    let refuse = |what: &str, help: &str| ConfigError { message: format!("provider `{name}`: base_url {what}"), help: help.to_owned() };
    let example = "write it like `https://host/v1`";
    let base = Url::parse(text).map_err(|error| refuse(&format!("`{text}` is not a URL ({error})"), example))?;
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("holds a user or a password", "put the key into an environment variable and name it by `api_key_env`"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refuse(&format!("`{text}` has a `?` or `#` part"), example));
    }
    match (base.scheme(), base.host_str()) {
        ("https", Some(_)) => Ok(base),
        ("http", Some(_)) if is_loopback(&base) => Ok(base),
        ("http", Some(_)) => {
            let what = format!("`{text}` would send prompts and the key in the clear");
            Err(refuse(&what, "use `https://`; plain `http://` is for this machine only"))
        }
        _ => Err(refuse(&format!("`{text}` is not a web address"), example)),
    }
}

/// Whether an address is at this host.
pub(crate) fn is_at(text: &str, host: &str) -> bool {
    Url::parse(text).is_ok_and(|base| base.host_str() == Some(host))
}

/// The key that a variable holds.
pub(crate) fn key(name: &str, variable: &str, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, ConfigError> {
    let key = lookup_env(variable).map(|text| Secret::new(&text)).filter(|key| !key.is_empty());
    key.ok_or_else(|| ConfigError {
        message: format!("provider `{name}` needs a key, and `{variable}` is not set in the environment of the process that runs the steps"),
        help: format!("set `{variable}` where that process is started, or name another variable by `api_key_env` in `[providers.{name}]`"),
    })
}

/// A time of the settings.
pub(crate) fn duration(name: &str, field: &str, seconds: f64) -> Result<Duration, ConfigError> {
    if seconds > 0.0 && seconds <= TIMEOUT_SECONDS_MAX {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ConfigError {
        message: format!("provider `{name}`: {field} is {seconds}"),
        help: format!("give a number of seconds above 0, at most {TIMEOUT_SECONDS_MAX}"),
    })
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
