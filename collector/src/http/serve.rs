//! Connections: HTTP/2 where both sides agree on it in the TLS handshake, HTTP/1.1 otherwise.
//!
//! Browsers open six HTTP/1.1 connections to one address, for all tabs together, and each tab holds one for its live
//! stream. Over HTTP/2 all of them are streams of one connection.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::debug;

use super::guard::HEADER_BYTES;
use super::peer::Peer;
use crate::tls::Front;

/// How long an HTTP/1.1 connection may take to say what it wants, also after an answer. Longer than the 90 s for which
/// clients in Rust keep connections that they do not use: the one who closes them should be the client, who then does
/// not begin a request on a connection that is just being closed.
const HEADERS: Duration = Duration::from_secs(120);
/// Requests at the same time on one HTTP/2 connection. Many tabs of one browser share one.
const STREAMS: u32 = 128;
/// How often a quiet HTTP/2 connection is asked whether it is alive, and how long it has for the answer.
const ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// Bytes that one HTTP/2 request may have on the way before they are read, and all of a connection together.
const WINDOWS: (u32, u32) = (256 << 10, 1 << 20);
/// Bytes of an answer that wait for a slow reader, in one HTTP/2 stream.
const UNSENT: usize = 128 << 10;

/// Serves until `stop`, then lets the requests that are under way end.
pub(crate) async fn serve(mut front: Front, router: Router, stop: CancellationToken) {
    let (http1, http2) = builders();
    let connections = TaskTracker::new();
    loop {
        let (stream, address) = tokio::select! {
            accepted = front.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let builder = if stream.is_http2() { http2.clone() } else { http1.clone() };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(Peer::new(address)));
                router.clone().oneshot(request)
            });
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                debug!(peer = %address, %error, "A connection broke off.");
            }
        });
    }
    drop(front);
    connections.close();
    connections.wait().await;
}

fn builders() -> (Builder<TokioExecutor>, Builder<TokioExecutor>) {
    let mut http1 = Builder::new(TokioExecutor::new()).http1_only();
    http1.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let mut http2 = Builder::new(TokioExecutor::new()).http2_only();
    http2
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES as u32)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(UNSENT)
        .keep_alive_interval(ALIVE.0)
        .keep_alive_timeout(ALIVE.1);
    (http1, http2)
}
