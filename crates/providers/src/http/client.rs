//! The client of a provider.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

use crate::config::ConfigError;

/// Longest time that a connection is kept for the next question: well below what servers allow.
const IDLE: Duration = Duration::from_secs(15);

/// A client that goes where it was told to: no redirect, no proxy from the environment, no repetition; the certificates that browsers trust.
///
/// # Errors
/// If the machine's TLS cannot be set up.
pub(crate) fn client(name: &str, connect_timeout: Duration) -> Result<Client, ConfigError> {
    build(connect_timeout).map_err(|message| ConfigError {
        message: format!("provider `{name}`: {message}"),
        help: "the build or the machine is at fault, not the settings".to_owned(),
    })
}

fn build(connect_timeout: Duration) -> Result<Client, String> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        // A connection that the other side is about to close swallows a request, and a swallowed request counts as paid for.
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("gorgon/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("the HTTP client cannot be set up: {error}"))
}
