//! The whole fleet for people to look at: every place under its own name, with faults that come and go, at a collector
//! that runs already. `make demo FLEET=1` and the tests of the console use it.
//!
//! | room | holds |
//! |---|---|
//! | [`places`] | names of the sites in two languages, and where they are |
//! | [`family`] | which device hangs on which switch |
//! | [`run`] | all agents of the fleet, until they are stopped |

mod family;
mod places;
mod run;

pub(crate) use run::{ShowOptions, show};
