//! The agents that send what a place lives through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kouan_protocol::{Lane, limits};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::life::{Due, Life};
use super::troubles::Troubles;
use crate::dice::Dice;
use crate::played_agent::{Contents, Epochs, PlayedAgent, PlayedClock, earlier};

/// How often an agent commits its readings and sends them.
const COMMIT: Duration = Duration::from_secs(1);
/// Seconds of life in one upload, where the collector alone sets the pace.
const COALESCED_S: u64 = 20;

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
    pub(crate) uploads: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) pushed_back: AtomicU64,
    /// How late a second was begun, at worst, in milliseconds: this side could not follow, or receipts came too late.
    pub(crate) latest_ms: AtomicU64,
    latencies: Mutex<Vec<f64>>,
}

impl Tally {
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
        Ok(Self { agent, life, epochs, clock, tally })
    }

    /// Lives and sends, second by second, until it is stopped. It waits for commands all the while.
    pub(crate) async fn live(mut self, stop: CancellationToken) -> anyhow::Result<()> {
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

    /// Lives through the last `seconds` as fast as the collector takes them.
    pub(crate) async fn relive(&mut self, seconds: u64) -> anyhow::Result<()> {
        let now = self.clock.anchor();
        let mut left = seconds;
        while left > 0 {
            let part = left.min(COALESCED_S);
            for at in 0..part {
                let second = earlier(&now, (left - at) * 1000);
                self.life.second(second.wall.0.unsigned_abs() / 1000, second.boot_time);
            }
            left -= part;
            let due = self.life.take(&earlier(&now, left * 1000));
            self.send(due).await?;
        }
        Ok(())
    }

    async fn send(&mut self, due: Due) -> anyhow::Result<()> {
        let events = due.events.as_ref().map_or(0, |batch| batch.count);
        let batches = [(Lane::Urgent, due.urgent), (Lane::Events, due.events), (Lane::Readings, due.readings)];
        let batches: Vec<_> = batches.into_iter().filter_map(|(lane, batch)| Some((lane, batch?))).collect();
        let polled = std::mem::take(&mut self.life.polled);
        if batches.is_empty() {
            return Ok(());
        }
        let envelopes = batches.iter().map(|(lane, batch)| self.epochs.envelope(*lane, batch)).collect();
        let contents = Contents::new(vec![], envelopes, vec![])?;
        let stored = self.agent.upload(&contents).await?;
        for (lane, batch) in &batches {
            stored.check(*lane, batch.last_seq())?;
        }
        let tally = &self.tally;
        tally.ever_kept.fetch_add(due.kept, Ordering::Relaxed);
        if tally.counts.load(Ordering::Relaxed) {
            let more = |counter: &AtomicU64, count: u64| _ = counter.fetch_add(count, Ordering::Relaxed);
            more(&tally.polled, polled);
            more(&tally.kept, due.kept);
            more(&tally.rows, due.rows);
            more(&tally.events, events);
            more(&tally.uploads, 1);
            more(&tally.bytes, contents.len() as u64);
            more(&tally.pushed_back, u64::from(stored.pushed_back));
            let mut latencies = tally.latencies.lock().unwrap_or_else(PoisonError::into_inner);
            latencies.push(stored.took.as_secs_f64() * 1000.0);
        }
        Ok(())
    }
}
