//! The task that takes observations and fills the buffer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::configure::ConfiguredLink;
use kouan_drivers::driver::{Observation, RawHealth, RawRow};
use kouan_protocol::{AlarmChange, Clock, DeviceHealth, DeviceKey, Lane, RecordBody};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::error;

use super::current::Current;
use super::device::DevicePipeline;
use crate::alarms::AgentAlarms;
use crate::buffer::{Baseline, Buffer, BufferError, Counted};

/// Observations that are judged together, so that their urgent records share an fsync.
const TOGETHER: usize = 256;

/// How often delays of alarms are looked at that no value brings to an end.
const TICK: Duration = Duration::from_secs(1);

/// The pipeline could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The buffer refused.
    #[error("keeping what the devices said failed: {0}")]
    Buffer(#[from] BufferError),
}

/// What the pipeline needs.
pub struct PipelineSettings {
    /// Where readings, events and health go.
    pub buffer: Arc<Buffer>,
    /// What is known now.
    pub current: Arc<Current>,
    /// The alarms that hold.
    pub alarms: AgentAlarms,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Takes observations until every driver is gone. All of them have then been handed to the buffer.
///
/// # Errors
/// When the buffer's writers have stopped.
pub async fn run(
    settings: PipelineSettings,
    links: &[ConfiguredLink],
    mut observations: mpsc::Receiver<Observation>,
) -> Result<(), PipelineError> {
    let PipelineSettings { buffer, current, alarms, clock } = settings;
    let mut counters_life = buffer.counters_life();
    let mut life = *counters_life.borrow_and_update();
    let mut devices = pipelines(links, &buffer.baselines().await?);
    let mut waiting = Vec::with_capacity(TOGETHER);
    let possible: HashMap<_, Vec<_>> =
        devices.iter().map(|(key, device)| (key.clone(), device.conditions().collect())).collect();
    // What an earlier run has raised and this one cannot judge any more is over.
    alarms.keep_only(|change| possible.get(&change.device).is_some_and(|known| known.contains(&change.condition)));
    drop(possible);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            count = observations.recv_many(&mut waiting, TOGETHER) => if count == 0 { break },
            _ = ticks.tick() => {
                let now = clock.boot_time();
                devices.values_mut().for_each(|device| tell(&alarms, device.tick(now)));
                continue;
            }
        }
        let (mut urgent, mut events) = (Vec::new(), Vec::new());
        if counters_life.has_changed().unwrap_or(false) {
            life = *counters_life.borrow_and_update();
            devices.values_mut().for_each(DevicePipeline::forget_carried);
        }
        let mut counted = Counted { life, ..Counted::default() };
        // A step is told together with the counter value that it leads to, on disk. While that cannot be written the
        // device keeps the count: told from memory, the steps would be told again after the next start.
        let counts = !buffer.condition().borrow().is_volatile();
        let mut confirmations = Vec::new();
        for observation in waiting.drain(..) {
            let key = match &observation {
                Observation::Row(row) => &row.device,
                Observation::Event { event, .. } => &event.device,
                Observation::Stock(stock) => &stock.device,
                Observation::Health(health) => &health.device,
            };
            let Some(device) = devices.get_mut(key) else {
                error!(device = %key, "A driver spoke of a device that is not configured; it was ignored.");
                continue;
            };
            match observation {
                Observation::Row(row) => {
                    let judged = device.row(row, &current, counts);
                    counted.steps.extend(judged.events);
                    counted.carried.extend(judged.carried);
                    counted.baselines.extend(judged.baselines);
                    tell(&alarms, judged.alarms);
                    if let Some((group, row)) = judged.row {
                        buffer.push(group, row).await?;
                    }
                }
                // While nothing can be written, the reader's next passes tell what changed.
                Observation::Stock(stock) if counts => {
                    let changed = device.stock(stock);
                    for record in changed.events.iter().chain(&changed.carried) {
                        if let RecordBody::Event(event) = &record.body {
                            current.tell_stock(event);
                        }
                    }
                    counted.steps.extend(changed.events);
                    counted.carried.extend(changed.carried);
                    counted.baselines.extend(changed.baselines);
                }
                Observation::Stock(_) => {}
                Observation::Event { event, stored } => {
                    events.push(device.event(event));
                    confirmations.extend(stored);
                }
                Observation::Health(health) => {
                    tell(&alarms, device.judge_health(&health));
                    urgent.extend(device.health(health, &current));
                }
            }
        }
        if !urgent.is_empty() {
            buffer.append(Lane::Urgent, urgent, Vec::new()).await?;
        }
        let append_events =
            async { if events.is_empty() { Ok(()) } else { buffer.append(Lane::Events, events, Vec::new()).await } };
        let append_steps = async { if counted.is_empty() { Ok(()) } else { buffer.append_counted(counted).await } };
        tokio::try_join!(append_events, append_steps)?;
        // Only now may a broker forget them. An early return drops the rest, which says that they were not stored.
        for stored in confirmations {
            // Whoever delivered the event may have gone.
            let _ = stored.send(());
        }
    }
    Ok(())
}

fn tell(alarms: &AgentAlarms, changes: Vec<(AlarmChange, bool)>) {
    for (change, holds) in changes {
        if holds { alarms.raise_of(change) } else { alarms.clear_of(&change.device, &change.condition) }
    }
}

/// Judges rows that were read outside a running agent, so that `current` shows them; nothing is kept.
pub fn show_rows(links: &[ConfiguredLink], current: &Current, rows: Vec<RawRow>) {
    let mut devices = pipelines(links, &[]);
    for row in rows {
        if let Some(device) = devices.get_mut(&row.device) {
            device.row(row, current, false);
        }
    }
}

/// Takes health that was found outside a running agent, so that `current` shows it; nothing is kept.
pub fn show_health(current: &Current, health: RawHealth) {
    let RawHealth { device, boot_time, level, reason, text } = health;
    let (reason, text, text_zh) = (reason.to_owned(), text.english, text.chinese);
    current.set_health(&DeviceHealth { device, level, reason, text, text_zh }, boot_time);
}

fn pipelines(links: &[ConfiguredLink], baselines: &[Baseline]) -> HashMap<DeviceKey, DevicePipeline> {
    let known = baselines.iter().filter_map(|known| Some(((&known.device, &known.point), known.value?)));
    let known: HashMap<_, _> = known.collect();
    let mut devices = HashMap::new();
    let mut first_group = 0;
    for device in links.iter().flat_map(|link| &link.devices) {
        let groups = device.groups.len() as u32;
        let pipeline = DevicePipeline::new(device.clone(), first_group, &known);
        devices.insert(pipeline.key().clone(), pipeline);
        first_group += groups;
    }
    devices
}
