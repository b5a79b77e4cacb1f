//! Reads the groups when they are due.

use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{DeviceKey, HealthLevel};
use kouan_settings::{Bilingual, both};
use tokio::time::Instant;

use super::inventory::HostGroup;
use super::point::Figure;
use super::reader::HostReader;
use crate::driver::{
    ActOutcome, Driver, DriverCx, DriverError, DriverFuture, Fault, Observation, RawHealth, RawRow, RawValue, Request,
    not_searched,
};

pub(super) struct HostDriver {
    pub(super) device: DeviceKey,
    pub(super) groups: Arc<[HostGroup]>,
}

impl Driver for HostDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        Box::pin(self.read_until_stopped(cx))
    }
}

/// A group that is due and was held up is read once, not as often as it was missed.
const FIRST_READ_AFTER: Duration = Duration::from_millis(200);

impl HostDriver {
    async fn read_until_stopped(self: Box<Self>, mut cx: DriverCx) -> Result<(), DriverError> {
        let mut reader = Some(blocking(HostReader::new).await?.map_err(|error| failed(Box::new(error)))?);
        // The share of CPU time is a difference between two reads, and needs a little time between them.
        let start = Instant::now() + FIRST_READ_AFTER;
        let mut due: Vec<Instant> = self.groups.iter().map(|_| start).collect();
        loop {
            let next = due.iter().copied().min().unwrap_or(start);
            let asked = tokio::select! {
                () = cx.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(next) => None,
                request = cx.requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return Ok(()),
                },
            };
            let now = Instant::now();
            match asked {
                Some(Request::Search { reply, .. }) => drop(reply.send(Err(not_searched()))),
                Some(Request::Act(act)) => {
                    // Nobody waits any more when whoever asked has stopped.
                    let _ =
                        act.reply.send(ActOutcome::Failed(both!("this machine takes no commands", "本机不接受命令")));
                }
                Some(Request::Read { reply, .. }) => {
                    let all: Vec<usize> = (0..self.groups.len()).collect();
                    let rows = self.read(&all, &mut reader, &cx).await?;
                    self.tell(&rows, &cx).await;
                    let _ = reply.send(Ok(rows));
                }
                None => {
                    let ready: Vec<usize> = (0..due.len()).filter(|at| due[*at] <= now).collect();
                    let rows = self.read(&ready, &mut reader, &cx).await?;
                    for at in ready {
                        due[at] = now + self.groups[at].profile.every.max(Duration::from_millis(100));
                    }
                    self.tell(&rows, &cx).await;
                }
            }
        }
    }

    async fn read(
        &self,
        which: &[usize],
        reader: &mut Option<HostReader>,
        cx: &DriverCx,
    ) -> Result<Vec<RawRow>, DriverError> {
        let Some(mut figures) = reader.take() else { return Ok(Vec::new()) };
        let (groups, device, clock) = (Arc::clone(&self.groups), self.device.clone(), Arc::clone(&cx.clock));
        let which = which.to_vec();
        let (figures, rows) = blocking(move || {
            let row = |at: usize| {
                let group = &groups[at];
                figures.refresh(group.source);
                let anchor = clock.anchor();
                let cell = |figure: &Figure| match figure {
                    Figure::ClockSynchronised => Ok(RawValue::Integer(i64::from(anchor.trusted))),
                    figure => figures.read(figure),
                };
                let cells = (0..).zip(group.figures.iter().map(cell)).collect();
                RawRow { device: device.clone(), group: at, boot_time: anchor.boot_time, cells }
            };
            let rows: Vec<RawRow> = which.into_iter().map(row).collect();
            (figures, rows)
        })
        .await?;
        *reader = Some(figures);
        Ok(rows)
    }

    async fn tell(&self, rows: &[RawRow], cx: &DriverCx) {
        let health = RawHealth {
            device: self.device.clone(),
            boot_time: cx.clock.boot_time(),
            level: HealthLevel::Working,
            reason: "",
            text: Bilingual::default(),
        };
        let rows = rows.iter().cloned().map(Observation::Row);
        for observation in rows.chain([Observation::Health(health)]) {
            // The receiver goes only when the agent stops.
            let sent = cx.shutdown.run_until_cancelled(cx.observations.send(observation)).await;
            if !matches!(sent, Some(Ok(()))) {
                return;
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DriverError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(Box::new(error)))
}

fn failed(cause: Box<dyn std::error::Error + Send + Sync>) -> DriverError {
    DriverError { fault: Fault::Device, operation: both!("read this machine's figures", "读取本机数据"), cause }
}
