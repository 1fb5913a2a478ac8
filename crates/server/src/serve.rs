//! Serving on a Unix socket until told to stop.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves the routes on a listener. When told to stop it takes no further connection, lets each request in progress be answered, and returns.
pub async fn serve_unix(listener: UnixListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Often there are too many open files: asking again at once would only burn the processor.
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let (router, stop) = (router.clone(), stop.clone());
        // One task a connection; it ends with the connection, or when everything stops.
        connections.spawn(async move {
            let service = TowerToHyperService::new(router);
            let connection = hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    connections.close();
    connections.wait().await;
}
