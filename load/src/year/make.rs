//! The year.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_figures::process::{cpu_seconds, folder_bytes, settle};
use kouan_protocol::{Clock as _, SystemClock};
use tokio::task::JoinSet;

use super::measure::YearOptions;
use crate::api::Api;
use crate::collector::Collector;
use crate::fleet::estate::{Place, copies};
use crate::fleet::join_since;
use crate::fleet::life::Pace;
use crate::fleet::play::{Parcel, Playing, Tally};

/// Length of a day in seconds.
pub(super) const DAY_S: u64 = 86_400;
/// The place that lives at its full rate all year: twenty devices at the gates of a bonded zone, one of them a rack whose
/// power is read every five seconds.
const LIVELY: &str = "昆山综合保税区";
/// All other places live in steps of a minute.
const TICK_S: u64 = 60;
/// Rows in one upload of the past.
const ROWS: u64 = 6_000;
/// Agents do not run ahead of each other by more, in days: what is near in time is sealed together.
const ROUND: u64 = 2;
/// One event in so many happens at the slow places; at the lively one.
const EVENTS_ONE_IN: (u64, u64) = (400, 20);

/// How long the readers and the sums of a year may take, and how often it is looked.
const LONGEST: Duration = Duration::from_secs(3_600);
const LOOK: Duration = Duration::from_millis(250);

/// A collector with a year, stopped and started again.
pub(super) struct Year {
    pub(super) collector: Collector,
    pub(super) agents: Vec<Playing>,
    pub(super) places: Vec<Place>,
    pub(super) tally: Arc<Tally>,
    /// Where it begins and ends, in seconds since 1970. The day after it is yet to be lived.
    pub(super) span_s: (u64, u64),
    pub(super) made: Made,
}

/// What making it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) devices: usize,
    pub(super) points: usize,
    pub(super) kept: f64,
    pub(super) events: f64,
    /// Seconds until everything was confirmed.
    pub(super) wall: f64,
    /// Seconds after the next start until its sums were made.
    pub(super) summed: f64,
    /// CPU-seconds of the collector, sealing and sums included.
    pub(super) cpu: f64,
    pub(super) history: f64,
    pub(super) log: f64,
    pub(super) state: f64,
}

pub(super) fn is_lively(place: &Place) -> bool {
    place.title == LIVELY
}

/// Makes it through the real ingest: the agents have a year to send that a collector has not seen.
pub(super) async fn make(folder: &Path, options: &YearOptions) -> anyhow::Result<Year> {
    let mut places = copies(0..1)?;
    places.sort_by_key(|place| place.devices.len());
    places.truncate(options.places);
    ensure!(places.iter().any(is_lively), "the lively place must be among them: it is the eleventh by size");
    let names: Vec<String> = places.iter().map(|place| format!("\"{}\"", place.name)).collect();
    // Plates and cards are asked for later.
    let settings = format!("keep_personal_values_at = [{}]\n", names.join(", "));
    let collector = Collector::start_with(folder, &settings).await?;
    let now_s = SystemClock::new()?.wall().0.unsigned_abs() / 1000;
    // The last day, which is lived at full rate later, ends now.
    let end_s = (now_s - DAY_S) / TICK_S * TICK_S;
    let begin_s = end_s - options.days * DAY_S;
    let tally = Arc::new(Tally::default());
    let mut agents = Vec::new();
    // One after the other, so that agents come in the order of their places.
    for place in &places {
        agents.extend(join_since(&collector, std::slice::from_ref(place), &tally, begin_s).await?);
    }
    for (playing, place) in agents.iter_mut().zip(&places) {
        let slow = Pace { tick_s: TICK_S, every_s: options.every_s, events_one_in: EVENTS_ONE_IN.0 };
        let lively = Pace { events_one_in: EVENTS_ONE_IN.1, ..Pace::REAL };
        playing.set_pace(if is_lively(place) { lively } else { slow });
    }
    let (started, pid) = (Instant::now(), collector.pid()?);
    let mut from_s = begin_s;
    while from_s < end_s {
        let to_s = (from_s + ROUND * DAY_S).min(end_s);
        agents = relive(agents, (from_s, to_s), Parcel { seconds: DAY_S, rows: ROWS }).await?;
        from_s = to_s;
    }
    let wall = started.elapsed().as_secs_f64();
    let api = collector.api()?;
    until(LONGEST, async || Ok(api.behind().await? == 0.0)).await.context("the readers do not catch up")?;
    let mut cpu = cpu_seconds(pid)?;
    // What is in memory is sealed by the stop; what is left of the sums is made after the next start.
    let (collector, sealed) = again(collector).await?;
    let (api, summing) = (collector.api()?, Instant::now());
    let last = last_day(&api, &places, end_s).await?;
    until(LONGEST, async || {
        let levels = &api.get(&last).await?["series"][0]["levels"];
        Ok(*levels == serde_json::json!(["1h"]))
    })
    .await
    .context("the sums of the year are not made")?;
    let summed = summing.elapsed().as_secs_f64();
    settle(collector.pid()?).await?;
    cpu += sealed + cpu_seconds(collector.pid()?)?;
    let data = collector.data();
    let file = |name: &str| std::fs::metadata(data.join(name)).map(|metadata| metadata.len() as f64);
    let groups = places.iter().flat_map(|place| &place.devices).flat_map(|device| device.play.groups);
    let made = Made {
        points: groups.map(|group| group.points.len()).sum(),
        devices: places.iter().map(|place| place.devices.len()).sum(),
        kept: tally.ever_kept.load(Ordering::Relaxed) as f64,
        events: tally.ever_events.load(Ordering::Relaxed) as f64,
        wall,
        summed,
        cpu,
        history: folder_bytes(&data.join("history"))?,
        log: file("ingest.db").context("looking at the log failed")?,
        state: file("state.db").context("looking at the state failed")?,
    };
    Ok(Year { collector, agents, places, tally, span_s: (begin_s, end_s), made })
}

/// The last whole day of a point by the hour: days are summed up one after the other, so that it comes last.
async fn last_day(api: &Api, places: &[Place], end_s: u64) -> anyhow::Result<String> {
    let place = places.iter().find(|place| is_lively(place)).context("no place is lively")?;
    let device = place.devices.iter().find(|device| device.class == "rack").context("it has no rack")?;
    let page = api.get(&format!("/api/v1/devices?limit=1000&site={}", place.name)).await?;
    let mut items = page["items"].as_array().into_iter().flatten();
    let id = items.find(|item| item["key"] == device.key.as_str()).and_then(|item| item["id"].as_str());
    let (id, to) = (id.context("the collector does not know the rack")?, end_s / DAY_S * DAY_S * 1000);
    let point = device.play.groups[0].points[0].name;
    let from = to - DAY_S * 1000;
    Ok(format!("/api/v1/devices/{id}/series?points={point}&resolution=1h&from={from}&to={to}"))
}

/// Waits until something is so.
async fn until(longest: Duration, mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + longest;
    while !is_so().await? {
        ensure!(Instant::now() < deadline, "it took more than {longest:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Stops the collector in order and starts it again. Returns the CPU-seconds of the stop as well.
pub(super) async fn again(mut collector: Collector) -> anyhow::Result<(Collector, f64)> {
    let stopped = collector.stop().await?;
    Ok((collector.restart().await?, stopped.cpu))
}

/// All agents live through the same time, as fast as the collector takes it.
pub(super) async fn relive(
    agents: Vec<Playing>,
    (from_s, to_s): (u64, u64),
    parcel: Parcel,
) -> anyhow::Result<Vec<Playing>> {
    let mut living = JoinSet::new();
    for (at, mut playing) in agents.into_iter().enumerate() {
        living.spawn(async move {
            playing.relive_between(from_s, to_s, parcel).await?;
            anyhow::Ok((at, playing))
        });
    }
    let mut agents = Vec::new();
    while let Some(lived) = living.join_next().await {
        agents.push(lived??);
    }
    agents.sort_by_key(|(at, _)| *at);
    Ok(agents.into_iter().map(|(_, playing)| playing).collect())
}
