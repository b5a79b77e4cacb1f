//! The Low Level Reader Protocol 1.0.1 (GS1 EPCglobal), in bytes. Pure.
//!
//! | file | subject |
//! |---|---|
//! | `message.rs` | messages and their types |
//! | `parameter.rs` | what messages are made of |
//! | `request.rs` | what is asked of a reader |
//! | `report.rs` | what a reader tells: tags, events, what it is |

pub mod message;
pub mod parameter;
pub mod report;
pub mod request;

pub use message::{FrameError, Message, decode};
