//! HTTP: one request, its redirects, one bounded answer.
//!
//! Each request has a connection of its own. Keeping connections would save a handshake now and then, but a kept one may be closed by the
//! other side just as a request goes out on it, and whoever retries then may send a POST twice.

mod answer;
mod connection;
mod redirect;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use gorgon_core::call::{Failure, FailureClass, Family, HttpRequest, Outcome, Request};
use gorgon_core::payload::Payload;
use gorgon_ports::{CallCx, Executor, StoredCall};

use self::connection::Connector;
use self::redirect::REDIRECTS_MAX;
use self::request::Hop;
use crate::guard::{AllowPrivate, Guard, Lookup, Refusal, SystemLookup};
use crate::outcome::{denied, failed, in_doubt, invalid, misdirected, refused, succeeded};
use crate::stop::Stop;

/// Settings of HTTP requests.
#[derive(Clone)]
pub struct HttpOptions {
    /// What may be reached besides the public internet.
    pub allow_private: AllowPrivate,
    /// How names are resolved.
    pub lookup: Arc<dyn Lookup>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { allow_private: AllowPrivate::default(), lookup: Arc::new(SystemLookup) }
    }
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOptions").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

/// Sends HTTP requests.
pub struct HttpExecutor {
    guard: Guard,
    connector: Connector,
}

impl HttpExecutor {
    /// An executor with these settings.
    #[must_use]
    pub fn new(options: HttpOptions) -> Self {
        Self { guard: Guard::new(options.allow_private, options.lookup), connector: Connector::new() }
    }
}

#[async_trait]
impl Executor for HttpExecutor {
    fn family(&self) -> Family {
        Family::Http
    }

    async fn perform(&self, call: &StoredCall, cx: CallCx) -> Outcome {
        let Request::Http(request) = call.request() else {
            return misdirected(call.request(), Family::Http);
        };
        let first = match Hop::first(request, &cx.idempotency_key) {
            Ok(hop) => hop,
            Err(failure) => return failed(failure),
        };
        let what = first.to_string();
        let left = Left::default();
        let result = tokio::select! {
            biased;
            result = self.exchange(request, first, &left) => result,
            stop = Stop::wait(cx.deadline, &cx.cancel) => Err(Broken::Unanswered(stop.failure(&what))),
        };
        match result {
            Ok(value) => succeeded(value),
            Err(Broken::Unanswered(failure)) if left.is_set() => {
                in_doubt(format!("{what} was sent, and whether it was carried out is not known: {}", failure.message))
            }
            Err(Broken::Unanswered(failure) | Broken::Known(failure)) => failed(failure),
        }
    }
}

impl HttpExecutor {
    async fn exchange(&self, request: &HttpRequest, first: Hop, left: &Left) -> Result<Payload, Broken> {
        let mut hop = first;
        for _ in 0..=REDIRECTS_MAX {
            let addresses = self.guard.check(&hop.url).await.map_err(not_reachable)?;
            // A request that changes nothing may as well not have left: only of the others it matters.
            let mark = if hop.method.is_safe() { Left::default() } else { left.clone() };
            let response = self.connector.send(&hop, &addresses, mark).await.map_err(|error| connection::failure(&hop, &error))?;
            hop = match hop.after(&response)? {
                None => return answer::read(&hop, response, request.body_bytes_max).await,
                Some(next) => next,
            };
        }
        Err(Broken::Known(refused(format!("{} {} was redirected more than {REDIRECTS_MAX} times", request.method, hop.place()))))
    }
}

/// Whether a request that may change something can have left.
#[derive(Debug, Clone, Default)]
struct Left(Arc<AtomicBool>);

impl Left {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How an exchange came to nothing.
enum Broken {
    /// No answer came, or only a part of it: if the request left, it may have been carried out.
    Unanswered(Failure),
    /// The answer is known, or nothing was sent.
    Known(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Known(failure)
    }
}

fn not_reachable(refusal: Refusal) -> Broken {
    let message = refusal.to_string();
    match refusal {
        Refusal::NotPublic { .. } => Broken::Known(denied(message)),
        Refusal::NotHttp { .. } => Broken::Known(invalid(message)),
        // After a redirect of a request that left, this leaves in doubt what became of it.
        Refusal::Unresolved { .. } => Broken::Unanswered(Failure::new(FailureClass::Transport, message)),
    }
}
