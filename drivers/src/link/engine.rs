//! The loop of a link: one talker at a time, commands before polls, health, reopening, stopping.

use std::collections::VecDeque;
use std::time::Duration;

use kouan_protocol::{DeviceKey, QualityReason};
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::backoff::{Backoff, BackoffSettings};
use super::health::{DeviceState, Findings};
use super::schedule::{Next, Schedule};
use super::talker::{ActError, HeardEvent, Polled, TalkError, Talker, Turn};
use super::trace::Trace;
use super::watch::{Acted, Finished, Watch};
use crate::configure::ConfiguredDevice;
use crate::driver::{
    ActOutcome, ActRequest, DriverCx, DriverError, Heard, Observation, RawEvent, RawRow, RawStock, Request,
};

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

/// A read on demand, one group at a time, so that a command can overtake it.
struct ReadJob {
    device: usize,
    next_group: usize,
    rows: Vec<RawRow>,
    trouble: Option<Bilingual>,
    trace: Option<Trace>,
    reply: oneshot::Sender<Result<Vec<RawRow>, Bilingual>>,
}

/// One address that somebody wants to know of.
struct SearchJob {
    unit: u8,
    wait: Duration,
    reply: oneshot::Sender<Result<Option<Heard>, Bilingual>>,
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

    /// Answers what was asked for and not begun.
    fn turn_away(&mut self) {
        self.cx.requests.close();
        while let Ok(request) = self.cx.requests.try_recv() {
            self.accept(request);
        }
        for request in self.acts.drain(..) {
            drop(request.reply.send(ActOutcome::Failed(STOPPED.into())));
        }
        for watch in std::mem::take(&mut self.watches) {
            let (device, action) = (watch.device, watch.action.clone());
            self.finish(device, &action, watch.abandon());
        }
        for job in self.searches.drain(..) {
            drop(job.reply.send(Err(LINK_STOPPED.into())));
        }
        for job in self.reads.drain(..) {
            drop(job.reply.send(Err(LINK_STOPPED.into())));
        }
    }

    fn take_requests(&mut self) {
        while self.acts.len() + self.reads.len() + self.searches.len() < WAITING_REQUESTS {
            match self.cx.requests.try_recv() {
                Ok(request) => self.accept(request),
                Err(_) => return,
            }
        }
    }

    fn accept(&mut self, request: Request) {
        match request {
            Request::Act(request) => self.acts.push_back(request),
            Request::Read { device, trace, reply } => match self.find(&device) {
                Some(device) => {
                    let (rows, trouble) = (Vec::new(), None);
                    self.reads.push_back(ReadJob { device, next_group: 0, rows, trouble, trace, reply });
                }
                None => drop(reply.send(Err(not_here(&device)))),
            },
            Request::Search { unit, wait, reply } => self.searches.push_back(SearchJob { unit, wait, reply }),
        }
    }

    /// One step of a search; not taken when whoever asked has gone.
    async fn search(&mut self, job: SearchJob) {
        if job.reply.is_closed() {
            return;
        }
        let searched = match self.open().await {
            Ok(()) => self.talker.search(job.unit, job.wait).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &searched
            && error.broken
        {
            self.talker.close();
        }
        drop(job.reply.send(searched.map_err(|error| error.text)));
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

    /// Reads a group because somebody waits to see what an action did.
    async fn look(&mut self, device: usize, group: usize) {
        // A late answer that is waited for, or a failure, is no sight of anything; the deadline ends it.
        if self.poll(device, group, false).await.is_err() {
            self.judge_watches(device, group, None);
        }
    }

    /// Lets every action that waits for this group see what was read.
    fn judge_watches(&mut self, device: usize, group: usize, row: Option<&RawRow>) {
        let now = Instant::now();
        for mut watch in std::mem::take(&mut self.watches) {
            if watch.device != device {
                self.watches.push(watch);
                continue;
            }
            watch.looked(group, now);
            let action = watch.action.clone();
            match watch.see(row, now) {
                Ok(watch) => self.watches.push(watch),
                Err(finished) => self.finish(device, &action, finished),
            }
        }
    }

    /// Ends what was not seen in time, also while the link is closed and nothing can be read.
    fn end_watches(&mut self) {
        let now = Instant::now();
        for watch in std::mem::take(&mut self.watches) {
            let (device, action) = (watch.device, watch.action.clone());
            match watch.see(None, now) {
                Ok(watch) => self.watches.push(watch),
                Err(finished) => self.finish(device, &action, finished),
            }
        }
    }

    fn finish(&self, device: usize, action: &str, finished: Finished) {
        self.log_outcome(self.states[device].key(), action, &finished.outcome);
        // Whoever asked may have gone.
        drop(finished.reply.send(finished.outcome));
    }

    async fn read_step(&mut self) {
        let Some((device, group)) = self.reads.front().map(|job| (job.device, job.next_group)) else { return };
        // A job that was finished and a device without groups end here.
        if group < self.states[device].group_count() {
            let trace = self.reads.front().and_then(|job| job.trace.clone());
            let result = match trace {
                None => self.poll(device, group, true).await,
                Some(trace) => {
                    let from = trace.len();
                    let result = trace.scope(self.poll(device, group, true)).await;
                    trace.explain(from, |pieces| self.talker.explain(device, group, pieces));
                    result
                }
            };
            if let Some(job) = self.reads.front_mut() {
                job.next_group += 1;
                match result {
                    Ok(row) => job.rows.push(row),
                    Err(error) => job.trouble = Some(error),
                }
            }
        }
        let done = |job: &ReadJob| job.next_group >= self.states[job.device].group_count();
        if self.reads.front().is_some_and(done)
            && let Some(job) = self.reads.pop_front()
        {
            let result = match job.trouble {
                Some(trouble) if job.rows.is_empty() => Err(trouble),
                _ => Ok(job.rows),
            };
            // Whoever asked may have gone.
            drop(job.reply.send(result));
        }
    }

    async fn act(&mut self, request: ActRequest) {
        let ActRequest { device, action, arguments, permit, reply } = request;
        let shutdown = self.cx.shutdown.clone();
        let mut permitted = false;
        let outcome = {
            let stopped = async {
                shutdown.cancelled().await;
                tokio::time::sleep(STOP_GRACE).await;
            };
            tokio::select! {
                biased;
                outcome = self.act_once(&device, &action, &arguments, permit, &mut permitted) => Some(outcome),
                () = stopped => None,
            }
        };
        let outcome = match outcome {
            Some(Ok(acted)) => {
                let Some(index) = self.find(&device) else { return };
                if acted.steps.is_empty() {
                    self.log_outcome(&device, &action, &ActOutcome::Succeeded(Vec::new()));
                }
                self.watches.extend(Watch::begin(index, &action, acted, reply, Instant::now()));
                return;
            }
            Some(Err(outcome)) => outcome,
            None if permitted => ActOutcome::Unknown(both!(
                "the agent was stopped before the device had answered",
                "设备还没有应答，代理就停止了"
            )),
            None => ActOutcome::Failed(STOPPED.into()),
        };
        self.log_outcome(&device, &action, &outcome);
        drop(reply.send(outcome));
    }

    fn log_outcome(&self, device: &DeviceKey, action: &str, outcome: &ActOutcome) {
        let link = &self.cx.link;
        match outcome {
            ActOutcome::Succeeded(_) => info!(%link, %device, %action, "Action done."),
            ActOutcome::Failed(reason) => warn!(%link, %device, %action, %reason, "Action failed."),
            ActOutcome::NotStarted(reason) => warn!(%link, %device, %action, %reason, "Action not started."),
            ActOutcome::Unknown(reason) | ActOutcome::Partly { reason, .. } => {
                tracing::error!(%link, %device, %action, %reason, "Nobody can tell whether an action was done.");
            }
        }
    }

    /// Carries out an action at most once: nothing in here is a loop, and nobody calls it twice for one request.
    async fn act_once(
        &mut self,
        device: &DeviceKey,
        action: &str,
        arguments: &[kouan_protocol::Field],
        permit: Box<dyn crate::driver::StartPermit>,
        permitted: &mut bool,
    ) -> Result<Acted, ActOutcome> {
        let Some(index) = self.find(device) else {
            return Err(ActOutcome::Failed(not_here(device)));
        };
        let act = match self.talker.prepare(index, action, arguments) {
            Ok(act) => act,
            Err(reason) => return Err(ActOutcome::Failed(reason)),
        };
        if let Err(error) = self.open_settled(index).await {
            return Err(ActOutcome::Failed(both!("link closed: {error}", "线路没有打开：{error}"; error)));
        }
        *permitted = true;
        if let Err(refused) = permit.obtain().await {
            return Err(ActOutcome::NotStarted(refused.translate()));
        }
        let result = self.talker.act(index, act).await;
        if let Err(error) = &result
            && error.cause().broken
        {
            self.talker.close();
        }
        if self.states[index].is_unread() {
            let trouble = result.as_ref().err().map(ActError::cause);
            let findings = self.states[index].acted(trouble, self.cx.clock.boot_time());
            self.tell(findings);
        }
        result.map_err(|error| match error {
            ActError::Refused(cause) | ActError::NotSent(cause) => ActOutcome::Failed(cause.text),
            ActError::NotConfirmed(cause) => ActOutcome::Unknown(cause.text),
        })
    }

    /// Opens the link and makes it ready. Nothing was sent yet, so a link that turns out broken may be opened anew.
    async fn open_settled(&mut self, device: usize) -> Result<(), TalkError> {
        for last in [false, true] {
            self.open().await?;
            match self.talker.settle(device).await {
                Ok(()) => return Ok(()),
                Err(error) if last || !error.broken => {
                    if error.broken {
                        self.talker.close();
                    }
                    return Err(error);
                }
                Err(_) => self.talker.close(),
            }
        }
        Ok(())
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
