//! What a driver is, and everything it gets and gives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{BootTime, Clock, DeviceKey, Field, HealthLevel, QualityReason};
use kouan_settings::{Bilingual, Translate, both};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::link::trace::Trace;
use crate::search::identity::Identity;

/// A running driver: one link with its devices.
pub trait Driver: Send {
    /// Talks to the devices until [`DriverCx::shutdown`] is cancelled.
    ///
    /// # Errors
    /// When it cannot go on by itself. The error's [`Fault`] decides whether it is started again.
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture;
}

/// What [`Driver::run`] returns.
pub type DriverFuture = Pin<Box<dyn Future<Output = Result<(), DriverError>> + Send>>;

/// Everything a driver gets. Nothing else reaches it: no globals, no system clock.
pub struct DriverCx {
    /// The link's name, for logs.
    pub link: Arc<str>,
    /// Where observations go. A full channel makes the driver wait, which is the back-pressure.
    pub observations: mpsc::Sender<Observation>,
    /// Commands and reads on demand. They overtake polls.
    pub requests: mpsc::Receiver<Request>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What it runs for.
    pub purpose: Purpose,
    /// Cancelled when the driver is to stop.
    pub shutdown: CancellationToken,
}

/// What a driver runs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For an agent, which keeps what it is told.
    Serve,
    /// For somebody who looks for a moment and keeps nothing. What a device hands out only once (the cards of a reader,
    /// the log of a door controller) stays in the device, for the agent.
    Look,
}

/// Something a driver learned.
#[derive(Debug)]
pub enum Observation {
    /// A read group was read.
    Row(RawRow),
    /// The device said that something happened.
    Event {
        /// The event.
        event: RawEvent,
        /// Fired when the event is on disk, dropped when it never will be; for a device that keeps it until then.
        stored: Option<oneshot::Sender<()>>,
    },
    /// What lies before a reader of tags, told after each pass.
    Stock(RawStock),
    /// The device's health, told whenever it may have changed; the receiver drops repetitions.
    Health(RawHealth),
}

/// What one poll of a group found, before scale, range and dead-band.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRow {
    /// Whose readings they are.
    pub device: DeviceKey,
    /// Index of the group in [`crate::configure::ConfiguredDevice::groups`].
    pub group: usize,
    /// When the answer was complete.
    pub boot_time: BootTime,
    /// The cells that were read, by ascending column. A column left out was not read and is not touched.
    pub cells: Vec<(u16, Result<RawValue, QualityReason>)>,
}

/// A value as the device said it.
#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    /// A register, a bit (0 or 1), a count.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A thing that happened once.
#[derive(Debug, Clone, PartialEq)]
pub struct RawEvent {
    /// Whose event it is.
    pub device: DeviceKey,
    /// When it happened, as far as the driver knows.
    pub boot_time: BootTime,
    /// What happened: `ticket-issued`.
    pub kind: String,
    /// Details.
    pub fields: Vec<Field>,
}

/// What lies before a reader of tags, as its passes show it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stock {
    /// Every tag that is there, by ascending EPC, each once.
    pub present: Vec<Tag>,
    /// Whether what is not in `present` was missed often enough to be gone.
    pub complete: bool,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its EPC, in hexadecimal digits.
    pub epc: String,
    /// The antenna that saw it best, where the reader says so.
    pub antenna: Option<u16>,
    /// How strong it was there, in dBm, where the reader says so.
    pub rssi_dbm: Option<i16>,
}

/// A stock, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RawStock {
    /// The reader.
    pub device: DeviceKey,
    /// When the pass ended.
    pub boot_time: BootTime,
    /// What is there.
    pub stock: Stock,
}

/// How far a device can be used right now.
#[derive(Debug, Clone, PartialEq)]
pub struct RawHealth {
    /// Whose health it is.
    pub device: DeviceKey,
    /// When it was found.
    pub boot_time: BootTime,
    /// `Unreachable` to `Working`.
    pub level: HealthLevel,
    /// Why, as a code: `timeout`, `bad-checksum`, `link-closed`; empty when working.
    pub reason: &'static str,
    /// Why, for a person.
    pub text: Bilingual,
}

/// Something asked of a driver.
pub enum Request {
    /// Do something with a device.
    Act(ActRequest),
    /// Read all groups of a device now; the rows also go out as observations.
    Read {
        /// The device.
        device: DeviceKey,
        /// Records the bytes that go over the line meanwhile; a driver that has no line ignores it.
        trace: Option<Trace>,
        /// Gets the rows, or why there are none.
        reply: oneshot::Sender<Result<Vec<RawRow>, Bilingual>>,
    },
    /// Ask whether somebody answers at an address of the line. One turn on it, and nothing is written.
    Search {
        /// The address.
        unit: u8,
        /// How long it may think.
        wait: Duration,
        /// Gets who answers, `None` for silence.
        reply: oneshot::Sender<Result<Option<Heard>, Bilingual>>,
    },
}

/// Somebody is at an address of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A device of the configuration; it was not asked.
    Configured,
    /// Somebody else, with what it says of itself.
    Stranger(Option<Identity>),
}

/// Only some lines can be searched while they are in use.
#[must_use]
pub fn not_searched() -> Bilingual {
    both!("a line of this kind cannot be searched while it is in use", "这种线路在使用中不能搜索")
}

/// A command on its way to a device.
pub struct ActRequest {
    /// The device.
    pub device: DeviceKey,
    /// The action; one that the device's profile has, with checked arguments.
    pub action: String,
    /// Its arguments.
    pub arguments: Vec<Field>,
    /// Must be obtained immediately before the first byte goes out, and only once.
    pub permit: Box<dyn StartPermit>,
    /// Gets the outcome. If it is dropped unanswered, the outcome is unknown.
    pub reply: oneshot::Sender<ActOutcome>,
}

/// The agent's word that a command may start now: not expired, interlocks fine, "started" on disk.
pub trait StartPermit: Send {
    /// Writes "started" into the journal and waits until it is on disk.
    ///
    /// # Errors
    /// Why the command must not start. Nothing may then be sent to the device.
    fn obtain(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), PermitRefused>> + Send>>;
}

/// The command must not start; the agent has already recorded why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the command may not start: {0}")]
pub struct PermitRefused(pub Bilingual);

impl Translate for PermitRefused {
    fn translate(&self) -> Bilingual {
        both!("the command may not start: {why}", "命令不能开始：{why}"; why = self.0)
    }
}

/// What became of an action. Nothing is ever tried twice.
#[derive(Debug, Clone, PartialEq)]
pub enum ActOutcome {
    /// The device confirmed it.
    Succeeded(Vec<Field>),
    /// The device refused, or the action was certainly not carried out.
    Failed(Bilingual),
    /// It may or may not have been carried out: no answer, or one that makes no sense.
    Unknown(Bilingual),
    /// As unknown, with what was seen of it: the slot opened, nobody saw it shut.
    Partly {
        /// What was seen; what was not seen is `unknown`.
        seen: Vec<Field>,
        /// What was not seen, for a person.
        reason: Bilingual,
    },
    /// The permit was refused; nothing was sent.
    NotStarted(Bilingual),
}

/// What an error says about what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The link is closed or broken: close it, wait, open it again.
    Link,
    /// One device does not answer properly: mark it, go on with the others.
    Device,
    /// The settings cannot work: park until they change.
    Config,
}

/// Why a driver stopped.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub struct DriverError {
    /// What to do next.
    pub fault: Fault,
    /// What was being done, with the place: `open serial port /dev/ttyUSB0`.
    pub operation: Bilingual,
    /// Why it failed.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl Translate for DriverError {
    fn translate(&self) -> Bilingual {
        let (operation, cause) = (&self.operation, Bilingual::verbatim(&self.cause));
        both!("{operation} failed: {cause}", "{operation}失败：{cause}"; operation, cause)
    }
}

impl fmt::Debug for DriverCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverCx").field("link", &self.link).finish_non_exhaustive()
    }
}
