//! This very machine, through the kernel's own figures.
//!
//! ```toml
//! [[link]]
//! name = "this-machine"
//! kind = "host"
//! [[link.device]]
//! name = "agent-box"
//! processes = ["mosquitto"]   # watched by their exact names
//! ```
//!
//! Which disks, interfaces and sensors there are is found out when the configuration is read. What vanishes later is
//! reported without a value, and what appears later is seen after the configuration is read again.

mod driver;
mod inventory;
mod point;
mod reader;
mod settings;

pub use settings::HostKind;
