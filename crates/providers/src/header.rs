//! Headers whose values come from the settings or from a secret.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::config::ConfigError;
use crate::secret::Secret;

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `X-Api-Key: KEY`
    ApiKey,
}

/// The headers of a provider: those that are set, and the one with the key.
pub(crate) fn headers(name: &str, set: &[(&'static str, Option<&str>)], key: Option<(KeyHeader, &Secret)>) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    let made = set
        .iter()
        .filter_map(|(header, value)| Some((*header, (*value)?)))
        .try_for_each(|(header, value)| set_header(&mut headers, header, value))
        .and_then(|()| key.map_or(Ok(()), |(how, key)| set_key(&mut headers, how, key)));
    made.map_err(|message| ConfigError {
        message: format!("provider `{name}`: {message}"),
        help: "remove line ends and characters that cannot be printed".to_owned(),
    })?;
    Ok(headers)
}

fn set_header(headers: &mut HeaderMap, header: &'static str, value: &str) -> Result<(), String> {
    let value = HeaderValue::from_str(value).map_err(|_| format!("the value of `{header}` holds characters that no header may have"))?;
    headers.insert(header, value);
    Ok(())
}

fn set_key(headers: &mut HeaderMap, how: KeyHeader, key: &Secret) -> Result<(), String> {
    let (header, text) = match how {
        KeyHeader::Bearer => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
        KeyHeader::ApiKey => (HeaderName::from_static("x-api-key"), key.reveal().to_owned()),
    };
    // The value is not repeated here: it is the key.
    let mut value = HeaderValue::from_str(&text).map_err(|_| "the key holds characters that no header may have".to_owned())?;
    value.set_sensitive(true);
    headers.insert(header, value);
    Ok(())
}
