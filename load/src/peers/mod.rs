//! The same readings at this collector, VictoriaMetrics and PostgreSQL: what each costs, and how quickly it answers.
//!
//! | room | holds |
//! |---|---|
//! | [`readings`] | the readings, made up once and the same for all |
//! | [`compare`] | one store after the other, and the figures |
//! | [`ours`], [`victoria`], [`postgres`] | each store: started, filled, asked, weighed |
//! | [`remote_write`] | the messages that VictoriaMetrics takes |

mod compare;
mod ours;
mod postgres;
mod readings;
mod remote_write;
mod victoria;

pub(crate) use compare::{PeersOptions, measure};
