//! The proof of the path: the real programs, from a device to the API and back.
//!
//! Each test runs processes of its own in a folder of its own; `.config/nextest.toml` says how many at once.

mod alarms;
mod alone;
mod asset_config;
mod bad_input;
mod commands;
mod demo;
mod loss;
mod restore;
mod sign_in;
mod small;
mod telemetry;
mod tls;
mod tool;

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

/// A folder for one test. With `KOUAN_TEST_KEEP` set it stays, with every log and data folder, to look into.
fn folder() -> anyhow::Result<TempDir> {
    let keep = std::env::var_os("KOUAN_TEST_KEEP").is_some();
    tempfile::Builder::new().prefix("kouan-test-").disable_cleanup(keep).tempdir().context("making a folder failed")
}

/// A number out of a JSON document.
fn count(value: &Value) -> anyhow::Result<u64> {
    value.as_u64().with_context(|| format!("{value} is no count"))
}
