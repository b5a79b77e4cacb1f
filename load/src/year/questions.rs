//! How long answers take with a year of data.

use anyhow::{Context as _, ensure};

use super::asked::Asked;
use super::make::{DAY_S, Year};
use crate::api::Api;
use crate::dice::Dice;

/// What is asked.
pub(super) const KINDS: [&str; 9] = [
    "latest of everything",
    "a year of a point by the hour",
    "a month of a point by the hour",
    "a day of a point, raw, anywhere in the year",
    "a day of a point of the lively place, raw, anywhere in the year",
    "time in state of a month",
    "availability of a site over the year",
    "events by a field, over the year",
    "events of a site, the newest 100",
];

/// How often each is asked of the slow ones; availability reads the health of hundreds of devices.
const SELDOM: usize = 10;

/// Milliseconds of each answer, by kind, its body included.
pub(super) type Answers = [Vec<f64>; KINDS.len()];

/// Asks each question `times` times, another device and another time each time.
pub(super) async fn ask(api: &Api, year: &Year, devices: &[Asked], times: usize) -> anyhow::Result<Answers> {
    let mut dice = Dice::new(2_026);
    let (from_s, to_s) = year.span_s;
    let (from, to) = (from_s.div_ceil(DAY_S) * DAY_S, to_s / DAY_S * DAY_S);
    let with_numbers: Vec<_> = devices.iter().filter_map(|device| Some((device, device.number?))).collect();
    let lively: Vec<_> = with_numbers.iter().filter(|(device, _)| device.is_lively).collect();
    let with_words: Vec<_> = devices.iter().filter_map(|device| Some((device, device.word?))).collect();
    let sites: Vec<&str> = year.places.iter().map(|place| place.name.as_str()).collect();
    ensure!(!lively.is_empty() && !with_words.is_empty(), "there is nothing to ask about");
    let mut answers = Answers::default();
    for (kind, (name, answers)) in KINDS.iter().zip(&mut answers).enumerate() {
        let count = if name.starts_with("availability") { times.div_ceil(SELDOM) } else { times };
        for _ in 0..count {
            let mut one = |length: usize| dice.next() as usize % length;
            let series = |(device, point): (&Asked, &str), resolution: &str, (from, to): (u64, u64)| {
                let (id, from, to) = (&device.id, from * 1000, to * 1000);
                format!("/devices/{id}/series?points={point}&resolution={resolution}&from={from}&to={to}")
            };
            let days = ((to - from) / DAY_S) as usize;
            let stretch =
                |first: usize, length: u64| (from + first as u64 * DAY_S, from + (first as u64 + length) * DAY_S);
            let month = 30.min(days as u64);
            let path = match kind {
                0 => "/latest/columns".to_owned(),
                1 => series(with_numbers[one(with_numbers.len())], "1h", (from, to)),
                2 => {
                    let asked = with_numbers[one(with_numbers.len())];
                    series(asked, "1h", stretch(one(days + 1 - month as usize), month))
                }
                3 => series(with_numbers[one(with_numbers.len())], "raw", stretch(one(days), 1)),
                4 => series(*lively[one(lively.len())], "raw", stretch(one(days), 1)),
                5 => {
                    let (device, point) = with_words[one(with_words.len())];
                    let (from, to) = stretch(one(days + 1 - month as usize), month);
                    let (id, from, to) = (&device.id, from * 1000, to * 1000);
                    format!("/devices/{id}/time-in-state?point={point}&from={from}&to={to}")
                }
                6 => {
                    let (site, from, to) = (sites[one(sites.len())], from * 1000, to * 1000);
                    format!("/availability?site={site}&from={from}&to={to}&limit=1000")
                }
                7 => format!("/events?field=plate:%E7%B2%A4C{:05}&limit=100", one(100_000)),
                _ => format!("/events?site={}&limit=100", sites[one(sites.len())]),
            };
            let (body, took) =
                api.read(&format!("/api/v1{path}")).await.with_context(|| format!("asking for {name}"))?;
            // A series of nothing is shorter; places without events have none.
            ensure!(kind > 6 || body.len() > 100, "{path} was answered with next to nothing");
            answers.push(took.as_secs_f64() * 1000.0);
        }
    }
    Ok(answers)
}
