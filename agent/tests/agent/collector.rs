//! A collector that does as it is told, and remembers what came in which order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kouan_protocol::session::{
    CommandDelivery, Hello, LanePosition, LaneVerdict, MEDIA_TYPE, Receipt, Upload, Welcome,
};
use kouan_protocol::*;
use tokio::sync::watch;

/// No test waits longer for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What came, in order.
#[derive(Debug, Clone)]
pub(crate) enum Arrival {
    Hello,
    /// An upload of a lane reached the collector; it may not be answered yet.
    Begun(Lane),
    /// Opened snapshots of one upload.
    Snapshots(Vec<Batch>),
    Stored(Lane, Vec<Digest>, Vec<Batch>),
    PushedBack,
}

impl Arrival {
    fn short(&self) -> String {
        match self {
            Self::Hello => "hello".to_owned(),
            Self::Begun(lane) => format!("{lane} began"),
            Self::Snapshots(snapshots) => format!("{} snapshots", snapshots.len()),
            Self::Stored(lane, _, batches) => {
                let (first, last) = (batches.first().map(|batch| batch.first_seq), batches.last().map(Batch::last_seq));
                format!("{lane} {first:?} to {last:?} stored")
            }
            Self::PushedBack => "pushed back".to_owned(),
        }
    }
}

#[derive(Debug)]
struct Script {
    kinds: Vec<RecordKind>,
    positions: Mutex<HashMap<(u32, Epoch), u64>>,
    arrivals: watch::Sender<Vec<Arrival>>,
    /// Uploads of readings are answered while this is true.
    readings: watch::Sender<bool>,
    busy: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    script: Arc<Script>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Script {
            kinds: RecordKind::KNOWN.to_vec(),
            positions: Mutex::default(),
            arrivals: watch::Sender::new(Vec::new()),
            readings: watch::Sender::new(true),
            busy: AtomicUsize::new(0),
        });
        let router = axum::Router::new()
            .route("/healthz", get(|| async {}))
            .route("/agent/v1/hello", post(hello))
            .route("/agent/v1/upload", post(upload))
            .route("/agent/v1/commands", post(poll))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, task }
    }

    /// Whether uploads of readings are answered.
    pub(crate) fn answer_readings(&self, answer: bool) {
        self.script.readings.send_replace(answer);
    }

    /// The next uploads are told to come again.
    pub(crate) fn push_back(&self, uploads: usize) {
        self.script.busy.store(uploads, Ordering::SeqCst);
    }

    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.script.arrivals.borrow().clone()
    }

    /// Waits until `find` finds something among what came.
    pub(crate) async fn wait<T>(&self, what: &str, find: impl Fn(&[Arrival]) -> Option<T>) -> T {
        let mut arrivals = self.script.arrivals.subscribe();
        let found = async {
            loop {
                if let Some(found) = find(&arrivals.borrow_and_update()) {
                    return found;
                }
                arrivals.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| {
            let arrivals = self.arrivals();
            let came: Vec<_> = arrivals.iter().map(Arrival::short).collect();
            panic!("{what} did not happen; what came: {}", came.join(", "))
        })
    }

    /// Everything that is stored of a lane, once it reaches the number.
    pub(crate) async fn stored(&self, lane: Lane, up_to: u64) -> Vec<Batch> {
        let find = |arrivals: &[Arrival]| {
            let batches: Vec<_> = arrivals
                .iter()
                .filter_map(|arrival| match arrival {
                    Arrival::Stored(of, _, batches) if *of == lane => Some(batches.clone()),
                    _ => None,
                })
                .flatten()
                .collect();
            batches.last().is_some_and(|batch| batch.last_seq() >= up_to).then_some(batches)
        };
        self.wait(&format!("{lane} up to {up_to}"), find).await
    }
}

impl Script {
    fn note(&self, arrival: Arrival) {
        self.arrivals.send_modify(|arrivals| arrivals.push(arrival));
    }
}

fn message(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], bytes).into_response()
}

async fn hello(State(script): State<Arc<Script>>, body: Bytes) -> Response {
    let hello = Hello::decode(&body).unwrap();
    script.note(Arrival::Hello);
    let mut positions = script.positions.lock().unwrap();
    let verdict = |claim: session::LaneClaim| LaneVerdict {
        lane: claim.lane,
        epoch: claim.epoch,
        stored_seq: *positions.entry((claim.lane.number(), claim.epoch)).or_insert(claim.oldest_seq - 1),
        new_epoch: false,
        reason: String::new(),
        last: None,
    };
    let welcome = Welcome {
        session: SessionId::random(),
        incarnation: Incarnation(1),
        time: Timestamp(0),
        kinds: script.kinds.clone(),
        lanes: hello.lanes.into_iter().map(verdict).collect(),
        wanted_catalogues: hello.catalogues,
        agent: "hall-1".parse().unwrap(),
        site: "hall".to_owned(),
    };
    message(welcome.encode())
}

async fn upload(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers[header::CONTENT_ENCODING], "zstd");
    let upload = Upload::decode(&frame::decompress(&body).unwrap()).unwrap();
    if script.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        script.note(Arrival::PushedBack);
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response();
    }
    if !upload.snapshots.is_empty() {
        let snapshots = upload.snapshots.iter().map(|body| Batch::decode(body).unwrap());
        script.note(Arrival::Snapshots(snapshots.collect()));
    }
    let mut stored = Vec::new();
    if let Some(first) = upload.batches.first() {
        let lane = Lane::from_number(first.lane).unwrap();
        script.note(Arrival::Begun(lane));
        if lane == Lane::Readings {
            script.readings.subscribe().wait_for(|answer| *answer).await.unwrap();
        }
        let mut positions = script.positions.lock().unwrap();
        let position = positions.get_mut(&(first.lane, first.epoch)).unwrap();
        let (mut digests, mut batches) = (Vec::new(), Vec::new());
        for envelope in &upload.batches {
            if envelope.last_seq <= *position {
                continue;
            }
            assert_eq!(envelope.first_seq, *position + 1, "a lane arrives in order and without a hole");
            *position = envelope.last_seq;
            digests.push(envelope.digest);
            batches.push(Batch::decode(&envelope.body).unwrap());
        }
        stored.push(LanePosition { lane: first.lane, epoch: first.epoch, stored_seq: *position });
        script.note(Arrival::Stored(lane, digests, batches));
    }
    let receipt = Receipt {
        stored,
        time: Timestamp(0),
        commands_wait: false,
        wanted_catalogues: Vec::new(),
        quarantined: 0,
        held_ms: 0,
    };
    message(receipt.encode())
}

async fn poll() -> Response {
    tokio::time::sleep(Duration::from_secs(20)).await;
    message(CommandDelivery { held_ms: 20_000, commands: Vec::new() }.encode())
}
