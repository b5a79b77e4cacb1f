//! The agent's parts against real files.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod buffer;
mod buffer_model;
mod collector;
mod commands;
mod languages;
mod pipeline;
mod site;
mod tls;
mod trouble;
mod uplink;
