//! The proof of the path: the real programs, from a device to the API and back.
//!
//! Each test runs processes of its own in a folder of its own; `.config/nextest.toml` says how many at once.

mod alone;
mod bad_input;
mod commands;
mod demo;
mod loss;
mod small;
mod telemetry;

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

/// A folder for one test, kept when it fails.
fn folder() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("kouan-test-").tempdir().context("making a folder failed")
}

/// A number out of a JSON document.
fn count(value: &Value) -> anyhow::Result<u64> {
    value.as_u64().with_context(|| format!("{value} is no count"))
}
