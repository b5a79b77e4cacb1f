//! Device points for monitoring systems that speak Prometheus: what they scrape, and what is written to them.
//! `docs/monitoring.md` says what the series mean.

mod exposition;
mod series;

pub use exposition::{Exposition, Scraped};
pub use series::{Labels, Sample, samples_of};
