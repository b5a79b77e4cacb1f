//! What is known about devices over a range.

use std::collections::HashMap;

use kouan_protocol::{GapReason, HealthLevel, Lane};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Windows;
use super::tally::{Step, Stretch};
use crate::outages::PATIENCE_MS;
use crate::store::{During as _, StoreError};
use crate::telemetry::Span;

/// All that is known of a device over a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Changes of its health by time, the last one before the range among them.
    pub steps: Vec<Step>,
    /// When its agent recorded something, in milliseconds.
    pub recorded: Vec<Stretch>,
    /// When changes of health may have been lost, or nobody looked.
    pub lost: Vec<Stretch>,
    /// When it was being worked on.
    pub maintenance: Vec<Stretch>,
}

/// A device, its site and its class.
type Device = (String, String, String);

/// What is known of each device from `from_ms` to before `to_ms`; `now_ms` is now. `spans` are all names that devices
/// had.
///
/// # Errors
/// When it cannot be read.
pub fn evidence(
    conn: &Connection,
    devices: &[Device],
    spans: &[Span],
    (from_ms, to_ms): Stretch,
    now_ms: i64,
) -> Result<Vec<Evidence>, StoreError> {
    let windows = Windows::within(conn, from_ms, to_ms)?;
    let (mut recorded, mut lost) = (HashMap::new(), HashMap::new());
    let mut of_device: HashMap<&str, Vec<&Span>> = HashMap::new();
    for span in spans {
        of_device.entry(span.device.as_str()).or_default().push(span);
    }
    let mut found = Vec::with_capacity(devices.len());
    for (device, site, class) in devices {
        let mut evidence = Evidence {
            steps: steps(conn, device, from_ms, to_ms)?,
            maintenance: windows.of(device, site, class),
            ..Evidence::default()
        };
        for span in of_device.get(device.as_str()).into_iter().flatten() {
            let agent = span.agent.as_str();
            if !recorded.contains_key(agent) {
                recorded.insert(agent, recorded_by(conn, agent, (from_ms, to_ms), now_ms)?);
                lost.insert(agent, lost_by(conn, agent, from_ms, to_ms)?);
            }
            let within = |stretch: &Stretch| (stretch.0.max(span.from_ms), stretch.1.min(span.to_ms));
            let of_agent = |all: &HashMap<&str, Vec<Stretch>>| {
                let stretches = all.get(agent).into_iter().flatten().map(within);
                stretches.filter(|(from, to)| from < to).collect::<Vec<_>>()
            };
            evidence.recorded.extend(of_agent(&recorded));
            evidence.lost.extend(of_agent(&lost));
        }
        found.push(evidence);
    }
    Ok(found)
}

fn steps(conn: &Connection, device: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Step>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?));
    let before = conn
        .prepare_cached(
            "SELECT time_ms, said_ms, level FROM health_log WHERE device = ?1 AND time_ms < ?2 ORDER BY time_ms DESC LIMIT 1",
        )
        .and_then(|mut statement| statement.query_row(params![device, from_ms], read).optional())
        .during("read a device's health")?;
    let within: Vec<(i64, i64, String)> = conn
        .prepare_cached(
            "SELECT time_ms, said_ms, level FROM health_log WHERE device = ?1 AND time_ms >= ?2 AND time_ms < ?3
             ORDER BY time_ms",
        )
        .and_then(|mut statement| statement.query_map(params![device, from_ms, to_ms], read)?.collect())
        .during("read a device's health")?;
    let step = |(time_ms, said_ms, level): (i64, i64, String)| {
        let level = (1..=6).filter_map(HealthLevel::from_number).find(|known| known.as_str() == level)?;
        Some(Step { time_ms, said_ms, level })
    };
    Ok(before.into_iter().chain(within).filter_map(step).collect())
}

/// When the agent recorded something. Until it has been silent for longer than any agent is, it is taken to go on.
fn recorded_by(
    conn: &Connection,
    agent: &str,
    (from_ms, to_ms): Stretch,
    now_ms: i64,
) -> Result<Vec<Stretch>, StoreError> {
    let mut stretches: Vec<Stretch> = conn
        .prepare_cached(
            "SELECT from_ms, to_ms FROM recorded WHERE agent = ?1 AND to_ms >= ?2 AND from_ms < ?3 ORDER BY from_ms",
        )
        .and_then(|mut statement| {
            let values = params![agent, from_ms.saturating_sub(PATIENCE_MS), to_ms];
            statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .during("read when an agent recorded something")?;
    if let Some(last) = stretches.last_mut()
        && now_ms.saturating_sub(last.1) <= PATIENCE_MS
    {
        last.1 = last.1.max(now_ms);
    }
    Ok(stretches)
}

/// When the agent lost what it had to say about health, or did not run.
fn lost_by(conn: &Connection, agent: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Stretch>, StoreError> {
    let did_not_run = [GapReason::Interrupted, GapReason::NotRunning].map(|reason| reason.as_str());
    conn.prepare_cached(
        "SELECT from_ms, to_ms FROM gaps WHERE agent = ?1 AND from_ms IS NOT NULL AND from_ms < ?3
             AND (lane = ?4 OR (lane = ?5 AND reason IN (?6, ?7))) AND (to_ms >= ?2 OR lane = ?4)",
    )
    .and_then(|mut statement| {
        let (urgent, readings) = (Lane::Urgent.number(), Lane::Readings.number());
        let values = params![agent, from_ms, to_ms, urgent, readings, did_not_run[0], did_not_run[1]];
        statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    })
    .during("read what an agent lost")
}
