//! The whole fleet for people to look at: every place under its own name, with faults that come and go, at a collector
//! that runs already. `make demo FLEET=1` and the tests of the console use it.
//!
//! | room | holds |
//! |---|---|
//! | [`places`] | names of the sites in two languages, and where they are |
//! | [`family`] | which device hangs on which switch |
//! | [`inventory`] | its asset list, and what the sites are called |
//! | [`run`] | all agents of the fleet, until they are stopped |

mod family;
mod inventory;
mod places;
mod run;

pub(crate) use inventory::{bring, device_ids};
pub(crate) use places::site_id;
pub(crate) use run::{ShowOptions, places, show};
