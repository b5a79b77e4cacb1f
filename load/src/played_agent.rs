//! An agent as the collector sees one: hello, uploads, receipts. What it sends is made up; how it sends it is not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use kouan_protocol::session::{
    CommandPoll, Envelope, Hello, LaneClaim, MEDIA_TYPE, PROTOCOL, Receipt, Upload, Welcome,
};
use kouan_protocol::{
    Anchor, Batch, BootId, CatalogueHash, Clock as _, Digest, Epoch, Incarnation, Lane, RecordKind, SessionId,
    SystemClock, frame,
};
use reqwest::header;

use crate::dice::Dice;

/// How far the played machines' boot clocks are ahead of this one's, so that a month lies within one boot.
const UPTIME_MS: u64 = 400 * 86_400_000;
/// Times that a refused upload is sent again before it counts as a failure.
const ATTEMPTS: u32 = 600;

/// A client that keeps its connections.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90));
    client.build().context("building an HTTP client failed")
}

/// The clocks of a played machine: this one's, on a boot of its own that has lasted for long.
#[derive(Debug, Clone)]
pub(crate) struct PlayedClock {
    clock: SystemClock,
    boot: BootId,
}

impl PlayedClock {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { clock: SystemClock::new().context("reading the boot's id failed")?, boot: BootId::random() })
    }

    pub(crate) fn anchor(&self) -> Anchor {
        let mut anchor = self.clock.anchor();
        (anchor.boot, anchor.trusted) = (self.boot, true);
        anchor.boot_time = anchor.boot_time.plus_ms(UPTIME_MS);
        anchor
    }
}

/// The clocks so many milliseconds before `anchor`.
pub(crate) fn earlier(anchor: &Anchor, ms: u64) -> Anchor {
    let mut anchor = *anchor;
    anchor.boot_time.0 = anchor.boot_time.0.saturating_sub(ms);
    anchor.wall = anchor.wall.plus_ms(-i64::try_from(ms).unwrap_or(i64::MAX));
    anchor
}

/// The epochs of an agent's lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epochs([Epoch; 3]);

impl Epochs {
    pub(crate) fn random() -> Self {
        Self([Epoch::random(), Epoch::random(), Epoch::random()])
    }

    fn of(&self, lane: Lane) -> Epoch {
        match lane {
            Lane::Urgent => self.0[0],
            Lane::Events => self.0[1],
            Lane::Readings => self.0[2],
        }
    }

    /// A batch as it travels.
    pub(crate) fn envelope(&self, lane: Lane, batch: &Batch) -> Envelope {
        let body = batch.encode();
        Envelope {
            lane: lane.number(),
            epoch: self.of(lane),
            first_seq: batch.first_seq,
            last_seq: batch.last_seq(),
            digest: Digest::of(&body),
            body,
        }
    }
}

/// What an upload carries, as it travels.
#[derive(Debug, Default)]
pub(crate) struct Contents(Vec<u8>);

impl Contents {
    pub(crate) fn new(
        catalogues: Vec<Vec<u8>>,
        batches: Vec<Envelope>,
        snapshots: Vec<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let plain = Upload::encode_contents(catalogues, batches, snapshots);
        Ok(Self(frame::compress(&plain).context("compressing an upload failed")?))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// An upload that was stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// From the first attempt to the receipt.
    pub(crate) took: Duration,
    /// Times that the collector asked to come again.
    pub(crate) pushed_back: u32,
    receipt: Receipt,
}

impl Stored {
    /// Fails unless the lane is stored up to `last_seq`.
    pub(crate) fn check(&self, lane: Lane, last_seq: u64) -> anyhow::Result<()> {
        let stored = self.receipt.stored.iter().find(|at| at.lane == lane.number()).map_or(0, |at| at.stored_seq);
        ensure!(stored == last_seq, "the collector stored lane {lane} up to {stored}, not {last_seq}");
        ensure!(self.receipt.quarantined == 0, "{} batches went into quarantine", self.receipt.quarantined);
        Ok(())
    }
}

/// An agent in a session.
#[derive(Debug, Clone)]
pub(crate) struct PlayedAgent {
    http: reqwest::Client,
    url: String,
    token: String,
    session: SessionId,
    clock: PlayedClock,
    incarnations: [Incarnation; 2],
    catalogue: CatalogueHash,
}

/// Where a lane of an agent stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) lane: Lane,
    /// The first number that the agent still has.
    pub(crate) oldest_seq: u64,
    /// The next number that it gives out.
    pub(crate) next_seq: u64,
}

impl PlayedAgent {
    /// Says hello with empty lanes.
    pub(crate) async fn hello(
        http: reqwest::Client,
        url: &str,
        token: &str,
        clock: PlayedClock,
        epochs: &Epochs,
        catalogue: CatalogueHash,
    ) -> anyhow::Result<Self> {
        let mut agent = Self {
            http,
            url: url.to_owned(),
            token: token.to_owned(),
            session: SessionId(0),
            clock,
            incarnations: [Incarnation::random(), Incarnation::random()],
            catalogue,
        };
        let empty = |lane: Lane| Standing { lane, oldest_seq: 1, next_seq: 1 };
        agent.greet(epochs, &[Lane::Urgent, Lane::Events, Lane::Readings].map(empty)).await?;
        Ok(agent)
    }

    /// Says hello to a collector that was started again. Returns up to where it has each lane.
    pub(crate) async fn hello_again(
        &mut self,
        http: reqwest::Client,
        url: &str,
        epochs: &Epochs,
        lanes: &[Standing],
    ) -> anyhow::Result<Vec<(Lane, u64)>> {
        (self.http, self.url) = (http, url.to_owned());
        let welcome = self.greet(epochs, lanes).await?;
        let disagrees = welcome.lanes.iter().find(|verdict| verdict.new_epoch);
        if let Some(verdict) = disagrees {
            bail!("the collector disagrees about lane {}: {}", verdict.lane, verdict.reason);
        }
        Ok(welcome.lanes.iter().map(|verdict| (verdict.lane, verdict.stored_seq)).collect())
    }

    async fn greet(&mut self, epochs: &Epochs, lanes: &[Standing]) -> anyhow::Result<Welcome> {
        let claim = |standing: &Standing| LaneClaim {
            lane: standing.lane,
            epoch: epochs.of(standing.lane),
            oldest_seq: standing.oldest_seq,
            next_seq: standing.next_seq,
            digests: vec![],
            volatile: false,
        };
        let hello = Hello {
            protocol: PROTOCOL,
            software: "kouan-load".to_owned(),
            incarnation: self.incarnations[0],
            journal: self.incarnations[1],
            now: self.clock.anchor(),
            lanes: lanes.iter().map(claim).collect(),
            kinds: RecordKind::KNOWN.to_vec(),
            catalogues: vec![self.catalogue],
            config_hash: String::new(),
        };
        let (answer, _) = self.post("hello", hello.encode(), false).await?;
        let welcome = Welcome::decode(&answer)?;
        self.session = welcome.session;
        Ok(welcome)
    }

    pub(crate) async fn upload(&self, contents: &Contents) -> anyhow::Result<Stored> {
        let started = Instant::now();
        let mut body = frame::compress(&Upload::encode_stamp(self.session, &self.clock.anchor()))?;
        body.extend_from_slice(&contents.0);
        let (answer, pushed_back) = self.post("upload", body, true).await?;
        Ok(Stored { took: started.elapsed(), pushed_back, receipt: Receipt::decode(&answer)? })
    }

    /// Waits for commands, as agents always do.
    pub(crate) async fn poll(&self, wait_ms: u32) -> anyhow::Result<()> {
        let poll = CommandPoll { session: self.session, wait_ms };
        self.post("commands", poll.encode(), false).await.map(drop)
    }

    async fn post(&self, path: &str, body: Vec<u8>, compressed: bool) -> anyhow::Result<(Vec<u8>, u32)> {
        let url = format!("{}/agent/v1/{path}", self.url);
        let body = bytes::Bytes::from(body);
        let mut dice = Dice::new(body.len() as u64);
        for pushed_back in 0..ATTEMPTS {
            let mut request = self.http.post(&url).bearer_auth(&self.token).header(header::CONTENT_TYPE, MEDIA_TYPE);
            if compressed {
                request = request.header(header::CONTENT_ENCODING, "zstd");
            }
            let response = request.body(body.clone()).send().await?;
            if matches!(response.status().as_u16(), 429 | 503) {
                tokio::time::sleep(Duration::from_millis(50 + dice.next() % 100)).await;
                continue;
            }
            if !response.status().is_success() {
                bail!("{url} answered {}: {}", response.status(), response.text().await?);
            }
            return Ok((response.bytes().await?.to_vec(), pushed_back));
        }
        bail!("{url} pushed back {ATTEMPTS} times")
    }
}
