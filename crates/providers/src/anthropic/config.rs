//! Settings of an Anthropic provider.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::header::{KeyHeader, headers};
use crate::place::{self, CONNECT_TIMEOUT, IDLE_TIMEOUT, duration};
use crate::secret::Secret;

const OFFICIAL_HOST: &str = "api.anthropic.com";
const OFFICIAL_BASE: &str = "https://api.anthropic.com";
const OFFICIAL_KEY: &str = "ANTHROPIC_API_KEY";

/// Settings of a server that speaks Anthropic's Messages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicConfig {
    /// Where the interface begins, with or without its `/v1`; `https://api.anthropic.com` if not set. Plain `http` only to this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The variable that holds the key. If not set: `ANTHROPIC_API_KEY` for Anthropic itself, and no key for every other server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The version of the interface.
    pub version: Version,
    /// The service tier to ask for. If not set: `standard_only` for Anthropic itself, because a dearer tier may be its account's preset, and none elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// How the model thinks: `adaptive` or `disabled`. If not set, the model's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// Longest time for one answer, in seconds, within what the step allows; fractions count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Longest time to reach the server, in seconds; 10 if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_seconds: Option<f64>,
    /// Longest silence within a streamed answer, in seconds; 120 if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<f64>,
    /// Whether answers are streamed; they are if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

/// A version of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Version {
    /// The current one: no sampling parameters, the key as a bearer token.
    #[default]
    #[serde(rename = "2026-10-21")]
    V2026,
    /// The one before, for those who need a temperature.
    #[serde(rename = "2023-06-01")]
    V2023,
}

impl Version {
    /// As it is sent.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::V2026 => "2026-10-21",
            Self::V2023 => "2023-06-01",
        }
    }

    pub(super) fn takes_temperature(self) -> bool {
        self == Self::V2023
    }

    fn key_header(self) -> KeyHeader {
        match self {
            Self::V2026 => KeyHeader::Bearer,
            Self::V2023 => KeyHeader::ApiKey,
        }
    }
}

/// How the model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// As much as it finds good.
    Adaptive,
    /// Not at all, where the model can.
    Disabled,
}

impl Thinking {
    /// As it is sent.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Disabled => "disabled",
        }
    }
}

impl AnthropicConfig {
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
        headers(name, &[("anthropic-version", Some(self.version.word()))], key.map(|key| (self.version.key_header(), key)))
    }

    pub(crate) fn has_list_price(&self) -> bool {
        self.is_official() && self.service_tier.as_deref().is_none_or(|tier| tier == "standard_only")
    }

    pub(super) fn service_tier(&self) -> Option<&str> {
        self.service_tier.as_deref().or_else(|| self.is_official().then_some("standard_only"))
    }

    pub(super) fn timeout(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        self.timeout_seconds.map(|seconds| duration(name, "timeout_seconds", seconds)).transpose()
    }

    pub(super) fn connect_timeout(&self, name: &str) -> Result<Duration, ConfigError> {
        self.connect_timeout_seconds.map_or(Ok(CONNECT_TIMEOUT), |seconds| duration(name, "connect_timeout_seconds", seconds))
    }

    pub(super) fn idle_timeout(&self, name: &str) -> Result<Duration, ConfigError> {
        self.idle_timeout_seconds.map_or(Ok(IDLE_TIMEOUT), |seconds| duration(name, "idle_timeout_seconds", seconds))
    }
}

/// Where questions are sent.
pub(super) fn endpoint(mut base: Url) -> Url {
    let path = base.path().trim_end_matches('/');
    let version = if path.ends_with("/v1") { "" } else { "/v1" };
    let path = format!("{path}{version}/messages");
    base.set_path(&path);
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_may_name_the_version_or_not() {
        for (base, endpoint_is) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
            ("https://gateway.example.com/anthropic/v1", "https://gateway.example.com/anthropic/v1/messages"),
            ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1/messages"),
        ] {
            assert_eq!(Url::parse(base).map(endpoint).map(String::from), Ok(endpoint_is.to_owned()));
        }
    }

    #[test]
    fn the_official_key_and_tier_stay_with_the_official_server() {
        let env = |name: &str| (name == "ANTHROPIC_API_KEY").then(|| "sk-ant".to_owned());
        let official = AnthropicConfig::default();
        assert!(official.key("a", &env).is_ok_and(|key| key.is_some()));
        assert_eq!(official.service_tier(), Some("standard_only"));
        let other = AnthropicConfig { base_url: Some("https://gateway.example.com".to_owned()), ..AnthropicConfig::default() };
        assert!(other.key("a", &env).is_ok_and(|key| key.is_none()));
        assert_eq!(other.service_tier(), None);
    }

    #[test]
    fn each_version_has_its_header_for_the_key() {
        let key = Secret::new("sk-ant");
        for (version, header, value) in [(Version::V2026, "authorization", "Bearer sk-ant"), (Version::V2023, "x-api-key", "sk-ant")] {
            let headers = AnthropicConfig { version, ..AnthropicConfig::default() }.headers("a", Some(&key)).expect("headers");
            assert_eq!(headers.get(header).and_then(|value| value.to_str().ok()), Some(value));
            assert_eq!(headers.get("anthropic-version").and_then(|value| value.to_str().ok()), Some(version.word()));
            assert_eq!(headers.len(), 2);
        }
    }
}
