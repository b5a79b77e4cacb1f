//! A simulated site for people and tests: the real programs, run as processes of their own.
//!
//! [`Checkpoint`] is one collector, one agent and a small simulated checkpoint; `kouan-demo` shows it, and the tests
//! in `tests/` break it. Every process it starts writes a log of its own and ends with the program that started it.

mod agent;
mod api;
mod binaries;
mod broker;
mod checkpoint;
mod collector;
mod configuration;
mod faults;
mod fleet;
mod furnish;
mod peer;
mod people;
pub mod power_loss;
mod process;
pub mod prove;
mod proxy;
mod relay;
mod simulator;
mod wait;

pub use agent::{Agent, Outcome};
pub use api::{Answer, Api};
pub use binaries::{binary, python};
pub use broker::Broker;
pub use checkpoint::Checkpoint;
pub use collector::{Collector, numbers};
pub use configuration::{AgentConfiguration, checkpoint_links};
pub use faults::{ClockFaults, DiskCounts, DiskFaults, disk_library, together};
pub use fleet::Fleet;
pub use furnish::furnish;
pub use peer::ModbusPeer;
pub use people::{Person, first_person, person};
pub use process::{Process, ProcessOptions, run_to_end};
pub use proxy::{Line, Proxy};
pub use relay::Relay;
pub use simulator::Simulator;
pub use wait::{SHORT, wait_for, wait_until};
