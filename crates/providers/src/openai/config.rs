//! Settings of an OpenAI provider.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::header::{KeyHeader, headers};
use crate::place::{self, CONNECT_TIMEOUT, IDLE_TIMEOUT, duration};
use crate::secret::Secret;

const OFFICIAL_HOST: &str = "api.openai.com";
const OFFICIAL_BASE: &str = "https://api.openai.com/v1";
const OFFICIAL_KEY: &str = "OPENAI_API_KEY";

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
    /// Longest silence within a streamed answer, in seconds; 120 if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<f64>,
    /// Whether answers are streamed; they are if not set. For servers that cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
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

impl OpenAiConfig {
    /// Where the interface begins, proven to be a place that a key may be sent to.
    pub(super) fn checked_base(&self, name: &str) -> Result<Url, ConfigError> {
        place::checked_base(name, self.base_url.as_deref().unwrap_or(OFFICIAL_BASE))
    }

    fn is_official(&self) -> bool {
        self.base_url.as_deref().is_none_or(|text| place::is_at(text, OFFICIAL_HOST))
    }

    /// The variable that holds the key, if one is sent.
    pub(crate) fn key_variable(&self) -> Option<&str> {
        self.api_key_env.as_deref().or_else(|| self.is_official().then_some(OFFICIAL_KEY))
    }

    pub(super) fn key(&self, name: &str, lookup_env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, ConfigError> {
        self.key_variable().map(|variable| place::key(name, variable, lookup_env)).transpose()
    }

    pub(super) fn headers(&self, name: &str, key: Option<&Secret>) -> Result<HeaderMap, ConfigError> {
        let set = [("openai-organization", self.organization.as_deref()), ("openai-project", self.project.as_deref())];
        headers(name, &set, key.map(|key| (KeyHeader::Bearer, key)))
    }

    pub(crate) fn has_list_price(&self) -> bool {
        self.is_official() && self.service_tier.as_deref().is_none_or(|tier| tier == "default")
    }

    pub(super) fn service_tier(&self) -> Option<String> {
        self.service_tier.clone().or_else(|| self.is_official().then(|| "default".to_owned()))
    }

    pub(super) fn timeout(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.timeout_seconds.map(|seconds| duration(name, "timeout_seconds", seconds)).transpose()
    }

    pub(super) fn idle_timeout(&self, name: &str) -> Result<Duration, ConfigError> {
        self.idle_timeout_seconds.map_or(Ok(IDLE_TIMEOUT), |seconds| duration(name, "idle_timeout_seconds", seconds))
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
