//! The words agent and collector share, and their bytes on the wire.
//!
//! This crate imports nothing of ours (`ARCHITECTURE.md`, invariant 1). `docs/wire.md` describes the same
//! encoding for somebody who implements it in another language; `golden/` holds encoded files of every released
//! version, which `tests/golden.rs` decodes for ever.
//!
//! | room | holds |
//! |---|---|
//! | [`ids`], [`clock`] | names, numbers and times |
//! | [`value`], [`catalogue`], [`rows`] | points, read groups, and readings in columns |
//! | [`argument`] | what can be wrong with the arguments of a command |
//! | [`event`], [`alarm`], [`command`], [`health`], [`gap`], [`blob`] | what a record can say |
//! | [`record`], [`batch`] | numbered records of a lane, and the snapshot |
//! | [`session`] | hello, upload, acknowledgement, command poll |
//! | [`limits`], [`frame`] | what is refused before it is allocated |
//! | [`fingerprint`] | the name of a TLS certificate |

pub mod alarm;
pub mod argument;
pub mod batch;
pub mod blob;
pub mod catalogue;
pub mod clock;
pub mod command;
pub mod error;
pub mod event;
pub mod field;
pub mod fingerprint;
pub mod frame;
pub mod gap;
pub mod health;
pub mod ids;
pub mod limits;
mod packed;
pub mod record;
pub mod rows;
pub mod session;
pub mod value;
mod wire;

pub use alarm::{AlarmChange, AlarmState, Severity};
pub use argument::ArgumentProblem;
pub use batch::{Batch, OpenGroup};
pub use blob::BlobRef;
pub use catalogue::{ActionSpec, ArgumentKind, ArgumentSpec, Catalogue, DeviceSpec, GroupSpec, PointSpec};
pub use clock::{Anchor, BootTime, Clock, ManualClock, SystemClock, Timestamp};
pub use command::{Command, CommandProgress, CommandState};
pub use error::DecodeError;
pub use event::Event;
pub use field::{Field, FieldValue, Privacy};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use gap::{Gap, GapReason};
pub use health::{DeviceHealth, HealthLevel};
pub use ids::{
    AgentId, BootId, CatalogueHash, CommandId, DeviceKey, Digest, Epoch, Incarnation, Lane, NameError, PointName,
    SessionId,
};
pub use record::{Record, RecordBody, RecordKind};
pub use rows::{Cell, CellSink, GroupIndex, GroupRows, RawValue, Row, RowsView, unscale};
pub use value::{PointKind, Quality, QualityReason, Value};
