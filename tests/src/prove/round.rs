//! One round: a site, a schedule, and the comparison at the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kouan_protocol::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use super::asking::{Asked, ask_commands};
use super::check::Evidence;
use super::device::{self, NumberedDevice};
use super::drive::{Outages, break_clocks, break_disk, break_line, break_programs, let_people_pass, until};
use super::schedule::Schedule;
use super::site::{Shape, Site, key};
use super::stored::Stored;
use super::tally::Tally;
use crate::{Collector, SHORT, wait_until};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// How often the log is read while something is on its way.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a program may take to stop in order.
const STOP: Duration = Duration::from_secs(10);

/// Few devices that are asked often: faults are to meet as much as they can.
const SHAPE: Shape = Shape {
    devices: 4,
    profile: device::PROFILE,
    commit_every: Duration::from_millis(100),
    breakable: true,
    encrypted: false,
};
/// Agent and collector speak TLS in every fourth round.
const ENCRYPTED_EVERY: u64 = 4;

/// What came of a round.
#[derive(Debug)]
pub struct Round {
    /// Its seed.
    pub seed: u64,
    /// Its figures.
    pub tally: Tally,
    /// Its folder, which is kept if something is broken.
    pub kept: Option<PathBuf>,
}

impl Round {
    /// Runs a round of which `length` is full of faults.
    ///
    /// # Errors
    /// When the site does not come up in the first place.
    pub async fn run(seed: u64, length: Duration) -> anyhow::Result<Self> {
        let schedule = Schedule::draw(seed, length);
        let shape = Shape { encrypted: seed.is_multiple_of(ENCRYPTED_EVERY), ..SHAPE };
        let mut site =
            Site::start(seed, shape).await.with_context(|| format!("starting the site of seed {seed} failed"))?;
        let tally = match play(&mut site, &schedule, seed, length).await {
            Ok(tally) => tally,
            Err(error) => Tally { broken: vec![format!("{error:#}")], ..Tally::default() },
        };
        let kept = if tally.broken.is_empty() { None } else { Some(site.keep()) };
        Ok(Self { seed, tally, kept })
    }
}

async fn play(site: &mut Site, schedule: &Schedule, seed: u64, length: Duration) -> anyhow::Result<Tally> {
    let start = Instant::now();
    let stop = CancellationToken::new();
    let faults = async {
        let broken = tokio::join!(
            break_programs(schedule, start, seed, &mut site.agent, &mut site.collector),
            break_line(&schedule.line, start, &site.line),
            break_disk(&schedule.disk, start, &site.disk),
            break_clocks(&schedule.clocks, start, &site.agent_clock, &site.collector_clock),
            until(start + length),
        );
        stop.cancel();
        broken.2.and(broken.3).and(broken.0)
    };
    let (outages, (), asked) = tokio::join!(
        faults,
        let_people_pass(&site.devices, seed, &stop),
        ask_commands(&site.api, &site.ids, seed, &stop),
    );
    let outages = outages?;
    let disk_broke = !schedule.disk.is_empty() || schedule.damages_files();
    conclude(site, &outages, &asked, disk_broke).await
}

/// Waits until everything has come to rest, and compares.
pub(super) async fn conclude(
    site: &mut Site,
    outages: &Outages,
    asked: &[Asked],
    disk_broke: bool,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    if let Err(error) = site.settle().await {
        tally.broken(format!("{error:#}"));
    }
    let commands = site.api.list("/commands?limit=1000").await?;
    let stored = read_to_the_end(site).await?;
    let mut history = Vec::new();
    for (index, id) in site.ids.iter().enumerate() {
        let wanted = stored.numbers.get(&key(index)).map_or(0, Vec::len);
        let look = async || numbers_in_history(site, id).await;
        // The history follows the log at its own pace.
        history.push(wait_until("the history", SHORT, look, |numbers| numbers.len() >= wanted).await?);
    }
    let evidence =
        Evidence { site, outages, asked, stored: &stored, commands: &commands, history: &history, disk_broke };
    tally.add(evidence.compare());
    if let Some(problem) = verify(&site.collector).await? {
        tally.broken(problem);
    }
    for (name, ended) in [("agent", site.agent.stop(STOP).await), ("collector", site.collector.stop(STOP).await)] {
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => tally.broken(format!("the {name} ended with {status}")),
            Err(error) => tally.broken(format!("the {name} does not stop: {error:#}")),
        }
    }
    Ok(tally)
}

/// Reads the log once the last number of every device is in it: what the API shows may come from a snapshot, which
/// overtakes the reading itself. A last number that does not come is for the comparison to tell.
async fn read_to_the_end(site: &Site) -> anyhow::Result<Stored> {
    let until = Instant::now() + SHORT;
    loop {
        let stored = Stored::read(&site.collector.data())?;
        let has_last = |(index, device): (usize, &NumberedDevice)| {
            let numbers = stored.numbers.get(&key(index)).and_then(|numbers| numbers.last());
            numbers.is_some_and(|last| last.number == device.last_number())
        };
        if site.devices.iter().enumerate().all(has_last) || Instant::now() >= until {
            return Ok(stored);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn numbers_in_history(site: &Site, id: &str) -> anyhow::Result<Vec<u64>> {
    let now = SystemClock::new().context("reading the clock failed")?.wall();
    let mut numbers = Vec::new();
    // A clock that is a year wrong puts readings a year away, and one request reaches over 400 days.
    for (from, to) in [(-790, -395), (-395, 5), (5, 400)] {
        let (from, to) = (now.plus_ms(from * DAY_MS).0, now.plus_ms(to * DAY_MS).0);
        let path = format!("/devices/{id}/readings?point=number&from={from}&to={to}&limit=10000");
        let rows = site.api.list(&path).await?;
        numbers.extend(rows.iter().filter_map(|row| row["value"].as_f64()).map(|value| value as u64));
    }
    Ok(numbers)
}

/// What the collector's own check finds wrong.
async fn verify(collector: &Collector) -> anyhow::Result<Option<String>> {
    let look = async || collector.verify().await;
    // Its readers follow the log at their own pace.
    match wait_until("verify", SHORT, look, |(right, _)| *right).await {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(format!("verify disagrees: {error:#}"))),
    }
}
