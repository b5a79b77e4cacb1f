//! Asking and answering on a line where an answer does not say which request it belongs to.

use std::time::Duration;

use bytes::BytesMut;
use kouan_protocol::HealthLevel;
use kouan_settings::Bilingual;
use tokio::time::Instant;
use tracing::debug;

use super::endpoint::LinkSettings;
use super::late::Late;
use super::line::{Line, LineError};
use super::talker::{ActError, TalkError, Turn};
use super::timing::Timing;

/// Takes one answer out of what arrives.
pub trait AnswerReader {
    /// An answer.
    type Answer;

    /// The next answer. `None`: incomplete; what may still become one stays in `buffer`.
    fn next(&mut self, buffer: &mut BytesMut) -> Option<Self::Answer>;

    /// Why bytes were thrown away, if any were: a code for the device's health, and words for people.
    fn rejected(&self) -> Option<(&'static str, Bilingual)>;
}

/// How patient the line is with one device.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Pauses, time-outs and retries.
    pub timing: Timing,
    /// For how long after a request its answer may still come.
    pub late_window: Duration,
}

/// Why an exchange gave no answer.
#[derive(Debug)]
pub enum AskError {
    /// Nothing went out.
    NotSent(TalkError),
    /// The request went out.
    NoAnswer(TalkError),
}

impl AskError {
    /// What went wrong.
    #[must_use]
    pub fn into_talk(self) -> TalkError {
        match self {
            Self::NotSent(error) | Self::NoAnswer(error) => error,
        }
    }
}

impl From<AskError> for ActError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotSent(error) => Self::NotSent(error),
            AskError::NoAnswer(error) => Self::NotConfirmed(error),
        }
    }
}

/// One line with its devices. A device that did not answer in time is asked nothing else until its late answer can no
/// longer be expected: a late answer to a poll must not pass for the confirmation of an action.
#[derive(Debug)]
pub struct Asker {
    link: LinkSettings,
    /// By device.
    patience: Vec<Patience>,
    late: Vec<Late>,
    line: Option<Line>,
}

impl Asker {
    /// A closed line.
    #[must_use]
    pub fn new(link: LinkSettings, patience: Vec<Patience>) -> Self {
        let late = patience.iter().map(|_| Late::default()).collect();
        Self { link, patience, late, line: None }
    }

    /// Opens the line.
    ///
    /// # Errors
    /// When it does not open.
    pub async fn open(&mut self) -> Result<(), TalkError> {
        let mut line = self.link.endpoint.open(self.link.connect_timeout).await?;
        let now = Instant::now();
        if self.late.iter().any(|late| late.until(now).is_some()) {
            // A serial server delivers late answers to whoever connects next.
            line.spoil();
        }
        self.line = Some(line);
        Ok(())
    }

    /// Whether the line is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.line.is_some()
    }

    /// Whether it is a serial port.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        self.link.endpoint.is_serial()
    }

    /// Closes the line.
    pub fn close(&mut self) {
        self.line = None;
    }

    /// Until when an answer of the device may still come, if one may.
    #[must_use]
    pub fn hold(&self, device: usize) -> Option<Instant> {
        self.late[device].until(Instant::now())
    }

    /// Makes the line ready for an action of the device: any late answer could pass for the confirmation.
    ///
    /// # Errors
    /// When the line is broken or never quiet.
    pub async fn settle(&mut self, device: usize) -> Result<(), TalkError> {
        let until = self.hold(device);
        self.make_ready(device, until).await
    }

    /// Sends a request and waits for its answer, once.
    ///
    /// # Errors
    /// Why there is none, told apart by whether the request went out.
    pub async fn exchange<R: AnswerReader>(
        &mut self,
        device: usize,
        request: &[u8],
        mut reader: R,
    ) -> Result<R::Answer, AskError> {
        let Patience { timing, late_window } = self.patience[device];
        let serial = self.link.endpoint.is_serial();
        let sent = self.send(request, timing).await?;
        let Some(line) = self.line.as_mut() else {
            return Err(AskError::NoAnswer(TalkError::closed()));
        };
        let error = match line.receive(timing.answer_timeout, |buffer| reader.next(buffer)).await {
            Ok(answer) => {
                self.late[device].answered(sent, Instant::now());
                return Ok(answer);
            }
            Err(error) => error,
        };
        let mut talk = TalkError::of_line(&error, serial);
        if let (LineError::Timeout { .. }, Some((reason, text))) = (&error, reader.rejected()) {
            talk = TalkError::device(HealthLevel::Reachable, reason, text);
        }
        let window = late_window.max(timing.answer_timeout * 2);
        self.late[device].timed_out(request, sent, window, Instant::now());
        match self.line.as_mut() {
            Some(line) if serial && !talk.broken => line.spoil(),
            // A connection in an unknown state is given up; what is still under way dies with it.
            _ => self.line = None,
        }
        Err(AskError::NoAnswer(talk))
    }

    /// Sends something that nobody answers.
    ///
    /// # Errors
    /// When it did not go out whole.
    pub async fn tell(&mut self, device: usize, request: &[u8]) -> Result<(), AskError> {
        let timing = self.patience[device].timing;
        self.send(request, timing).await.map(|_| ())
    }

    /// One read, asked again as often as the device's settings and the turn allow.
    ///
    /// # Errors
    /// What went wrong the last time.
    pub async fn read<R: AnswerReader>(
        &mut self,
        device: usize,
        request: &[u8],
        turn: Turn<'_>,
        reader: impl Fn() -> R,
    ) -> Result<R::Answer, TalkError> {
        let mut attempts_left = self.patience[device].timing.retries;
        loop {
            if self.line.is_none() {
                self.open().await?;
            }
            let until = self.late[device].hold(request, Instant::now());
            self.make_ready(device, until).await?;
            let error = match self.exchange(device, request, reader()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error.into_talk(),
            };
            if error.broken || attempts_left == 0 || !turn.may_retry() {
                return Err(error);
            }
            attempts_left -= 1;
            debug!(device, %error, attempts_left, "Reading again.");
        }
    }

    /// Sends a request and says when.
    async fn send(&mut self, request: &[u8], timing: Timing) -> Result<Instant, AskError> {
        let serial = self.link.endpoint.is_serial();
        let Some(line) = self.line.as_mut() else {
            return Err(AskError::NotSent(TalkError::closed()));
        };
        let sent = Instant::now();
        let sending = match line.discard_now() {
            Ok(()) => line.send(request, timing.answer_timeout).await,
            Err(error) => Err(error),
        };
        let Err(error) = sending else { return Ok(sent) };
        self.line = None;
        let talk = TalkError::of_line(&error, serial);
        Err(match error {
            LineError::Broken { written: true, .. } => AskError::NoAnswer(talk),
            _ => AskError::NotSent(talk),
        })
    }

    /// Waits for late answers, keeps the gap, throws away stale input.
    async fn make_ready(&mut self, device: usize, until: Option<Instant>) -> Result<(), TalkError> {
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        let gap = self.patience[device].timing.gap;
        let Some(line) = self.line.as_mut() else { return Err(TalkError::closed()) };
        let Err(error) = line.settle(gap).await else { return Ok(()) };
        let error = TalkError::of_line(&error, line.is_serial());
        if error.broken {
            self.line = None;
        }
        Err(error)
    }
}
