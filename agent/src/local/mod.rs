//! The local face: a socket through which tools talk to the running agent, so that a bus never has two masters.
//!
//! One JSON object per line in each direction. Root, the agent's user and its group can connect (the socket's mode is
//! 0660); a command is recorded with the user id that the kernel names, not only with what the tool says.

mod client;
mod message;
mod report;
mod server;

pub use client::{LocalClient, LocalError};
pub use message::{AlarmReport, Answer, DeviceReport, PointReport, ProbeReport, Question, StatusReport};
pub use report::reports;
pub use server::{LocalFace, bind, serve};
