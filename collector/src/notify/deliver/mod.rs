//! The ways out: one file for each kind of channel.

mod alertmanager;
mod courier;
mod dingtalk;
mod email;
mod feishu;
mod guard;
mod markdown;
mod request;
mod sign;
pub(super) mod sms;
mod webhook;
mod wecom;

pub use courier::{Couriers, DeliverError, PrepareError};
