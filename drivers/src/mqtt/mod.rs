//! Devices that publish to an MQTT broker.
//!
//! ```toml
//! [[link]]
//! name = "broker"
//! kind = "mqtt"
//! broker = "127.0.0.1:1883"
//! client_id = "kouan-hall-1"
//! [[link.device]]
//! name = "kiosk-1"
//! profile = "kiosk-mqtt"
//! topic = "hall/kiosk-1"
//! ```
//!
//! Who delivers what, and how often (MQTT 3.1.1):
//!
//! - **States** are subscribed with QoS 0: a value that waited in the broker while we were away is not the present one.
//! - **Events** are subscribed with QoS 1 in a session that the broker keeps (`keep_session`), so that they wait while
//!   we are away. They are acknowledged once they are on disk, in the order of their arrival; too many that are not yet
//!   stop the reception. An event that never got there is delivered again in the next connection. A repetition of one
//!   that did, or that is still on its way, is recognised by the broker's mark.
//!   Their time is that of their arrival: the broker does not say when it got them.
//! - **Actions that move something** are published with QoS 0, so that the broker neither keeps them for a device that
//!   is away nor sends them twice; other actions with QoS 1. After a lost connection everything in flight is forgotten
//!   and nothing is published again. Without the device's reply in time the outcome is unknown.
//! - **Retained** events and replies are ignored, and retained states too unless the profile says `retained = true`:
//!   nobody knows how old they are.

pub(crate) mod connection;
mod device;
mod dialect;
mod driver;
mod message;
mod pending;
mod settings;
mod unacknowledged;

pub use settings::MqttKind;
