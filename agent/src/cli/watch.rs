//! `kouan-agent watch`: a device's values as they change.

use std::collections::BTreeMap;
use std::time::Duration;

use kouan_protocol::Quality;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use super::standalone::Alone;
use super::words::Words;
use super::{ask, show};
use crate::config::Config;
use crate::local::{Answer, DeviceReport, LocalClient, LocalError, Question};

/// Looks more often than this show nothing more.
const OFTEN: Duration = Duration::from_millis(100);

enum Source {
    /// The running agent, which polls the device as it does anyway.
    Agent(LocalClient),
    /// The device's link, run here; it polls as the profile says.
    Alone(Box<Alone>),
}

pub(super) async fn run(
    config: Config,
    device: &str,
    every: Duration,
    length: Option<Duration>,
    json: bool,
    words: Words,
) -> anyhow::Result<()> {
    let mut source = match LocalClient::connect(&config.socket).await {
        Ok(client) => Source::Agent(client),
        Err(LocalError::NotRunning { .. }) => Source::Alone(Box::new(Alone::start(config, device, words)?)),
        Err(error) => return Err(error.into()),
    };
    let every = every.max(OFTEN);
    if !json {
        eprintln!("{}", words.watching(device, humantime::format_duration(every)));
    }
    let watched = async {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = length.map(|length| Instant::now() + length);
        let mut shown = Shown::default();
        loop {
            ticks.tick().await;
            if let Some(report) = look(&mut source, device, words).await? {
                shown.show(&report, json, words)?;
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return anyhow::Ok(());
            }
        }
    };
    let ended = tokio::select! {
        ended = watched => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
    };
    if let Source::Alone(alone) = source {
        alone.stop().await;
    }
    ended
}

async fn look(source: &mut Source, device: &str, words: Words) -> anyhow::Result<Option<DeviceReport>> {
    match source {
        Source::Alone(alone) => Ok(alone.report()),
        Source::Agent(client) => match client.ask(&Question::Device { device: device.to_owned() }).await? {
            Answer::Devices { mut devices } => Ok(devices.pop()),
            other => Err(ask::unexpected(other, words)),
        },
    }
}

/// What was shown last of each point, and of the health.
#[derive(Default)]
struct Shown(BTreeMap<String, String>);

impl Shown {
    fn show(&mut self, report: &DeviceReport, json: bool, words: Words) -> anyhow::Result<()> {
        let now = show::time_of_day();
        let health = show::health(report, words);
        if self.is_new("", &health) {
            if json {
                show::json_line(&json!({
                    "device": report.device, "health": report.health, "reason": report.reason, "text": report.text,
                    "text_zh": report.text_zh,
                }))?;
            } else {
                show::text(&format!("{now}  {health}\n"));
            }
        }
        for point in &report.points {
            let value = show::value_with_unit(point);
            let quality = if point.quality == Quality::Good { String::new() } else { show::quality(point, words) };
            if !self.is_new(&point.point, &format!("{value}{quality}")) {
                continue;
            }
            if json {
                show::json_line(point)?;
            } else {
                show::text(format!("{now}  {:<28} {value}  {quality}", point.point).trim_end());
                show::text("\n");
            }
        }
        Ok(())
    }

    fn is_new(&mut self, name: &str, says: &str) -> bool {
        self.0.insert(name.to_owned(), says.to_owned()).is_none_or(|last| last != says)
    }
}
