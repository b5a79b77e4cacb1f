//! A fleet of devices that live as real ones do, played through real HTTP with real batches: what a collector costs
//! under it, and how quickly it answers meanwhile (`docs/scale.md`).
//!
//! | room | holds |
//! |---|---|
//! | [`estate`] | the devices of five real projects, any number of times |
//! | [`classes`] | what a device of each class measures, and what happens at it |
//! | [`life`] | the readings, events and health of a site, second by second |
//! | [`troubles`] | what goes wrong where people watch |
//! | [`play`] | the agents that send them |
//! | [`questions`] | what people and programs ask meanwhile |
//! | [`load`] | all of it together, and the figures |
//! | [`meter`] | what a collector uses meanwhile |
//! | [`breaking`] | a fleet that grows until something breaks |

mod breaking;
pub(crate) mod classes;
pub(crate) mod estate;
pub(crate) mod life;
mod load;
mod meter;
pub(crate) mod play;
mod questions;
pub(crate) mod troubles;

pub(crate) use load::{FleetOptions, join, join_since, measure};
