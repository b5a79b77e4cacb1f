//! The agents that send what a place lives through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use kouan_protocol::{Batch, Lane, limits};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::life::{Due, Life, Pace};
use super::troubles::Troubles;
use crate::dice::Dice;
use crate::played_agent::{Contents, Epochs, PlayedAgent, PlayedClock, Standing, Stored, earlier};

/// How often an agent commits its readings and sends them.
const COMMIT: Duration = Duration::from_secs(1);

/// How much life goes into one upload, where the collector alone sets the pace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parcel {
    /// Seconds at most.
    pub(crate) seconds: u64,
    /// Rows, about.
    pub(crate) rows: u64,
}

impl Parcel {
    /// Twenty seconds.
    pub(crate) const SHORT: Self = Self { seconds: 20, rows: u64::MAX };
}

/// What all agents did while it counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: AtomicBool,
    pub(crate) polled: AtomicU64,
    pub(crate) kept: AtomicU64,
    /// Also while it did not count.
    pub(crate) ever_kept: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) events: AtomicU64,
    /// Also while it did not count.
    pub(crate) ever_events: AtomicU64,
    pub(crate) uploads: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) pushed_back: AtomicU64,
    /// How late a second was begun, at worst, in milliseconds: this side could not follow, or receipts came too late.
    pub(crate) latest_ms: AtomicU64,
    latencies: Mutex<Vec<f64>>,
}

impl Tally {
    /// Counts anew from now on.
    pub(crate) fn begin(&self) {
        for counter in [
            &self.polled,
            &self.kept,
            &self.rows,
            &self.events,
            &self.uploads,
            &self.bytes,
            &self.pushed_back,
            &self.latest_ms,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.take_latencies();
        self.counts.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_latencies(&self) -> Vec<f64> {
        std::mem::take(&mut self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An agent, its place and its session.
pub(crate) struct Playing {
    agent: PlayedAgent,
    life: Life,
    epochs: Epochs,
    clock: PlayedClock,
    tally: Arc<Tally>,
    /// What was sent last and has no receipt.
    unsent: Vec<(Lane, Batch)>,
}

impl Playing {
    /// Says hello and sends the catalogue and the state of everything.
    pub(crate) async fn begin(
        http: reqwest::Client,
        url: &str,
        token: &str,
        mut life: Life,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let (clock, epochs) = (PlayedClock::new()?, Epochs::random());
        let agent = PlayedAgent::hello(http, url, token, clock.clone(), &epochs, life.hash).await?;
        let snapshot = life.snapshot(&clock.anchor());
        agent.upload(&Contents::new(vec![life.encoded.clone()], vec![], vec![snapshot])?).await?;
        Ok(Self { agent, life, epochs, clock, tally, unsent: Vec::new() })
    }

    /// Says hello to a collector that was started again, and sends what it has no receipt for.
    pub(crate) async fn again(&mut self, http: reqwest::Client, url: &str) -> anyhow::Result<()> {
        let oldest = |lane: Lane| self.unsent.iter().find(|(of, _)| *of == lane).map(|(_, batch)| batch.first_seq);
        let standing = |(lane, next_seq)| Standing { lane, oldest_seq: oldest(lane).unwrap_or(next_seq), next_seq };
        let lanes = self.life.next_numbers().map(standing);
        let stored = self.agent.hello_again(http, url, &self.epochs, &lanes).await?;
        let stored = |lane: Lane| stored.iter().find(|(of, _)| *of == lane).map_or(0, |(_, seq)| *seq);
        for Standing { lane, oldest_seq, .. } in lanes {
            let confirmed = oldest_seq - 1;
            ensure!(stored(lane) >= confirmed, "{confirmed} of lane {lane} was confirmed, {} is there", stored(lane));
        }
        self.unsent.retain(|(lane, batch)| batch.first_seq > stored(*lane));
        self.deliver().await.map(drop)
    }

    /// Lives and sends, second by second, until it is stopped. It waits for commands all the while.
    pub(crate) async fn live(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        self.live_on(stop).await
    }

    /// The same of an agent that is needed afterwards.
    pub(crate) async fn live_on(&mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let (agent, ended) = (self.agent.clone(), stop.clone());
        let polls = tokio::spawn(async move {
            while let Some(polled) = ended.run_until_cancelled(agent.poll(limits::POLL_MS)).await {
                polled?;
            }
            anyhow::Ok(())
        });
        let mut dice = Dice::new(self.life.hash.0);
        let mut next = Instant::now() + Duration::from_millis(dice.next() % 1000);
        while stop.run_until_cancelled(tokio::time::sleep_until(next)).await.is_some() {
            let late = u64::try_from(next.elapsed().as_millis()).unwrap_or(u64::MAX);
            if self.tally.counts.load(Ordering::Relaxed) {
                self.tally.latest_ms.fetch_max(late, Ordering::Relaxed);
            }
            let anchor = self.clock.anchor();
            let second = earlier(&anchor, 1000);
            self.life.second(second.wall.0.unsigned_abs() / 1000, second.boot_time);
            let due = self.life.take(&anchor);
            self.send(due).await?;
            next += COMMIT;
        }
        polls.await?
    }

    /// From now on these go wrong.
    pub(crate) fn suffer(&mut self, troubles: Troubles) {
        self.life.suffer(troubles);
    }

    /// A device falls silent or answers again, and the collector is told at once, as agents do.
    pub(crate) async fn flip(&mut self, device: usize, silent: bool) -> anyhow::Result<()> {
        let anchor = self.clock.anchor();
        self.life.set_silent(device, silent, anchor.boot_time);
        let due = self.life.take(&anchor);
        self.send(due).await
    }

    /// From now on its place lives at that pace.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.life.set_pace(pace);
    }

    /// Lives through the last `seconds` as fast as the collector takes them.
    pub(crate) async fn relive(&mut self, seconds: u64) -> anyhow::Result<()> {
        let now_s = self.clock.anchor().wall.0.unsigned_abs() / 1000;
        self.relive_between(now_s - seconds, now_s, Parcel::SHORT).await
    }

    /// Lives from one second since 1970 to another, both past, as fast as the collector takes it.
    pub(crate) async fn relive_between(&mut self, from_s: u64, to_s: u64, parcel: Parcel) -> anyhow::Result<()> {
        let now = self.clock.anchor();
        let before = |second: u64| earlier(&now, now.wall.0.unsigned_abs().saturating_sub(second * 1000));
        let (mut at, mut sent) = (from_s, from_s);
        while at < to_s {
            self.life.second(at, before(at).boot_time);
            at += self.life.tick_s();
            if at - sent >= parcel.seconds || self.life.waiting() >= parcel.rows || at >= to_s {
                let due = self.life.take(&before(at));
                self.send(due).await?;
                sent = at;
            }
        }
        Ok(())
    }

    async fn send(&mut self, due: Due) -> anyhow::Result<()> {
        let events = due.events.as_ref().map_or(0, |batch| batch.count);
        let batches = [(Lane::Urgent, due.urgent), (Lane::Events, due.events), (Lane::Readings, due.readings)];
        self.unsent = batches.into_iter().filter_map(|(lane, batch)| Some((lane, batch?))).collect();
        let polled = std::mem::take(&mut self.life.polled);
        let Some((stored, bytes)) = self.deliver().await? else { return Ok(()) };
        let tally = &self.tally;
        tally.ever_kept.fetch_add(due.kept, Ordering::Relaxed);
        tally.ever_events.fetch_add(events, Ordering::Relaxed);
        if tally.counts.load(Ordering::Relaxed) {
            let more = |counter: &AtomicU64, count: u64| _ = counter.fetch_add(count, Ordering::Relaxed);
            more(&tally.polled, polled);
            more(&tally.kept, due.kept);
            more(&tally.rows, due.rows);
            more(&tally.events, events);
            more(&tally.uploads, 1);
            more(&tally.bytes, bytes);
            more(&tally.pushed_back, u64::from(stored.pushed_back));
            let mut latencies = tally.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.push(stored.took.as_secs_f64() * 1000.0);
        }
        Ok(())
    }

    /// Sends what has no receipt, and checks the receipt. Returns it and the bytes of the upload; `None` where there is
    /// nothing to send.
    async fn deliver(&mut self) -> anyhow::Result<Option<(Stored, u64)>> {
        if self.unsent.is_empty() {
            return Ok(None);
        }
        let envelopes = self.unsent.iter().map(|(lane, batch)| self.epochs.envelope(*lane, batch)).collect();
        let contents = Contents::new(vec![], envelopes, vec![])?;
        let stored = self.agent.upload(&contents).await?;
        for (lane, batch) in self.unsent.drain(..) {
            stored.check(lane, batch.last_seq())?;
        }
        Ok(Some((stored, contents.len() as u64)))
    }
}
