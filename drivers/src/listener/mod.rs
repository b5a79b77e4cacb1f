//! Devices that speak by themselves on a serial line or a TCP connection: code scanners, scales, card readers behind a
//! Wiegand converter, the many small boxes without a name.
//!
//! Nothing is ever sent. What a frame looks like, which frames are events and where values stand in them is in the
//! profile; `configs/profiles/code-scanner-line.toml` is an example.
//!
//! | room | holds |
//! |---|---|
//! | `dialect` | the profile's own keys |
//! | `part` | values at places in a frame; pure |
//! | `ear` | frames out of a stream that begins anywhere and pauses in the middle; pure |
//! | `device` | what a device said, and how it is |
//! | `explain` | what the bytes mean, for a person; pure |
//! | `overhear` | a person who wants to see the bytes |
//! | `driver` | opens, listens, opens again |

mod device;
mod dialect;
mod driver;
pub mod ear;
mod explain;
mod overhear;
mod part;
mod settings;

pub use settings::ListenerKind;
#[cfg(feature = "simulators")]
pub(crate) use settings::frame_of;
