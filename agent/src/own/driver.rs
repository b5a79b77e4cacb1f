//! Reads the agent's own points, like the driver of any device.

use std::time::Duration;

use kouan_drivers::driver::{
    ActOutcome, Driver, DriverCx, DriverError, DriverFuture, Observation, RawHealth, RawRow, Request, not_searched,
};
use kouan_protocol::HealthLevel;
use kouan_settings::{Bilingual, both};

use super::link::{OwnSources, SourceSlot};
use super::point;
use crate::alarms::agent_device;
use crate::buffer::FileState;

pub(super) struct OwnDriver {
    pub(super) sources: SourceSlot,
    pub(super) every: Duration,
}

impl Driver for OwnDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        Box::pin(self.read_until_stopped(cx))
    }
}

impl OwnDriver {
    async fn read_until_stopped(self: Box<Self>, mut cx: DriverCx) -> Result<(), DriverError> {
        let mut due = tokio::time::interval(self.every);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                () = cx.shutdown.cancelled() => return Ok(()),
                _ = due.tick() => None,
                request = cx.requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return Ok(()),
                },
            };
            let reply = match asked {
                Some(Request::Search { reply, .. }) => {
                    drop(reply.send(Err(not_searched())));
                    continue;
                }
                Some(Request::Act(act)) => {
                    // Nobody waits any more when whoever asked has stopped.
                    let _ = act
                        .reply
                        .send(ActOutcome::Failed(both!("the agent itself takes no commands", "代理本身不接受命令")));
                    continue;
                }
                Some(Request::Read { reply, .. }) => Some(reply),
                None => None,
            };
            let Some(sources) = self.sources.get() else { continue };
            let row = RawRow {
                device: agent_device(),
                group: 0,
                boot_time: cx.clock.boot_time(),
                cells: (0..).zip(point::read(sources, cx.clock.as_ref())).collect(),
            };
            for said in [Observation::Row(row.clone()), Observation::Health(health(sources, row.boot_time))] {
                // The receiver goes only when the agent stops.
                let _ = cx.shutdown.run_until_cancelled(cx.observations.send(said)).await;
            }
            if let Some(reply) = reply {
                let _ = reply.send(Ok(vec![row]));
            }
        }
    }
}

/// An agent that cannot keep what it learns does not fully work.
fn health(sources: &OwnSources, boot_time: kouan_protocol::BootTime) -> RawHealth {
    let condition = sources.buffer.condition().borrow().clone();
    let volatile = condition.is_volatile() || sources.journal.borrow().state == FileState::Volatile;
    let (level, reason) = match (volatile, condition.paused.is_some() || condition.readings == FileState::Volatile) {
        (true, _) => (HealthLevel::Answering, "buffer-volatile"),
        (false, true) => (HealthLevel::Answering, "readings-paused"),
        (false, false) => (HealthLevel::Working, ""),
    };
    let text = match reason {
        "" => Bilingual::default(),
        _ => Bilingual::new(condition.problem, condition.problem_zh),
    };
    RawHealth { device: agent_device(), boot_time, level, reason, text }
}
