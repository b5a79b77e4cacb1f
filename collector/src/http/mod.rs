//! The API: one route table, thin handlers, problem documents.

mod agent;
mod agents;
mod alarms;
mod availability;
mod commands;
mod devices;
mod events;
mod export;
mod extract;
mod guard;
mod history;
mod keys;
mod latest;
mod losses;
mod maintenance;
mod metrics;
mod page;
mod points;
mod problem;
mod readings;
mod routes;
mod series;
mod service;
mod shared;
mod time;
mod upload_slots;

pub use problem::Problem;
pub use routes::{Route, openapi, router, table};
pub use shared::{AppState, Shared};
pub use time::{parse_time, rfc3339};
pub use upload_slots::UploadSlots;
