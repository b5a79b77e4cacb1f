//! The driver kinds. Adding one is one folder and one line in [`KINDS`].

use kouan_settings::Section;

use crate::configure::{ConfiguredLink, DeviceEntry};
use crate::profile::{Description, ProfileStore};

/// A driver kind: how its settings are read and its profiles checked.
pub trait DriverKind: Sync {
    /// The word in `kind = "…"` of links and profiles.
    fn name(&self) -> &'static str;

    /// Reads a profile of this kind and reports every problem; what it offers if it can be used.
    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description>;

    /// Reads the link's own settings and each device's, with its profile. Problems are reported; what can be built
    /// despite them is returned so that everything is checked in one go.
    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink>;
}

/// Every kind of this build.
pub static KINDS: &[&dyn DriverKind] = &[
    &crate::host::HostKind,
    &crate::listener::ListenerKind,
    &crate::led_card::LedCardKind,
    &crate::modbus::Modbus,
    &crate::mqtt::MqttKind,
    &crate::osdp::OsdpKind,
    &crate::rfid::RfidKind,
    &crate::serial_line::SerialLineKind,
    &crate::uhppote::UhppoteKind,
    &crate::ydt::YdtKind,
    &crate::zkteco::ZktecoKind,
];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static dyn DriverKind> {
    KINDS.iter().copied().find(|kind| kind.name() == name)
}
