//! The connection: to addresses that were checked, with the roots of the web, without proxy, retry or reuse.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gorgon_core::call::{Failure, FailureClass};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response};
use rustls::{ClientConfig, RootCertStore};
use tower_layer::Layer;
use tower_service::Service;

use super::request::Hop;
use super::{Broken, Left};
use crate::outcome::{invalid, refused};

/// How long a connection may take to come about. A host that does not answer by then is not there; the deadline of a call is minutes away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections.
pub(super) struct Connector {
    tls: Result<ClientConfig, rustls::Error>,
}

impl Connector {
    pub(super) fn new() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        Self { tls }
    }

    /// Sends the request to one of these addresses. `left` is set as soon as a part of it can have left.
    pub(super) async fn send(&self, hop: &Hop, addresses: &[SocketAddr], left: Left) -> Result<Response, SendError> {
        let tls = self.tls.clone().map_err(SendError::Tls)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .pool_max_idle_per_host(0)
            .http1_only()
            .gzip(true)
            .user_agent(concat!("gorgon/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Checked(addresses.to_vec()))
            .connector_layer(Mark(left))
            .build()
            .map_err(SendError::Http)?;
        let mut request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(SendError::Http)
    }
}

/// Knows the addresses that were checked and no others, whatever it is asked for.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Why no response came.
pub(super) enum SendError {
    /// There is no way to speak TLS.
    Tls(rustls::Error),
    /// The exchange broke off.
    Http(reqwest::Error),
}

/// What a broken exchange means.
pub(super) fn failure(hop: &Hop, error: &SendError) -> Broken {
    let error = match error {
        SendError::Tls(error) => return Broken::Known(refused(format!("{hop} could not be sent: {error}"))),
        SendError::Http(error) => error,
    };
    if error.is_builder() {
        return Broken::Known(invalid(format!("{hop} cannot be sent: {}", root(error))));
    }
    if let Some(rustls::Error::InvalidCertificate(reason)) = cause(error) {
        // Waiting does not help, so it is no failure of the transport.
        return Broken::Known(refused(format!("{hop} was not sent: the certificate of the server is not valid: {reason}")));
    }
    let message = match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("{hop}: no connection within {} s", CONNECT_TIMEOUT.as_secs()),
        (true, false) => format!("{hop}: no connection: {}", root(error)),
        _ => format!("{hop}: the connection broke off: {}", root(error)),
    };
    Broken::Unanswered(Failure::new(FailureClass::Transport, message))
}

/// The innermost cause: the layers above only repeat that something failed.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The cause of this type, wherever it is wrapped. An IO error hides what it was made of from `source`, so it is opened here.
pub(super) fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Wraps the connector, to learn when there is a connection: before, nothing of a request can have left.
#[derive(Clone)]
struct Mark(Left);

impl<S> Layer<S> for Mark {
    type Service = Marked<S>;

    fn layer(&self, inner: S) -> Marked<S> {
        Marked { inner, left: self.0.clone() }
    }
}

#[derive(Clone)]
struct Marked<S> {
    inner: S,
    left: Left,
}

impl<S, R> Service<R> for Marked<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let (connecting, left) = (self.inner.call(target), self.left.clone());
        Box::pin(async move {
            let connection = connecting.await?;
            left.set();
            Ok(connection)
        })
    }
}
