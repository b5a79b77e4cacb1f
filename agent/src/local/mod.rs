//! The local face: a socket through which tools talk to the running agent, so that a bus never has two masters.
//!
//! One JSON object per line in each direction. Only the agent's user and root can connect (the socket's mode is 0600,
//! or 0660 for the group that the service manager sets).

mod client;
mod message;
mod report;
mod server;

pub use client::{LocalClient, LocalError};
pub use message::{Answer, DeviceReport, PointReport, Question, StatusReport};
pub use report::reports;
pub use server::{LocalFace, bind, serve};
