//! What a protocol implements to be run by the link engine.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use kouan_protocol::{Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate, both};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::endpoint::OpenError;
use super::line::LineError;
use super::trace::Piece;
use super::watch::Acted;
use crate::driver::{Heard, RawValue, Request, Stock, not_searched};

/// A protocol on one link. Devices and groups are named by their index in the configuration.
///
/// The engine calls one method at a time. It may drop the future of any of them when the driver is stopped.
pub trait Talker: Send {
    /// An action with its arguments, ready to be sent.
    type Act: Send;

    /// Opens the link. Called only while it is closed.
    fn open(&mut self) -> impl Future<Output = Result<(), TalkError>> + Send;

    /// Whether the link is open. A talker may close it itself, to shake off a late answer; the engine opens it again.
    fn is_open(&self) -> bool;

    /// Closes the link.
    fn close(&mut self);

    /// Reads a group. What was read before something failed is delivered with the failure.
    fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> impl Future<Output = Polled> + Send;

    /// Before this instant a read of the device could be given the late answer to an earlier one.
    fn hold(&self, device: usize, group: usize) -> Option<Instant> {
        let _ = (device, group);
        None
    }

    /// Says what the bytes of a poll mean, in [`Piece::fields`].
    fn explain(&self, device: usize, group: usize, pieces: &mut [Piece]) {
        let _ = (device, group, pieces);
    }

    /// Asks whether somebody answers at an address, once, and what it is. Never writes.
    fn search(&mut self, unit: u8, wait: Duration) -> impl Future<Output = Searched> + Send {
        let _ = (unit, wait);
        std::future::ready(Err(TalkError::refused(not_searched())))
    }

    /// Turns an action into what will be sent; nothing is sent.
    ///
    /// # Errors
    /// Why the action is impossible, for a person.
    fn prepare(&mut self, device: usize, action: &str, arguments: &[Field]) -> Result<Self::Act, Bilingual>;

    /// Makes the link ready for the device's next request: keeps pauses, throws away stale input. Sends nothing.
    ///
    /// # Errors
    /// When the link is broken.
    fn settle(&mut self, device: usize) -> impl Future<Output = Result<(), TalkError>> + Send;

    /// Carries out an action, once. Called right after its permit was obtained; the first byte goes out at once and
    /// **nothing is repeated**, whatever comes back. Points that must show it are watched by the engine.
    ///
    /// # Errors
    /// What went wrong, told apart by whether the device may have done it.
    fn act(&mut self, device: usize, act: Self::Act) -> impl Future<Output = Result<Acted, ActError>> + Send;
}

/// Whether somebody answers at an address.
pub type Searched = Result<Option<Heard>, TalkError>;

/// How patient a poll may be.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    requests: Option<&'a mpsc::Receiver<Request>>,
    may_retry: bool,
}

impl<'a> Turn<'a> {
    /// A turn that gives up retries when somebody wants the link for a command.
    #[must_use]
    pub fn new(requests: &'a mpsc::Receiver<Request>, may_retry: bool) -> Self {
        Self { requests: Some(requests), may_retry }
    }

    /// A turn that nobody wants to cut short.
    #[must_use]
    pub fn undisturbed() -> Self {
        Self { requests: None, may_retry: true }
    }

    /// A turn for one question that is asked once.
    #[must_use]
    pub fn once() -> Self {
        Self { requests: None, may_retry: false }
    }

    /// Whether somebody waits for the link; a poll of many requests then stops after the present one.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.requests.is_some_and(|requests| !requests.is_empty())
    }

    /// Whether a read that failed may be asked again now.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.may_retry && self.requests.is_none_or(mpsc::Receiver::is_empty)
    }
}

/// What a poll of a group found.
#[derive(Debug, Default)]
pub struct Polled {
    /// What was read, by ascending column, and what the device refused. Columns that were not asked are left out.
    pub cells: Vec<(u16, Result<RawValue, QualityReason>)>,
    /// What went wrong, if anything.
    pub trouble: Option<TalkError>,
    /// What the device said that happened; delivered whatever else went wrong.
    pub events: Vec<HeardEvent>,
    /// What lies before a reader of tags, once a pass has ended.
    pub stock: Option<Stock>,
}

/// A thing that a device told while it was polled.
#[derive(Debug)]
pub struct HeardEvent {
    /// What happened, a word of the vocabulary.
    pub kind: String,
    /// Details.
    pub fields: Vec<Field>,
    /// Fired when the event is on disk, dropped when it never will be; for a device that keeps it until then.
    pub stored: Option<oneshot::Sender<()>>,
}

impl Polled {
    /// A poll that failed at once.
    #[must_use]
    pub fn failed(trouble: TalkError) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

/// A device has no such action.
#[must_use]
pub fn no_action(action: &str) -> Bilingual {
    both!("there is no action \"{action}\"", "没有操作“{action}”")
}

/// A profile names a point that the device does not have.
#[must_use]
pub fn no_point(point: &str) -> Bilingual {
    both!("there is no point \"{point}\"", "没有测点“{point}”")
}

/// An interlock needs a point whose polarity nobody has proved.
#[must_use]
pub fn unproved_interlock(text: &str) -> Bilingual {
    both!("interlock: {text}: which raw value that is, is not proved", "联锁：{text}：对应的原始值尚未验证")
}

/// What should show that an action was done is a point whose polarity nobody has proved.
#[must_use]
pub fn unproved_watch(text: &str) -> Bilingual {
    both!(
        "the device accepted it, but which raw value means {text} is not proved",
        "设备已接受，但哪个原始值表示 {text} 尚未验证"
    )
}

/// Why talking to a device failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkError {
    /// The health of a device of which this is all that is known: `Answering` if it gave a valid answer that is a
    /// refusal, `Reachable` if something was heard or its address accepts connections, `Unreachable` otherwise.
    pub level: HealthLevel,
    /// A code: `timeout`, `bad-checksum`, `wrong-unit`, `not-understood`, `refused`, `link-closed`.
    pub reason: &'static str,
    /// For a person.
    pub text: Bilingual,
    /// Whether the link broke and must be opened again.
    pub broken: bool,
}

impl TalkError {
    /// The device gave no valid answer.
    #[must_use]
    pub fn device(level: HealthLevel, reason: &'static str, text: impl Into<Bilingual>) -> Self {
        Self { level, reason, text: text.into(), broken: false }
    }

    /// The device answered with a refusal.
    #[must_use]
    pub fn refused(text: impl Into<Bilingual>) -> Self {
        Self::device(HealthLevel::Answering, "refused", text)
    }

    /// The link broke.
    #[must_use]
    pub fn broken(text: impl Into<Bilingual>) -> Self {
        Self { level: HealthLevel::Unreachable, reason: "link-closed", text: text.into(), broken: true }
    }

    /// Nobody opened the link, or it was closed meanwhile.
    #[must_use]
    pub fn closed() -> Self {
        Self::broken(("the link is closed", "线路没有打开"))
    }

    /// What a failure of the line says; `serial` tells whether silence means that nobody is there.
    #[must_use]
    pub fn of_line(error: &LineError, serial: bool) -> Self {
        match error {
            LineError::Broken { .. } | LineError::Ended => {
                let level = if serial { HealthLevel::Unreachable } else { HealthLevel::Reachable };
                Self { level, ..Self::broken(error.translate()) }
            }
            LineError::Timeout { heard, .. } => {
                let level = if serial && *heard == 0 { HealthLevel::Unreachable } else { HealthLevel::Reachable };
                Self::device(level, if *heard == 0 { "timeout" } else { "not-understood" }, error.translate())
            }
            LineError::Busy => Self::device(HealthLevel::Reachable, "line-busy", error.translate()),
        }
    }

    /// Whether the device gave a valid answer.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.level >= HealthLevel::Answering
    }
}

impl From<OpenError> for TalkError {
    fn from(error: OpenError) -> Self {
        Self::broken(error.translate())
    }
}

impl fmt::Display for TalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl std::error::Error for TalkError {}

impl Translate for TalkError {
    fn translate(&self) -> Bilingual {
        self.text.clone()
    }
}

/// Why an action did not succeed.
#[derive(Debug)]
pub enum ActError {
    /// The device refused, or shows that it did not do it.
    Refused(TalkError),
    /// Not one byte went out.
    NotSent(TalkError),
    /// It went out, and nobody can tell whether it was done.
    NotConfirmed(TalkError),
}

impl ActError {
    /// What a failure of sending says: unknown as soon as one byte may have gone out.
    #[must_use]
    pub fn of_sending(error: &LineError, serial: bool) -> Self {
        let talk = TalkError::of_line(error, serial);
        match error {
            LineError::Broken { written: true, .. } => Self::NotConfirmed(talk),
            _ => Self::NotSent(talk),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> &TalkError {
        match self {
            Self::Refused(cause) | Self::NotSent(cause) | Self::NotConfirmed(cause) => cause,
        }
    }
}
