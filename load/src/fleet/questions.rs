//! What people and programs ask a collector while it takes in a fleet's readings.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_protocol::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::dice::Dice;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// The kinds of questions, in the order in which they are asked.
pub(crate) const KINDS: [&str; 7] = [
    "latest of a site",
    "a device with its points",
    "an hour of a point, raw",
    "a day of a point, by the hour",
    "events of a site",
    "alarms",
    "a page of devices",
];

/// Answers by kind: how long each took, in milliseconds, its body included.
pub(crate) type Answers = [Vec<f64>; KINDS.len()];

struct Asked {
    id: String,
    site: String,
    point: Option<String>,
}

/// Asks until it is stopped.
pub(crate) async fn ask(api: Api, sites: Vec<String>, stop: CancellationToken) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    let mut dice = Dice::new(41);
    let clock = SystemClock::new()?;
    let mut asked = Vec::new();
    for site in sites.iter().step_by((sites.len() / 8).max(1)) {
        let page = api.get(&format!("/api/v1/devices?limit=40&site={site}")).await?;
        for device in page["items"].as_array().context("no list of devices")? {
            let id = device["id"].as_str().context("a device without id")?.to_owned();
            let detail = api.get(&format!("/api/v1/devices/{id}")).await?;
            let point = detail["points"].as_array().and_then(|points| points.first());
            let point = point.and_then(|point| point["point"].as_str()).map(str::to_owned);
            asked.push(Asked { id, site: site.clone(), point });
        }
    }
    ensure!(!asked.is_empty(), "there is no device to ask about");
    let mut turn = 0;
    while !stop.is_cancelled() {
        let Asked { id, site, point } = &asked[dice.next() as usize % asked.len()];
        let point = point.as_deref().unwrap_or("none");
        let now = clock.wall().0;
        let path = match turn % KINDS.len() {
            0 => format!("/latest/columns?site={site}"),
            1 => format!("/devices/{id}"),
            2 => format!("/devices/{id}/series?points={point}&resolution=raw"),
            3 => format!("/devices/{id}/series?points={point}&resolution=1h&from={}&to={now}", now - 86_400_000),
            4 => format!("/events?site={site}&limit=100"),
            5 => "/alarms?limit=100".to_owned(),
            _ => format!("/devices?site={site}&limit=100"),
        };
        let (_, took) = api.read(&format!("/api/v1{path}")).await?;
        answers[turn % KINDS.len()].push(took.as_secs_f64() * 1000.0);
        turn += 1;
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
    Ok(answers)
}
