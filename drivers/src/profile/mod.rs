//! Device models as data: what one model's points, events and actions are.
//!
//! Every profile is a TOML file. The common part (names, units, scale, range, states) is read here; where a point
//! lives in the protocol (a register, an offset in a frame, a field of a message) is read by the kind's
//! [`Dialect`]. `docs/profiles.md` describes the keys.

mod about;
mod action_keys;
mod check;
pub(crate) mod limits;
mod point;
mod point_keys;
mod polarity;
mod read;
mod store;
mod tells;
pub mod vocabulary;

pub use about::{About, DescribedPoint, Description, Evidence};
pub use check::check;
pub use limits::{Limit, LimitTest};
pub use point::{CounterEvent, GroupProfile, PointProfile, Scale};
pub use point_keys::Notes;
pub use read::{Action, Dialect, Group, Point, Profile};
#[cfg(feature = "simulators")]
pub(crate) use store::built_in_names;
pub use store::{ProfileSource, ProfileStore};
pub use tells::{StateAlarm, Tells};
