//! The commands of `kouan-agent`.
//!
//! Exit codes: 0 done; 1 the operation failed or a device did not do as asked; 2 the command line or the configuration is
//! wrong; 3 the operation was done, and found something wrong, or nothing at all; 4 refused because the running agent or
//! another program uses the port.
//!
//! While an agent runs, the tool talks through it. Otherwise it holds the lock of the data folder while it talks, so that
//! none starts meanwhile: a bus never has two masters.

mod add;
mod arguments;
mod ask;
mod bundle;
mod commission;
mod doctor;
mod entry;
mod probe;
mod profile;
mod redact;
mod scan;
mod scan_in_use;
mod show;
mod standalone;
mod start;
mod watch;
mod words;

pub use entry::main;
