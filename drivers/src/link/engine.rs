//! The loop of a link: one talker at a time, commands before polls, health, reopening, stopping.

mod act;
mod requests;

use std::collections::VecDeque;
use std::time::Duration;

use kouan_protocol::{DeviceKey, QualityReason};
use kouan_settings::{Bilingual, both};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use self::requests::{ReadJob, SearchJob};
use super::backoff::{Backoff, BackoffSettings};
use super::health::{DeviceState, Findings};
use super::schedule::{Next, Schedule};
use super::talker::{HeardEvent, Polled, TalkError, Talker, Turn};
use super::watch::Watch;
use crate::configure::ConfiguredDevice;
use crate::driver::{ActRequest, DriverCx, DriverError, Observation, RawEvent, RawRow, RawStock, Request};

/// Requests that wait inside the engine; more stay in the channel.
const WAITING_REQUESTS: usize = 64;
/// How long an action that is under way may go on when the driver is stopped.
const STOP_GRACE: Duration = Duration::from_millis(800);
const STOPPED: (&str, &str) = ("the link was stopped before the action began", "操作还没有开始，线路就停止了");

const LINK_STOPPED: (&str, &str) = ("the link was stopped", "线路已停止");

/// A device as the engine needs it.
#[derive(Debug, Clone)]
pub struct LinkDevice {
    /// Its name.
    pub key: DeviceKey,
    /// Its read groups, in the order of [`ConfiguredDevice::groups`].
    pub groups: Vec<LinkGroup>,
}

/// A read group as the engine needs it.
#[derive(Debug, Clone, Copy)]
pub struct LinkGroup {
    /// How often it is read; zero for never.
    pub every: Duration,
    /// How many points it has.
    pub columns: u16,
}

impl LinkDevice {
    /// The engine's part of a configured device.
    #[must_use]
    pub fn of(device: &ConfiguredDevice) -> Self {
        let groups = device.groups.iter().map(|group| LinkGroup {
            every: group.every,
            columns: u16::try_from(group.points.len()).unwrap_or(u16::MAX),
        });
        Self { key: device.identity.key.clone(), groups: groups.collect() }
    }
}

/// Runs a link until it is told to stop. A link that breaks is opened again for ever.
///
/// `misses` is [`super::LinkSettings::misses`].
///
/// # Errors
/// None today: whatever goes wrong on a link is told as health and tried again.
pub async fn run_link<T: Talker>(
    talker: T,
    devices: Vec<LinkDevice>,
    misses: u32,
    cx: DriverCx,
) -> Result<(), DriverError> {
    let every: Vec<Vec<Duration>> =
        devices.iter().map(|device| device.groups.iter().map(|group| group.every).collect()).collect();
    let states = devices.into_iter().map(|device| {
        let columns: Vec<u16> = device.groups.iter().map(|group| group.columns).collect();
        DeviceState::new(device.key, &columns, misses)
    });
    let mut engine = Engine {
        talker,
        states: states.collect(),
        schedule: Schedule::new(&every, BackoffSettings::DEVICE, Instant::now()),
        reopen: Backoff::new(BackoffSettings::LINK),
        outbox: VecDeque::new(),
        acts: VecDeque::new(),
        reads: VecDeque::new(),
        searches: VecDeque::new(),
        watches: Vec::new(),
        requests_open: true,
        cx,
    };
    engine.run().await;
    engine.talker.close();
    engine.turn_away();
    Ok(())
}

struct Engine<T: Talker> {
    talker: T,
    states: Vec<DeviceState>,
    schedule: Schedule,
    reopen: Backoff,
    /// Observations on their way out. Nothing new is polled before they are gone, which bounds it.
    outbox: VecDeque<Observation>,
    acts: VecDeque<ActRequest>,
    reads: VecDeque<ReadJob>,
    searches: VecDeque<SearchJob>,
    /// Actions that were sent and whose effect is yet to be seen; each has its own deadline.
    watches: Vec<Watch>,
    requests_open: bool,
    cx: DriverCx,
}

/// What the link itself is to do next.
#[derive(Clone, Copy)]
enum Due {
    Open(Instant),
    Poll {
        device: usize,
        group: usize,
    },
    /// A point is to show that an action was done.
    Watch {
        device: usize,
        group: usize,
    },
    Look(Instant),
    Nothing,
}

enum Step {
    Stop,
    Request(Option<Request>),
    Sent,
    Due(Due),
}

impl<T: Talker> Engine<T> {
    async fn run(&mut self) {
        let shutdown = self.cx.shutdown.clone();
        while !shutdown.is_cancelled() {
            self.take_requests();
            self.end_watches();
            if let Some(request) = self.acts.pop_front() {
                self.act(request).await;
                continue;
            }
            if self.outbox.is_empty() && !self.reads.is_empty() {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = self.read_step() => {}
                }
                continue;
            }
            // One address, then the polls that are due: whoever asks has to come back for the next one.
            if self.outbox.is_empty()
                && let Some(job) = self.searches.pop_front()
            {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = self.search(job) => {}
                }
                continue;
            }
            match self.wait().await {
                Step::Stop => return,
                Step::Request(Some(request)) => self.accept(request),
                Step::Request(None) => self.requests_open = false,
                Step::Sent => {}
                Step::Due(Due::Poll { device, group }) => {
                    // Dropping a poll in the middle is harmless: the link is closed right after.
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        _ = self.poll(device, group, false) => {}
                    }
                }
                Step::Due(Due::Watch { device, group }) => {
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        () = self.look(device, group) => {}
                    }
                }
                Step::Due(Due::Open(_)) => {
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return,
                        _ = self.open() => {}
                    }
                }
                Step::Due(Due::Look(_) | Due::Nothing) => {}
            }
        }
    }

    /// Waits for whatever comes first: the stop, a request, room for an observation, the next poll.
    async fn wait(&mut self) -> Step {
        let due = self.due();
        let is_due = async {
            match due {
                Due::Poll { .. } | Due::Watch { .. } => {}
                Due::Open(at) | Due::Look(at) => tokio::time::sleep_until(at).await,
                Due::Nothing => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cx.shutdown.cancelled() => Step::Stop,
            request = self.cx.requests.recv(), if self.requests_open => Step::Request(request),
            permit = self.cx.observations.reserve(), if !self.outbox.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(observation) = self.outbox.pop_front() {
                        permit.send(observation);
                    }
                    Step::Sent
                }
                // Nobody listens any more.
                Err(_) => Step::Stop,
            },
            () = is_due => Step::Due(due),
        }
    }

    fn due(&self) -> Due {
        if !self.outbox.is_empty() {
            return self.watches.iter().map(Watch::deadline).min().map_or(Due::Nothing, Due::Look);
        }
        // A link that did not open waits for its own back-off; one that is merely closed is opened by the next poll.
        if let Some(until) = self.reopen.until().filter(|_| !self.talker.is_open()) {
            let deadline = self.watches.iter().map(Watch::deadline).min();
            return deadline.filter(|at| *at < until).map_or(Due::Open(until), Due::Look);
        }
        // Nothing will ever be polled: whether the port is there is seen by opening it.
        if !self.talker.is_open() && self.states.iter().all(DeviceState::is_unread) {
            return Due::Open(Instant::now());
        }
        let look = self.watches.iter().map(|watch| (watch.next_look(), watch.device)).min();
        if let Some(((at, group), device)) = look
            && at <= Instant::now()
        {
            return Due::Watch { device, group };
        }
        let look = look.map(|((at, _), _)| at);
        match self.schedule.next(Instant::now()) {
            Next::At(at) => Due::Look(look.map_or(at, |look| look.min(at))),
            Next::Never if look.is_some() => look.map_or(Due::Nothing, Due::Look),
            Next::Poll { device, group } => Due::Poll { device, group },
            Next::Never => Due::Nothing,
        }
    }

    fn find(&self, key: &DeviceKey) -> Option<usize> {
        self.states.iter().position(|state| state.key() == key)
    }

    /// Opens the link if it is closed. On failure all devices are declared unreachable and the next try is put off.
    async fn open(&mut self) -> Result<(), TalkError> {
        if self.talker.is_open() {
            return Ok(());
        }
        match self.talker.open().await {
            Ok(()) => {
                if self.reopen.failures() > 0 {
                    info!(link = %self.cx.link, attempts = self.reopen.failures() + 1, "Link reopened.");
                    self.schedule.start_over(Instant::now());
                }
                self.reopen.succeeded();
                let at = self.cx.clock.boot_time();
                for device in 0..self.states.len() {
                    let findings = self.states[device].opened(at);
                    self.tell(findings);
                }
                Ok(())
            }
            Err(error) => {
                self.reopen.failed(Instant::now(), rand::random());
                if self.reopen.failures() == 1 {
                    warn!(link = %self.cx.link, %error, "Link does not open.");
                }
                let at = self.cx.clock.boot_time();
                for device in 0..self.states.len() {
                    let findings = self.states[device].lost(error.clone(), at);
                    self.tell(findings);
                }
                Err(error)
            }
        }
    }

    /// Reads one group, and tells everything that it shows. Returns the row, or why there is none.
    async fn poll(&mut self, device: usize, group: usize, on_demand: bool) -> Result<RawRow, Bilingual> {
        let started = Instant::now();
        if !on_demand && let Some(until) = self.talker.hold(device, group).filter(|until| *until > started) {
            self.schedule.hold(device, until);
            return Err(("a late answer is waited for", "正在等待迟到的应答").into());
        }
        let polled = self.poll_reopening(device, group).await;
        let now = Instant::now();
        let at = self.cx.clock.boot_time();
        let Polled { mut cells, trouble, events, stock } = polled;
        let state = &mut self.states[device];
        let failure = trouble.clone().filter(|trouble| !trouble.answered());
        let findings = match failure.clone() {
            None => {
                self.schedule.succeeded(device, group, now);
                state.answered(group, trouble.clone(), at)
            }
            Some(failure) if cells.is_empty() => {
                self.schedule.failed(device, group, started, now, rand::random());
                debug!(link = %self.cx.link, device = %state.key(), error = %failure, "Poll got no answer.");
                state.missed(group, failure, at)
            }
            Some(failure) => {
                self.schedule.failed(device, group, started, now, rand::random());
                let (given_up, findings) = state.answered_partly(group, failure, at);
                if given_up {
                    fill(&mut cells, state.columns(group));
                }
                findings
            }
        };
        let key = state.key();
        self.outbox.extend(events.into_iter().map(|heard| {
            let HeardEvent { kind, fields, stored } = heard;
            let event = RawEvent { device: key.clone(), boot_time: at, kind, fields };
            Observation::Event { event, stored }
        }));
        let row = RawRow { device: key.clone(), group, boot_time: at, cells };
        if !self.watches.is_empty() {
            self.judge_watches(device, group, Some(&row));
        }
        if !row.cells.is_empty() {
            self.outbox.push_back(Observation::Row(row.clone()));
        }
        if let Some(stock) = stock {
            let stock = RawStock { device: row.device.clone(), boot_time: at, stock };
            self.outbox.push_back(Observation::Stock(stock));
        }
        self.tell(findings);
        self.close_if_deserted();
        match trouble {
            Some(trouble) if row.cells.is_empty() => Err(trouble.text),
            _ => Ok(row),
        }
    }

    /// One poll. A link that broke since the last time (a server that was restarted) is opened once more.
    async fn poll_reopening(&mut self, device: usize, group: usize) -> Polled {
        let mut reopened = false;
        loop {
            if let Err(error) = self.open().await {
                return Polled::failed(error);
            }
            let may_retry = !self.schedule.is_suspect(device, group);
            let polled = self.talker.poll(device, group, Turn::new(&self.cx.requests, may_retry)).await;
            // What was heard is never dropped for another try.
            if !polled.events.is_empty() || !polled.trouble.as_ref().is_some_and(|trouble| trouble.broken) {
                return polled;
            }
            self.talker.close();
            if reopened || !polled.cells.is_empty() {
                return polled;
            }
            reopened = true;
        }
    }

    /// A serial port on which nobody answers any more may be one that was unplugged and came back under another
    /// number: it is opened anew, by its name.
    fn close_if_deserted(&mut self) {
        if self.talker.is_open() && self.states.iter().all(DeviceState::is_bad) {
            self.talker.close();
        }
    }

    fn tell(&mut self, findings: Findings) {
        self.outbox.extend(findings.rows.into_iter().map(Observation::Row));
        if let Some(health) = findings.health {
            info!(
                link = %self.cx.link, device = %health.device, level = %health.level, reason = health.reason,
                text = %health.text, "Device health changed."
            );
            self.outbox.push_back(Observation::Health(health));
        }
    }
}

fn not_here(device: &DeviceKey) -> Bilingual {
    both!("there is no device \"{device}\" on this link", "这条线路上没有设备“{device}”")
}

/// Marks every column that is not in `cells` as not read.
fn fill(cells: &mut Vec<(u16, Result<crate::driver::RawValue, QualityReason>)>, columns: u16) {
    for column in 0..columns {
        if let Err(place) = cells.binary_search_by_key(&column, |(column, _)| *column) {
            cells.insert(place, (column, Err(QualityReason::ReadFailed)));
        }
    }
}

#[cfg(test)]
mod tests;
