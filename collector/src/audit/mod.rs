//! What people and systems did: a log to which rows are only added, each with the hash of the one before.
//!
//! A row is written in the transaction of what it tells of: neither is there without the other.

mod chain;
mod device;
mod list;
mod record;

pub use chain::{ChainHead, ChainReport, check_chain};
pub use device::{DeviceChange, of_device};
pub use list::{AuditFilter, AuditRow, list};
pub use record::{Actor, ActorKind, Deed, record};
