//! Modbus units that answer, and misbehave on request. Tests and people use the same ones.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator};
//!
//! let simulator = Simulator::new([(1, Model::XyMd02), (2, Model::WaveshareRelay8ch)]);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! tokio::spawn({
//!     let simulator = simulator.clone();
//!     async move { simulator.serve_tcp(listener).await }
//! });
//! simulator.misbehave(1, Misbehaviour::Silent);
//! simulator.restart();
//! println!("{}", simulator.show());
//! # Ok(())
//! # }
//! ```
//!
//! A pseudo-terminal is served with [`Simulator::serve_rtu`], which returns when the far end is closed
//! ([`Ended::Closed`]) or after [`Simulator::restart`] ([`Ended::Restarted`]); call it again with a new one.

mod model;
mod server;
mod unit;

pub use model::Model;
pub use server::Ended;
pub use unit::{Misbehaviour, Table};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use unit::Unit;

/// Simulated units on one line or behind one TCP server. Clones share the units.
#[derive(Debug, Clone)]
pub struct Simulator {
    units: Arc<Mutex<BTreeMap<u8, Unit>>>,
    restarts: watch::Sender<u64>,
}

impl Simulator {
    /// Units by their address.
    #[must_use]
    pub fn new(units: impl IntoIterator<Item = (u8, Model)>) -> Self {
        let now = Instant::now();
        let units = units.into_iter().map(|(unit, model)| (unit, Unit::new(model, now))).collect();
        Self { units: Arc::new(Mutex::new(units)), restarts: watch::Sender::new(0) }
    }

    /// From now on the unit behaves like this. False if there is no such unit.
    pub fn misbehave(&self, unit: u8, how: Misbehaviour) -> bool {
        self.lock().get_mut(&unit).map(|unit| unit.misbehaviour = how).is_some()
    }

    /// All units lose power and come back: connections are dropped, relays fall off, counters begin anew.
    /// What was counted for the test ([`Simulator::coil_writes`]) and values that were set stay.
    pub fn restart(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|unit| unit.restart(now));
        self.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// The addresses of all units.
    #[must_use]
    pub fn units(&self) -> Vec<u8> {
        self.lock().keys().copied().collect()
    }

    /// What a register or bit (0 or 1) holds now.
    #[must_use]
    pub fn get(&self, unit: u8, table: Table, address: u16) -> Option<u16> {
        let mut units = self.lock();
        let unit = units.get_mut(&unit)?;
        unit.live(Instant::now());
        unit.get(table, address)
    }

    /// Sets a register or bit; a value that lives by itself stands still from then on. False if there is no such unit.
    pub fn set(&self, unit: u8, table: Table, address: u16, value: u16) -> bool {
        self.lock().get_mut(&unit).map(|unit| unit.set(table, address, value)).is_some()
    }

    /// How often the coil was really moved by a request: switched, pulsed or toggled.
    #[must_use]
    pub fn coil_writes(&self, unit: u8, coil: u16) -> u64 {
        self.lock().get(&unit).map_or(0, |unit| unit.coil_writes(coil))
    }

    /// How many requests the unit got, whether it answered them or not.
    #[must_use]
    pub fn requests(&self, unit: u8) -> u64 {
        self.lock().get(&unit).map_or(0, |unit| unit.requests)
    }

    /// Everything about all units.
    #[must_use]
    pub fn show(&self) -> serde_json::Value {
        let now = Instant::now();
        let mut units = self.lock();
        let units = units.iter_mut().map(|(address, unit)| {
            unit.live(now);
            unit.show(*address)
        });
        serde_json::Value::Array(units.collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u8, Unit>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
