//! One open line.

use std::sync::Arc;

use bytes::Bytes;
use kouan_protocol::{Field, HealthLevel};
use tokio::time::Instant;
use tracing::debug;

use super::dialect::{Confirm, SerialProfile};
use super::frame::FrameReader;
use super::late::Late;
use super::template::Codes;
use crate::link::{ActError, Line, LineError, LinkSettings, Polled, TalkError, Talker, Timing, Turn};

/// A device on the line.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) unit: u8,
    pub(super) timing: Timing,
    pub(super) profile: Arc<SerialProfile>,
}

/// A line that the engine drives.
#[derive(Debug)]
pub(super) struct Session {
    link: LinkSettings,
    units: Vec<Unit>,
    /// By device.
    late: Vec<Late>,
    line: Option<Line>,
}

/// An action that is ready to be sent.
#[derive(Debug)]
pub(super) struct Act {
    request: Vec<u8>,
    confirm: Confirm,
}

/// Why an exchange gave no answer.
enum ExchangeError {
    /// Nothing went out.
    NotSent(TalkError),
    /// The request went out.
    NoAnswer(TalkError),
}

impl Session {
    /// A closed line.
    pub(super) fn new(link: LinkSettings, units: Vec<Unit>) -> Self {
        let late = units.iter().map(|_| Late::default()).collect();
        Self { link, units, late, line: None }
    }

    /// Sends a request and waits for its answer, once.
    async fn exchange(&mut self, device: usize, request: &[u8]) -> Result<Bytes, ExchangeError> {
        let Unit { unit, timing, profile } = &self.units[device];
        let serial = self.link.endpoint.is_serial();
        let Some(line) = self.line.as_mut() else {
            return Err(ExchangeError::NotSent(TalkError::broken("the link is closed")));
        };
        let sent = Instant::now();
        let sending = match line.discard_now() {
            Ok(()) => line.send(request, timing.answer_timeout).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sending {
            self.line = None;
            let talk = TalkError::of_line(&error, serial);
            return Err(match error {
                LineError::Broken { written: true, .. } => ExchangeError::NoAnswer(talk),
                _ => ExchangeError::NotSent(talk),
            });
        }
        let mut reader = FrameReader::new(&profile.model.answer, *unit);
        let received = line.receive(timing.answer_timeout, |buffer| reader.next(buffer)).await;
        let error = match received {
            Ok(answer) => {
                self.late[device].answered(sent, Instant::now());
                return Ok(answer);
            }
            Err(error) => error,
        };
        let mut talk = TalkError::of_line(&error, serial);
        if let (LineError::Timeout { .. }, Some(rejected)) = (&error, reader.rejected()) {
            talk = TalkError::device(HealthLevel::Reachable, rejected.reason(), rejected.to_string());
        }
        let window = profile.model.late_window.max(timing.answer_timeout * 2);
        self.late[device].timed_out(request, sent, window, Instant::now());
        match self.line.as_mut() {
            Some(line) if serial && !talk.broken => line.spoil(),
            // A connection in an unknown state is given up; what is still under way dies with it.
            _ => self.line = None,
        }
        Err(ExchangeError::NoAnswer(talk))
    }

    /// Waits for late answers, keeps the gap, throws away stale input.
    async fn make_ready(&mut self, device: usize, until: Option<Instant>) -> Result<(), TalkError> {
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        let gap = self.units[device].timing.gap;
        let Some(line) = self.line.as_mut() else { return Err(TalkError::broken("the link is closed")) };
        let Err(error) = line.settle(gap).await else { return Ok(()) };
        let error = TalkError::of_line(&error, line.is_serial());
        if error.broken {
            self.line = None;
        }
        Err(error)
    }

    /// One read, asked again as often as the device's settings and the turn allow.
    async fn read(&mut self, device: usize, request: &[u8], turn: Turn<'_>) -> Result<Bytes, TalkError> {
        let mut attempts_left = self.units[device].timing.retries;
        loop {
            if self.line.is_none() {
                self.open().await?;
            }
            let until = self.late[device].hold(request, Instant::now());
            self.make_ready(device, until).await?;
            let error = match self.exchange(device, request).await {
                Ok(answer) => return Ok(answer),
                Err(ExchangeError::NotSent(error) | ExchangeError::NoAnswer(error)) => error,
            };
            if error.broken || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
            debug!(unit = self.units[device].unit, %error, attempts_left, "Reading again.");
        }
    }
}

impl Talker for Session {
    type Act = Act;

    async fn open(&mut self) -> Result<(), TalkError> {
        let mut line = self.link.endpoint.open(self.link.connect_timeout).await?;
        let now = Instant::now();
        if self.late.iter().any(|late| late.until(now).is_some()) {
            // A serial server delivers late answers to whoever connects next.
            line.spoil();
        }
        self.line = Some(line);
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.line.is_some()
    }

    fn close(&mut self) {
        self.line = None;
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let Unit { unit, profile, .. } = &self.units[device];
        let profile = Arc::clone(profile);
        let group = &profile.groups[group];
        let mut request = match group.ask.write(*unit, &[], &Codes::default()) {
            Ok(request) => request,
            Err(error) => return Polled::failed(TalkError::device(HealthLevel::Unreachable, "not-understood", error)),
        };
        profile.model.checksum.append(&mut request);
        match self.read(device, &request, turn).await {
            Ok(answer) => {
                let cells = (0..).zip(&group.points).map(|(column, point)| (column, point.address.read(&answer)));
                Polled { cells: cells.collect(), trouble: None }
            }
            Err(error) => Polled::failed(error),
        }
    }

    fn hold(&self, device: usize, _group: usize) -> Option<Instant> {
        // A poll can wait; its answer is then beyond doubt.
        self.late[device].until(Instant::now())
    }

    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Act, String> {
        let Unit { unit, profile, .. } = &self.units[device];
        let found = profile.actions.iter().find(|candidate| candidate.spec.name == action);
        let speak = &found.ok_or_else(|| format!("there is no action \"{action}\""))?.speak;
        let mut request = speak.request.write(*unit, arguments, &speak.codes)?;
        profile.model.checksum.append(&mut request);
        Ok(Act { request, confirm: speak.confirm })
    }

    async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        // Any late answer could pass for the confirmation.
        let until = self.late[device].until(Instant::now());
        self.make_ready(device, until).await
    }

    async fn act(&mut self, device: usize, act: Act) -> Result<Vec<Field>, ActError> {
        let Act { request, confirm } = act;
        match self.exchange(device, &request).await {
            Ok(answer) if answer.get(confirm.at) == Some(&confirm.equals) => Ok(Vec::new()),
            Ok(answer) => {
                let said = answer.get(confirm.at).map_or("nothing".to_owned(), |byte| format!("{byte:02X}"));
                let text = format!("the device says {said} instead of {:02X}: it did not do it", confirm.equals);
                Err(ActError::Refused(TalkError::refused(text)))
            }
            Err(ExchangeError::NotSent(error)) => Err(ActError::NotSent(error)),
            Err(ExchangeError::NoAnswer(error)) => Err(ActError::NotConfirmed(error)),
        }
    }
}
