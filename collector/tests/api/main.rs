//! The collector as its clients see it: in this process, over real HTTP, with a scripted agent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod commands;
mod history;
mod ingest;
mod running;
mod scripted_agent;
mod state;
mod verify;
