//! Stands between an agent and the collector and understands what it passes on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use kouan_protocol::limits::BODY_BYTES;
use kouan_protocol::session::CommandDelivery;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// An HTTP relay that hands every command over twice: once when the collector gives it, and once more in answer to the
/// agent's next poll.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    collector: SocketAddr,
    again: Mutex<Option<Bytes>>,
    repeated: Mutex<usize>,
}

impl Relay {
    /// Listens on any free port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(collector: SocketAddr) -> anyhow::Result<Self> {
        // The process-wide TLS implementation; a second call in one process is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("building an HTTP client failed")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a relay's port failed")?;
        let address = listener.local_addr().context("opening a relay's port failed")?;
        let shared = Arc::new(Shared { http, collector, again: Mutex::default(), repeated: Mutex::default() });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { axum::serve(listener, router).await }));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where the agent connects.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many deliveries were handed over a second time.
    #[must_use]
    pub fn repeated(&self) -> usize {
        *self.shared.repeated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let is_poll = request.uri().path().ends_with("/commands");
    if is_poll && let Some(again) = shared.again.lock().unwrap_or_else(PoisonError::into_inner).take() {
        *shared.repeated.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        return Response::new(Body::from(again));
    }
    match shared.forward(request).await {
        Ok((status, headers, body)) => {
            let holds_commands = CommandDelivery::decode(&body).is_ok_and(|delivery| !delivery.commands.is_empty());
            if is_poll && status.is_success() && holds_commands {
                *shared.again.lock().unwrap_or_else(PoisonError::into_inner) = Some(body.clone());
            }
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            if let Some(kind) = headers.get("content-type") {
                response.headers_mut().insert("content-type", kind.clone());
            }
            response
        }
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

/// Hands a request on to the collector and returns its answer.
pub(crate) async fn forward(
    http: &reqwest::Client,
    collector: SocketAddr,
    parts: Parts,
    body: Bytes,
) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
    let url = format!("http://{collector}{}", parts.uri);
    let mut headers = parts.headers;
    headers.remove("host");
    headers.remove("content-length");
    let answer = http.request(parts.method, url).headers(headers).body(body).send().await;
    let answer = answer.context("the collector did not answer")?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok((status, headers, answer.bytes().await.context("the answer ended early")?))
}

impl Shared {
    async fn forward(&self, request: Request) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES).await.context("reading a request failed")?;
        forward(&self.http, self.collector, parts, body).await
    }
}
