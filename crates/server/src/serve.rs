//! Serving on a Unix socket until told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How long a connection that was made before the stop may take to be accepted.
const LAST_ACCEPT: Duration = Duration::from_millis(2);

/// How long one that has carried no request yet may take to send its first after the stop. It was made to send one: closed now, its client could not know
/// whether the request was carried out.
const FIRST_REQUEST: Duration = Duration::from_millis(80);

/// Serves the routes on a listener. When told to stop it lets in who has connected, and no one after them, lets each request that was sent be answered, and
/// returns.
pub async fn serve_unix(listener: UnixListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone(), stop.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Often there are too many open files: asking again at once would only burn the processor.
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    while let Ok(Ok((stream, _))) = tokio::time::timeout(LAST_ACCEPT, listener.accept()).await {
        connections.spawn(serve(stream, router.clone(), stop.clone()));
    }
    connections.close();
    connections.wait().await;
}

/// Serves one connection. It ends with the connection, or when everything stops.
async fn serve(stream: UnixStream, router: Router, stop: CancellationToken) {
    let carried = Arc::new(AtomicBool::new(false));
    let service = Noted { routes: TowerToHyperService::new(router), carried: Arc::clone(&carried) };
    let connection = hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = may_close(&stop, &carried) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Waits until everything stops, and the connection has had time for its first request.
async fn may_close(stop: &CancellationToken, carried: &AtomicBool) {
    stop.cancelled().await;
    let until = Instant::now() + FIRST_REQUEST;
    while !carried.load(Ordering::Relaxed) && Instant::now() < until {
        sleep(Duration::from_millis(1)).await;
    }
}

/// The routes, and whether a request has come.
struct Noted {
    routes: TowerToHyperService<Router>,
    carried: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Noted {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.carried.store(true, Ordering::Relaxed);
        self.routes.call(request)
    }
}
