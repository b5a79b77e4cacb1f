//! Devices that publish to an MQTT broker.

pub(crate) mod connection;
