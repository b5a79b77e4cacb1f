//! The agent's parts against real files.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod buffer;
mod commands;
mod pipeline;
mod site;
