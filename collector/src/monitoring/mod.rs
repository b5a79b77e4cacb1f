//! Device points for monitoring systems that speak Prometheus: what they scrape ([`Exposition`]), and what is
//! written to them ([`RemoteWriter`]).
//! `docs/monitoring.md` says what the series mean.

mod exposition;
mod remote;
mod series;

pub use exposition::{Exposition, Scraped};
pub use remote::{RemoteWriteError, RemoteWriter, Sources};
pub use series::{Labels, Sample, samples_of};
