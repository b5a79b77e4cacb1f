//! Stands between agent and collector and writes down what each had told the other, and when.
//!
//! A request is noted when it has arrived whole, an answer before it is passed on: whoever sent something had it on
//! disk by then, or must have had.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use kouan_protocol::limits::BODY_BYTES;
use kouan_protocol::session::{Hello, Receipt, Upload, Welcome};
use kouan_protocol::{Digest, Epoch, Incarnation, frame};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cuts::now;
use crate::relay::forward;

/// Something that one side knew at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<T> {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub(super) at: u64,
    /// What.
    pub(super) what: T,
}

/// A batch that the agent sent or claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SentBatch {
    pub(super) lane: u32,
    pub(super) epoch: Epoch,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) digest: Digest,
}

/// A position that the collector promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) lane: u32,
    pub(super) epoch: Epoch,
    pub(super) stored_seq: u64,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Testimony {
    /// What the agent sent.
    pub(super) sent: Vec<Known<SentBatch>>,
    /// What the collector confirmed.
    pub(super) promised: Vec<Known<Promise>>,
    /// The lives of the agent's folder and journal.
    pub(super) agent: Vec<Known<(Incarnation, Incarnation)>>,
    /// The life of the collector's folder.
    pub(super) collector: Vec<Known<Incarnation>>,
}

/// What was known at that time.
pub(super) fn until<T>(known: &[Known<T>], at: u64) -> impl Iterator<Item = &T> {
    known.iter().filter(move |known| known.at <= at).map(|known| &known.what)
}

/// The witness.
#[derive(Debug)]
pub(super) struct Witness {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    collector: SocketAddr,
    testimony: Mutex<Testimony>,
}

impl Witness {
    /// Listens on any free port.
    pub(super) async fn start(collector: SocketAddr) -> anyhow::Result<Self> {
        // The process-wide TLS implementation; a second call in one process is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("building an HTTP client failed")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("opening a witness's port failed")?;
        let address = listener.local_addr().context("opening a witness's port failed")?;
        let shared = Arc::new(Shared { http, collector, testimony: Mutex::default() });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { axum::serve(listener, router).await }));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// Where the agent connects.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was said so far; it is forgotten here.
    pub(super) fn testimony(&self) -> Testimony {
        std::mem::take(&mut *self.shared.testimony())
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match shared.pass(parts, body).await {
        Ok(response) => response,
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

impl Shared {
    async fn pass(&self, parts: Parts, body: Body) -> anyhow::Result<Response> {
        let body = to_bytes(body, BODY_BYTES).await.context("reading a request failed")?;
        let path = parts.uri.path().to_owned();
        self.note_request(&path, &body)?;
        let (status, headers, answer) = forward(&self.http, self.collector, parts, body).await?;
        if status.is_success() {
            self.note_answer(&path, &answer)?;
        }
        let mut response = Response::new(Body::from(answer));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().remove("transfer-encoding");
        Ok(response)
    }

    fn note_request(&self, path: &str, body: &Bytes) -> anyhow::Result<()> {
        let at = now()?;
        if path.ends_with("/hello") {
            let hello = Hello::decode(body).context("a hello cannot be read")?;
            let claimed = hello.lanes.iter().flat_map(|claim| {
                let kept = claim.digests.iter().filter(|batch| batch.first_seq >= claim.oldest_seq);
                kept.map(|batch| SentBatch {
                    lane: claim.lane.number(),
                    epoch: claim.epoch,
                    first_seq: batch.first_seq,
                    last_seq: batch.last_seq,
                    digest: batch.digest,
                })
            });
            let mut testimony = self.testimony();
            testimony.sent.extend(claimed.map(|what| Known { at, what }));
            testimony.agent.push(Known { at, what: (hello.incarnation, hello.journal) });
        } else if path.ends_with("/upload") {
            let plain = frame::decompress(body).context("an upload cannot be unpacked")?;
            let upload = Upload::decode(&plain).context("an upload cannot be read")?;
            let sent = upload.batches.iter().map(|batch| SentBatch {
                lane: batch.lane,
                epoch: batch.epoch,
                first_seq: batch.first_seq,
                last_seq: batch.last_seq,
                digest: batch.digest,
            });
            self.testimony().sent.extend(sent.map(|what| Known { at, what }));
        }
        Ok(())
    }

    fn note_answer(&self, path: &str, body: &Bytes) -> anyhow::Result<()> {
        let at = now()?;
        if path.ends_with("/hello") {
            let welcome = Welcome::decode(body).context("a welcome cannot be read")?;
            let mut testimony = self.testimony();
            testimony.collector.push(Known { at, what: welcome.incarnation });
            let settled = welcome.lanes.iter().map(|verdict| Promise {
                lane: verdict.lane.number(),
                epoch: verdict.epoch,
                stored_seq: verdict.stored_seq,
            });
            testimony.promised.extend(settled.map(|what| Known { at, what }));
        } else if path.ends_with("/upload") {
            let receipt = Receipt::decode(body).context("a receipt cannot be read")?;
            let stored = receipt.stored.iter().map(|position| Promise {
                lane: position.lane,
                epoch: position.epoch,
                stored_seq: position.stored_seq,
            });
            self.testimony().promised.extend(stored.map(|what| Known { at, what }));
        }
        Ok(())
    }

    fn testimony(&self) -> MutexGuard<'_, Testimony> {
        self.testimony.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
