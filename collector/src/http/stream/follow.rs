//! Finding out what changed, once for all screens.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kouan_protocol::AgentId;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::frame::{Frame, event};
use crate::alarms::{self, AlarmView};
use crate::commands;
use crate::http::{AppState, Shared, devices};
use crate::state::{Device, DeviceId};
use crate::store::StoreError;

/// How often changes go out; what changes in between goes together.
const PACE: Duration = Duration::from_millis(250);
/// Rows of one event.
const ROWS: usize = 500;
/// Changes of alarms and commands that are read at once; of more than that everything is fetched anew.
const CHANGES: usize = 1_000;

/// Whether an agent is heard.
#[derive(Debug, Serialize)]
struct AgentChange<'a> {
    id: &'a str,
    site: &'a str,
    connected: bool,
}

/// Up to where everything was told.
#[derive(Debug, Default)]
struct Told {
    fleet: u64,
    /// Changes of alarms and steps of commands; `None` until it was read where they stood at the start.
    rows: Option<(i64, i64)>,
    agents: HashMap<AgentId, bool>,
}

/// Tells screens what changes, until the collector stops.
pub(crate) async fn follow(shared: AppState) {
    let mut told = Told::default();
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.shutdown.cancelled() => return,
        }
        tell_agents(&shared, &mut told.agents);
        if let Err(error) = tell_changes(&shared, &mut told).await {
            warn!(%error, "Screens were not told what changed; they are told later.");
        }
    }
}

/// Whatever is read here is visible to lists already: a screen that joins later and fetches them misses nothing.
async fn tell_changes(shared: &Shared, told: &mut Told) -> Result<(), StoreError> {
    let Some((alarms_after, steps_after)) = told.rows else {
        let newest = |conn: &Connection| Ok((alarms::newest_change(conn)?, commands::newest_change(conn)?));
        told.rows = Some(shared.state_readers.read(newest).await?);
        return Ok(());
    };
    if !shared.live.is_watched() {
        told.fleet = shared.fleet().newest_change();
        return Ok(());
    }
    let read = move |conn: &Connection| {
        let alarms = alarms::changed_after(conn, alarms_after, CHANGES)?;
        let commands = commands::changed_after(conn, steps_after, CHANGES)?;
        let newest = (alarms::newest_change(conn)?, commands::newest_change(conn)?);
        Ok((alarms, commands, newest, alarms::count_by_device(conn)?))
    };
    let (alarms, commands, newest, counts) = shared.state_readers.read(read).await?;
    tell_devices(shared, told, &alarms, &counts);
    // A screen that missed a thousand changes fetches what it shows.
    if alarms.len() >= CHANGES || commands.len() >= CHANGES {
        told.rows = Some(newest);
        resync(shared);
        return Ok(());
    }
    told.rows = Some((
        alarms.last().map_or(alarms_after, |alarm| alarm.change),
        commands.last().map_or(steps_after, |(step, _)| *step),
    ));
    tell_rows(shared, "alarms", alarms.iter().map(|alarm| (&alarm.site, alarm)));
    tell_rows(shared, "commands", commands.iter().map(|(_, command)| (&command.site, command)));
    Ok(())
}

/// Devices that changed in anything but readings, and those whose alarms changed.
fn tell_devices(shared: &Shared, told: &mut Told, alarms: &[AlarmView], counts: &HashMap<String, u64>) {
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let fleet = shared.fleet();
    let alarmed = alarms.iter().filter_map(|alarm| fleet.get(&DeviceId::new(alarm.device.as_deref()?)));
    let mut devices: BTreeMap<&DeviceId, &Device> = alarmed.map(|device| (&device.id, device)).collect();
    let outlines = fleet.changed_after(told.fleet).filter(|device| device.outline_change > told.fleet);
    devices.extend(outlines.map(|device| (&device.id, device)));
    for device in devices.into_values() {
        let row = serde_json::json!(devices::change_view(shared, device, counts));
        rows.entry(device.site.clone()).or_default().push(row);
    }
    told.fleet = fleet.newest_change();
    drop(fleet);
    send(shared, "devices", rows);
}

fn tell_rows<'a, T: Serialize + 'a>(shared: &Shared, name: &str, rows: impl Iterator<Item = (&'a String, &'a T)>) {
    let mut by_site: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (site, row) in rows {
        by_site.entry(site.clone()).or_default().push(serde_json::json!(row));
    }
    send(shared, name, by_site);
}

fn resync(shared: &Shared) {
    if let Some(bytes) = event("resync", &serde_json::json!({})) {
        shared.live.send(Frame { site: None, bytes });
    }
}

fn send(shared: &Shared, name: &str, by_site: BTreeMap<String, Vec<Value>>) {
    for (site, rows) in by_site {
        for part in rows.chunks(ROWS) {
            if let Some(bytes) = event(name, &part) {
                shared.live.send(Frame { site: Some(site.clone()), bytes });
            }
        }
    }
}

fn tell_agents(shared: &Shared, told: &mut HashMap<AgentId, bool>) {
    let now = shared.clock.boot_time();
    let fleet = shared.fleet();
    for (agent, site) in fleet.agents() {
        let connected = shared.sessions.is_connected(agent, now);
        if told.insert(agent.clone(), connected) == Some(connected) {
            continue;
        }
        let change = AgentChange { id: agent.as_str(), site, connected };
        if let Some(bytes) = event("agents", &[change]) {
            shared.live.send(Frame { site: Some(site.to_owned()), bytes });
        }
    }
}
