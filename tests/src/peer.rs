//! A Modbus server that we did not write: pymodbus.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::binaries::python;
use crate::process::{Process, ProcessOptions};

/// A pymodbus server on loopback.
#[derive(Debug)]
pub struct ModbusPeer {
    process: Process,
    address: SocketAddr,
}

impl ModbusPeer {
    /// Starts one that serves the registers of `table`, as `tests/peers/modbus_server.py` describes them.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(folder: &Path, table: &Value) -> anyhow::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/modbus_server.py");
        let table = table.to_string();
        let arguments = [script, "--tcp", "127.0.0.1:0", "--table", &table];
        let mut process = Process::start(&ProcessOptions::new("pymodbus", python()?, folder, arguments))?;
        let port = process
            .line_with(Duration::from_secs(20), |line| line.strip_prefix("LISTENING ")?.trim().parse::<u16>().ok())
            .await
            .context("the pymodbus server did not come up; run `make test-setup`")?;
        Ok(Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
