//! Opens, listens, and opens again.

use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::DeviceKey;
use kouan_settings::{Bilingual, Translate as _, both};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::device::{DeviceState, ListenerDevice};
use super::ear::{Ear, Heard};
use super::overhear::Overhearing;
use super::part::trimmed;
use crate::driver::{
    ActOutcome, Driver, DriverCx, DriverError, DriverFuture, Observation, RawRow, Request, not_searched,
};
use crate::link::backoff::{Backoff, BackoffSettings};
use crate::link::{Line, LinkSettings};
use crate::serial_line::FrameFormat;

/// Everything that is needed, again for every start.
#[derive(Debug, Clone)]
pub(super) struct ListenerDriver {
    pub(super) settings: LinkSettings,
    pub(super) frame: FrameFormat,
    pub(super) pause: Duration,
    pub(super) devices: Arc<[ListenerDevice]>,
}

/// A link that stays open this long was well.
const LASTS: Duration = Duration::from_secs(10);

impl Driver for ListenerDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let states = self.devices.iter().cloned().map(DeviceState::new).collect();
        Box::pin(Task { driver: *self, cx, states, overhearing: Vec::new() }.run())
    }
}

struct Task {
    driver: ListenerDriver,
    cx: DriverCx,
    states: Vec<DeviceState>,
    /// Who wants to see the bytes.
    overhearing: Vec<Overhearing>,
}

/// The driver is to stop.
struct Stopped;

impl Task {
    async fn run(mut self) -> Result<(), DriverError> {
        let shutdown = self.cx.shutdown.clone();
        // Whatever is given up here may be dropped anywhere: nothing is ever sent.
        let _ = shutdown.run_until_cancelled(self.listen_for_ever()).await;
        Ok(())
    }

    async fn listen_for_ever(&mut self) -> Result<(), Stopped> {
        let mut backoff = Backoff::new(BackoffSettings::LINK);
        loop {
            let LinkSettings { endpoint, connect_timeout, .. } = self.driver.settings.clone();
            let error = match self.refuse_while(endpoint.open(connect_timeout), &not_open()).await? {
                Ok(mut line) => {
                    info!(link = %self.cx.link, attempts = backoff.failures() + 1, "Link opened; listening.");
                    let opened = Instant::now();
                    let ended = self.session(&mut line).await?;
                    for overhearing in std::mem::take(&mut self.overhearing) {
                        overhearing.end(&self.driver, Err(ended.clone()));
                    }
                    if opened.elapsed() > LASTS {
                        backoff.succeeded();
                    }
                    ended
                }
                Err(error) => error.translate(),
            };
            if backoff.failures() == 0 {
                warn!(link = %self.cx.link, %error, "The link cannot be used; trying again.");
            }
            let boot_time = self.cx.clock.boot_time();
            for at in 0..self.states.len() {
                // A silent device stays silent; its port is only opened anew, in case that it was plugged in again.
                if !self.states[at].was_silent() {
                    let observations = self.states[at].lost("link-closed", &error, boot_time);
                    self.tell(observations).await?;
                }
            }
            let until = backoff.failed(Instant::now(), rand::random());
            self.refuse_while(tokio::time::sleep_until(until), &error).await?;
        }
    }

    /// Waits for `future`; requests are answered at once meanwhile.
    async fn refuse_while<T>(&mut self, future: impl Future<Output = T>, why: &Bilingual) -> Result<T, Stopped> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Ok(done),
                request = self.cx.requests.recv() => match request {
                    // Whoever asked may have gone.
                    Some(Request::Read { reply, .. }) => drop(reply.send(Err(why.clone()))),
                    Some(Request::Search { reply, .. }) => drop(reply.send(Err(not_searched()))),
                    Some(Request::Act(act)) => drop(act.reply.send(ActOutcome::Failed(NO_ACTIONS.into()))),
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Listens until the link is broken or everybody on it is silent. Returns why.
    async fn session(&mut self, line: &mut Line) -> Result<Bilingual, Stopped> {
        let now = Instant::now();
        self.states.iter_mut().for_each(|state| state.listen(now));
        let mut ear = Ear::new(self.driver.frame.clone(), self.driver.pause, now);
        let mut piece = [0; 512];
        loop {
            self.tell_news().await?;
            let now = Instant::now();
            // Nor is it closed under somebody who listens.
            if self.overhearing.is_empty() && self.states.iter().all(|state| state.is_silent(now)) {
                return Ok(both!("nothing is heard; the link is opened anew", "听不到任何数据；重新打开线路"));
            }
            let looks = self.states.iter().filter_map(|state| state.look_at(now)).chain(ear.due());
            let wake = looks.chain(self.overhearing.iter().map(Overhearing::until)).min();
            let idle = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = line.hear(&mut piece) => match heard {
                    Ok(count) => {
                        self.overhearing.iter().for_each(|overhearing| overhearing.hear(&piece[..count]));
                        let heard = ear.hear(&piece[..count], Instant::now());
                        self.understand(heard).await?;
                    }
                    Err(error) => return Ok(error.translate()),
                },
                request = self.cx.requests.recv() => match request {
                    Some(Request::Read { device, trace: Some(trace), reply }) => {
                        self.overhearing.push(Overhearing::begin(device, trace, reply, &ear));
                    }
                    Some(Request::Read { device, reply, .. }) => {
                        // Whoever asked may have gone.
                        drop(reply.send(self.last_rows(&device)));
                    }
                    Some(Request::Search { reply, .. }) => drop(reply.send(Err(not_searched()))),
                    Some(Request::Act(act)) => drop(act.reply.send(ActOutcome::Failed(NO_ACTIONS.into()))),
                    None => return Err(Stopped),
                },
                () = idle => {
                    let now = Instant::now();
                    if ear.due().is_some_and(|due| due <= now) {
                        self.overhearing.iter_mut().for_each(|overhearing| overhearing.pause(&self.driver));
                    }
                    let heard = ear.silence(now);
                    self.understand(heard).await?;
                    self.end_overhearing(now);
                }
            }
        }
    }

    async fn understand(&mut self, heard: Heard) -> Result<(), Stopped> {
        let (now, boot_time) = (Instant::now(), self.cx.clock.boot_time());
        if let Some(rejected) = heard.rejected {
            debug!(link = %self.cx.link, %rejected, "Bytes were thrown away.");
            // Of several devices nobody knows whose junk it is.
            if let [state] = self.states.as_mut_slice() {
                state.reject(rejected);
            }
        }
        for frame in heard.frames {
            let unit = self.driver.frame.unit_of(&frame);
            let Some(at) = self.states.iter().position(|state| state.is(unit)) else {
                debug!(link = %self.cx.link, ?unit, "A frame is of nobody here.");
                continue;
            };
            let observations = self.states[at].hear(&frame, now, boot_time);
            self.tell(observations).await?;
            if !trimmed(self.driver.frame.payload(&frame)).is_empty() {
                let key = self.states[at].key().clone();
                let (heard, others) = std::mem::take(&mut self.overhearing).into_iter().partition(|o| o.is_of(&key));
                self.overhearing = others;
                let heard: Vec<Overhearing> = heard;
                for overhearing in heard {
                    // What it said may be an event, which is no value.
                    overhearing.end(&self.driver, Ok(self.states[at].rows.values().cloned().collect()));
                }
            }
        }
        Ok(())
    }

    /// Ends what lasted long enough without a word of the device.
    fn end_overhearing(&mut self, now: Instant) {
        let (over, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.overhearing).into_iter().partition(|overhearing| overhearing.until() <= now);
        self.overhearing = others;
        for overhearing in over {
            let why = if overhearing.heard_something() { NOT_RIGHT } else { NOT_HEARD };
            overhearing.end(&self.driver, Err(why.into()));
        }
    }

    fn last_rows(&self, device: &DeviceKey) -> Result<Vec<RawRow>, Bilingual> {
        let state = self.states.iter().find(|state| state.key() == device);
        let state = state.ok_or(("there is no such device on this link", "这条线路上没有这个设备"))?;
        if state.rows.is_empty() {
            let text = "the device speaks by itself, and has said nothing yet that is a value";
            return Err((text, "设备自己发送数据，目前还没有发过数值").into());
        }
        Ok(state.rows.values().cloned().collect())
    }

    async fn tell_news(&mut self) -> Result<(), Stopped> {
        let (now, boot_time) = (Instant::now(), self.cx.clock.boot_time());
        for at in 0..self.states.len() {
            let observations = self.states[at].news(now, boot_time);
            self.tell(observations).await?;
        }
        Ok(())
    }

    async fn tell(&self, observations: Vec<Observation>) -> Result<(), Stopped> {
        for observation in observations {
            self.cx.observations.send(observation).await.map_err(|_| Stopped)?;
        }
        Ok(())
    }
}

const NOT_HEARD: (&str, &str) = (
    "the device speaks by itself and said nothing meanwhile; let it speak (a code, a card, a weight) while it is probed",
    "设备自己发送数据，这段时间没有发送；请在测试期间让它说话（扫一个码、刷一张卡、放上重物）",
);
const NOT_RIGHT: (&str, &str) = (
    "what came meanwhile is no right frame of the device: look at the speed, the parity and the profile",
    "这段时间收到的不是该设备的正确帧：请检查波特率、校验和型号文件",
);
const NO_ACTIONS: (&str, &str) = ("nothing was sent: such a device is only listened to", "没有发出：这种设备只能监听");

fn not_open() -> Bilingual {
    both!("the link is not open yet", "线路还没有打开")
}
