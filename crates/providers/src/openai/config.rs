//! Settings of an OpenAI provider.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{set_header, set_key};
use crate::config::ConfigError;
use crate::secret::Secret;

const OFFICIAL_HOST: &str = "api.openai.com";
const OFFICIAL_BASE: &str = "https://api.openai.com/v1";
const OFFICIAL_KEY: &str = "OPENAI_API_KEY";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that may be set: a day.
const TIMEOUT_SECONDS_MAX: f64 = 86_400.0;

/// Settings of a server that speaks OpenAI's Chat Completions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiConfig {
    /// Where the interface begins; `https://api.openai.com/v1` if not set. Plain `http` only to this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The variable that holds the key. If not set: `OPENAI_API_KEY` for OpenAI itself, and no key for every other server, so that OpenAI's key never
    /// goes anywhere else by mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The organisation that is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The project that is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Which field carries the cap on the answer.
    pub max_tokens_field: MaxTokensField,
    /// The service tier to ask for. If not set: `default` for OpenAI itself, because a dearer tier may be its account's preset, and none elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Longest time for one answer, in seconds, within what the step allows; fractions count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Longest time to reach the server, in seconds; 10 if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_seconds: Option<f64>,
}

/// Which field carries the cap on the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// What OpenAI wants: reasoning counts inside it.
    #[default]
    MaxCompletionTokens,
    /// The older name, which many compatible servers still want.
    MaxTokens,
}

impl MaxTokensField {
    /// The name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

impl OpenAiConfig {
    /// Where the interface begins, proven to be a place that a key may be sent to.
    pub(super) fn checked_base(&self, name: &str) -> Result<Url, ConfigError> {
        let text = self.base_url.as_deref().unwrap_or(OFFICIAL_BASE);
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

    fn is_official(&self) -> bool {
        self.base_url.as_deref().is_none_or(|text| Url::parse(text).is_ok_and(|base| base.host_str() == Some(OFFICIAL_HOST)))
    }

    pub(super) fn key(&self, name: &str, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, ConfigError> {
        let variable = match self.api_key_env.as_deref() {
            Some(variable) => variable,
            None if self.is_official() => OFFICIAL_KEY,
            None => return Ok(None),
        };
        let key = lookup_env(variable).map(|text| Secret::new(&text)).filter(|key| !key.is_empty());
        key.map(Some).ok_or_else(|| ConfigError {
            message: format!("provider `{name}` needs a key, and `{variable}` is not set in the environment of the process that runs the steps"),
            help: format!("set `{variable}` where that process is started, or name another variable by `api_key_env` in `[providers.{name}]`"),
        })
    }

    pub(super) fn headers(&self, name: &str, key: Option<&Secret>) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        let set = [("openai-organization", &self.organization), ("openai-project", &self.project)]
            .into_iter()
            .filter_map(|(header, value)| Some((header, value.as_deref()?)))
            .try_for_each(|(header, value)| set_header(&mut headers, header, value))
            .and_then(|()| key.map_or(Ok(()), |key| set_key(&mut headers, key)));
        set.map_err(|message| ConfigError {
            message: format!("provider `{name}`: {message}"),
            help: "remove line ends and characters that cannot be printed".to_owned(),
        })?;
        Ok(headers)
    }

    pub(super) fn service_tier(&self) -> Option<String> {
        self.service_tier.clone().or_else(|| self.is_official().then(|| "default".to_owned()))
    }

    pub(super) fn timeout(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.timeout_seconds.map(|seconds| duration(name, "timeout_seconds", seconds)).transpose()
    }

    pub(super) fn connect_timeout(&self, name: &str) -> Result<Duration, ConfigError> {
        self.connect_timeout_seconds.map_or(Ok(CONNECT_TIMEOUT), |seconds| duration(name, "connect_timeout_seconds", seconds))
    }
}

/// Where questions are sent.
pub(super) fn endpoint(mut base: Url) -> Url {
    let path = format!("{}/chat/completions", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn duration(name: &str, field: &str, seconds: f64) -> Result<Duration, ConfigError> {
    if seconds > 0.0 && seconds <= TIMEOUT_SECONDS_MAX {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ConfigError {
        message: format!("provider `{name}`: {field} is {seconds}"),
        help: format!("give a number of seconds above 0, at most {TIMEOUT_SECONDS_MAX}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_base(base: &str) -> OpenAiConfig {
        OpenAiConfig { base_url: Some(base.to_owned()), ..OpenAiConfig::default() }
    }

    #[test]
    fn a_base_is_https_or_this_machine() {
        for (base, endpoint_is) in [
            ("https://api.example.com/v1", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com", "https://api.example.com/chat/completions"),
            ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions"),
            ("http://[::1]:8080/v1", "http://[::1]:8080/v1/chat/completions"),
            ("http://localhost/v1", "http://localhost/v1/chat/completions"),
        ] {
            assert_eq!(with_base(base).checked_base("x").map(endpoint).map(String::from), Ok(endpoint_is.to_owned()));
        }
        for (base, says) in [
            ("http://api.example.com/v1", "in the clear"),
            ("http://127.0.0.1.example.com/v1", "in the clear"),
            ("http://localhost.example.com/v1", "in the clear"),
            ("https://user:pw@api.example.com/v1", "a user or a password"),
            ("https://api.example.com/v1?key=1", "`?` or `#`"),
            ("ftp://api.example.com", "not a web address"),
            ("api.example.com/v1", "not a URL"),
        ] {
            let error = with_base(base).checked_base("mine").expect_err(base);
            assert!(error.message.contains(says) && error.message.contains("`mine`"), "{base}: {}", error.message);
            assert!(!error.message.contains("pw"), "{}", error.message);
        }
    }

    #[test]
    fn the_official_key_stays_with_the_official_server() {
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-official".to_owned());
        let none = |_: &str| None;
        assert!(OpenAiConfig::default().key("openai", &env).is_ok_and(|key| key.is_some()));
        assert!(with_base("https://api.openai.com/v1").key("openai", &env).is_ok_and(|key| key.is_some()));
        assert!(with_base("https://api.example.com/v1").key("other", &env).is_ok_and(|key| key.is_none()));
        let named = OpenAiConfig { api_key_env: Some("OPENAI_API_KEY".to_owned()), ..with_base("https://api.example.com/v1") };
        assert!(named.key("other", &env).is_ok_and(|key| key.is_some()));
        let error = OpenAiConfig::default().key("openai", &none).expect_err("no key");
        assert!(error.message.contains("OPENAI_API_KEY") && error.help.contains("api_key_env"), "{error:?}");
        let blank = |_: &str| Some(" \n".to_owned());
        assert!(OpenAiConfig::default().key("openai", &blank).is_err());
    }

    #[test]
    fn the_tier_is_pinned_where_a_dearer_one_may_be_preset() {
        assert_eq!(OpenAiConfig::default().service_tier().as_deref(), Some("default"));
        assert_eq!(with_base("http://localhost/v1").service_tier(), None);
        let set = OpenAiConfig { service_tier: Some("flex".to_owned()), ..with_base("http://localhost/v1") };
        assert_eq!(set.service_tier().as_deref(), Some("flex"));
    }

    #[test]
    fn a_timeout_is_a_time() {
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(OpenAiConfig { timeout_seconds: Some(seconds), ..OpenAiConfig::default() }.timeout("x").is_err(), "{seconds}");
        }
        assert_eq!(OpenAiConfig { timeout_seconds: Some(0.25), ..OpenAiConfig::default() }.timeout("x"), Ok(Some(Duration::from_millis(250))));
    }

    #[test]
    fn a_key_that_no_header_may_have_is_not_repeated() {
        let error = OpenAiConfig::default().headers("openai", Some(&Secret::new("sk-a\nb"))).expect_err("a line end");
        assert!(!format!("{error:?}").contains("sk-a"));
    }
}
