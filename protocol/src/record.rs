//! A numbered record of the lanes `urgent` and `events`, and gaps of any lane.

use prost::Message as _;

use crate::alarm::AlarmChange;
use crate::clock::{Anchor, BootTime};
use crate::command::CommandProgress;
use crate::error::DecodeError;
use crate::event::Event;
use crate::gap::Gap;
use crate::health::DeviceHealth;
use crate::{limits, wire};

/// What kind of record it is. The number on the wire is open: a collector keeps kinds it does not know in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKind(pub u32);

impl RecordKind {
    /// [`Event`].
    pub const EVENT: Self = Self(1);
    /// [`AlarmChange`].
    pub const ALARM: Self = Self(2);
    /// [`CommandProgress`].
    pub const COMMAND: Self = Self(3);
    /// [`DeviceHealth`].
    pub const HEALTH: Self = Self(4);
    /// [`Gap`].
    pub const GAP: Self = Self(5);
    /// The kinds of this version.
    pub const KNOWN: [Self; 5] = [Self::EVENT, Self::ALARM, Self::COMMAND, Self::HEALTH, Self::GAP];
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordBody {
    /// A thing that happened once.
    Event(Event),
    /// An edge alarm was raised or cleared.
    Alarm(AlarmChange),
    /// A command moved on.
    Command(CommandProgress),
    /// A device's health changed.
    Health(DeviceHealth),
    /// Records were lost.
    Gap(Gap),
    /// A record that this version cannot read; kept as it came.
    Opaque {
        /// The kind it claims to be.
        kind: RecordKind,
        /// Its bytes.
        body: Vec<u8>,
        /// Why it could not be read.
        problem: String,
    },
}

/// A record with its time. Its number follows from its place in the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When it was made, on the boot clock of the batch's anchor.
    pub boot_time: BootTime,
    /// What it says.
    pub body: RecordBody,
    /// How many numbers it takes: more than one only for a gap.
    pub span: u64,
}

impl Record {
    /// A record that takes one number.
    #[must_use]
    pub fn new(boot_time: BootTime, body: RecordBody) -> Self {
        Self { boot_time, body, span: 1 }
    }

    pub(crate) fn to_wire(&self, anchor: &Anchor) -> wire::Record {
        let (kind, body) = self.body.encode();
        wire::Record {
            kind: kind.0,
            time_step: time_step(self.boot_time, anchor.boot_time),
            body,
            more: self.span.saturating_sub(1),
        }
    }

    /// Never fails on a record's content: what is too large or cannot be read becomes [`RecordBody::Opaque`].
    pub(crate) fn from_wire(record: wire::Record, anchor: &Anchor) -> Result<Self, DecodeError> {
        let kind = RecordKind(record.kind);
        if record.more > 0 && kind != RecordKind::GAP {
            return Err(DecodeError::inconsistent("record", "only a gap may take more than one number"));
        }
        let span = record.more.checked_add(1).ok_or_else(|| DecodeError::inconsistent("record", "span overflows"))?;
        let body = RecordBody::decode(kind, record.body);
        Ok(Self { boot_time: apply_time_step(anchor.boot_time, record.time_step), body, span })
    }
}

impl RecordBody {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Event(_) => RecordKind::EVENT,
            Self::Alarm(_) => RecordKind::ALARM,
            Self::Command(_) => RecordKind::COMMAND,
            Self::Health(_) => RecordKind::HEALTH,
            Self::Gap(_) => RecordKind::GAP,
            Self::Opaque { kind, .. } => *kind,
        }
    }

    /// The kind and the bytes of the body.
    #[must_use]
    pub fn encode(&self) -> (RecordKind, Vec<u8>) {
        match self {
            Self::Event(event) => (RecordKind::EVENT, event.to_wire().encode_to_vec()),
            Self::Alarm(alarm) => (RecordKind::ALARM, alarm.to_wire().encode_to_vec()),
            Self::Command(progress) => (RecordKind::COMMAND, progress.to_wire().encode_to_vec()),
            Self::Health(health) => (RecordKind::HEALTH, health.to_wire().encode_to_vec()),
            Self::Gap(gap) => (RecordKind::GAP, gap.to_wire().encode_to_vec()),
            Self::Opaque { kind, body, .. } => (*kind, body.clone()),
        }
    }

    /// Reads a body of that kind; what cannot be read comes back as [`RecordBody::Opaque`].
    #[must_use]
    pub fn decode(kind: RecordKind, body: Vec<u8>) -> Self {
        match Self::try_decode(kind, &body) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => Self::Opaque { kind, body, problem: format!("record kind {} is not known", kind.0) },
            Err(error) => Self::Opaque { kind, body, problem: error.to_string() },
        }
    }

    /// Whether a reader takes the record as it is: within every limit of [`limits`].
    #[must_use]
    pub fn is_carried(&self) -> bool {
        if let Self::Event(event) = self
            && event.is_ordinary()
        {
            return true;
        }
        let (kind, body) = self.encode();
        matches!(Self::try_decode(kind, &body), Ok(Some(_)))
    }

    fn try_decode(kind: RecordKind, body: &[u8]) -> Result<Option<Self>, DecodeError> {
        DecodeError::check_size("record bytes", body.len(), limits::RECORD_BYTES)?;
        Ok(Some(match kind {
            RecordKind::EVENT => {
                Self::Event(Event::from_wire(wire::Event::decode(body).map_err(DecodeError::malformed("event"))?)?)
            }
            RecordKind::ALARM => Self::Alarm(AlarmChange::from_wire(
                wire::AlarmChange::decode(body).map_err(DecodeError::malformed("alarm"))?,
            )?),
            RecordKind::COMMAND => Self::Command(CommandProgress::from_wire(
                wire::CommandProgress::decode(body).map_err(DecodeError::malformed("command progress"))?,
            )?),
            RecordKind::HEALTH => Self::Health(DeviceHealth::from_wire(
                wire::DeviceHealth::decode(body).map_err(DecodeError::malformed("device health"))?,
            )?),
            RecordKind::GAP => {
                Self::Gap(Gap::from_wire(wire::Gap::decode(body).map_err(DecodeError::malformed("gap"))?)?)
            }
            _ => return Ok(None),
        }))
    }
}

/// `time` relative to `base`, for the wire.
pub(crate) fn time_step(time: BootTime, base: BootTime) -> i64 {
    let step = i128::from(time.0) - i128::from(base.0);
    step.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// The inverse of [`time_step`], saturating.
pub(crate) fn apply_time_step(base: BootTime, step: i64) -> BootTime {
    BootTime(base.0.saturating_add_signed(step))
}
