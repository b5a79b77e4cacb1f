//! Settings of a Modbus link and its devices, and the driver.

use kouan_settings::{Section, both};

use super::dialect::{ModbusDialect, ModbusProfile};
use super::session::{Framing, Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{Endpoint, LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// Kind `modbus`.
#[derive(Debug, Clone, Copy)]
pub struct Modbus;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct ModbusDriver {
    settings: LinkSettings,
    framing: Framing,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

impl Driver for ModbusDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        let session = Session::new(self.settings, self.framing, self.units);
        Box::pin(run_link(session, self.devices, misses, cx))
    }
}

impl DriverKind for Modbus {
    fn name(&self) -> &'static str {
        "modbus"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(ModbusProfile::read_section(&ModbusDialect, name, profile)?.description(&ModbusDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let settings = LinkSettings::read(link);
        let framings = [("tcp", Framing::Tcp), ("rtu", Framing::Rtu)];
        let framing = link.choice("framing", &framings);
        let serial = settings.as_ref().is_some_and(|settings| settings.endpoint.is_serial());
        if serial && framing == Some(Framing::Tcp) {
            link.wrong(
                "framing",
                ("\"tcp\" is not spoken on a serial port; leave this out", "串口上没有 \"tcp\"；请去掉这一项"),
            );
        }
        let framing = framing.unwrap_or(if serial { Framing::Rtu } else { Framing::Tcp });
        let keys = TimingKeys::read(link);
        let default = match settings.as_ref().map(|settings| &settings.endpoint) {
            Some(Endpoint::Serial(serial)) => Timing::modbus_serial(serial.baud),
            _ => Timing::TCP,
        };
        let mut units: Vec<Unit> = Vec::new();
        let mut configured: Vec<ConfiguredDevice> = Vec::new();
        for device in devices {
            if let Some((unit, device)) = read_device(device, framing, keys, default, profiles, &units, &configured) {
                units.push(unit);
                configured.push(device);
            }
        }
        let settings = settings?;
        let driver =
            ModbusDriver { settings, framing, units, devices: configured.iter().map(LinkDevice::of).collect() };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}

fn read_device(
    mut device: DeviceEntry<'_>,
    framing: Framing,
    link: TimingKeys,
    default: Timing,
    profiles: &ProfileStore,
    units: &[Unit],
    configured: &[ConfiguredDevice],
) -> Option<(Unit, ConfiguredDevice)> {
    device
        .section
        .require("unit", ("the device's address on the link, such as unit = 1", "设备在线路上的地址，如 unit = 1"));
    // A serial line knows 1 to 247, and 0 for everybody at once, whom nobody answers. On TCP the field often means
    // nothing, and devices ask for 0 or 255.
    let range = match framing {
        Framing::Tcp => 0..=255,
        Framing::Rtu => 1..=247,
    };
    let unit = device.section.integer("unit", range).map(|unit| unit.unsigned_abs() as u8);
    let keys = TimingKeys::read(&mut device.section);
    let profile = ModbusProfile::of_device(&ModbusDialect, &mut device, profiles);
    let unit = unit?;
    if let Some(other) = units.iter().position(|other| other.unit == unit) {
        let name = &configured[other].identity.key;
        device.section.wrong(
            "unit",
            both!("unit {unit} of this link is already \"{name}\"", "这条线路的地址 {unit} 已是“{name}”"),
        );
    }
    let profile = profile?;
    // A gateway to a serial line passes unit 0 on as what it is there: everybody, and nobody says whether it was done.
    if unit == 0 && !profile.actions.is_empty() && !profile.model.own_unit_0 {
        device.section.wrong(
            "unit",
            (
                "unit 0 is everybody where a gateway leads to a serial line, and this profile has commands: give the \
                 device's own unit (many with a network port of their own take 1 or 255), or write own_unit_0 = true in \
                 the profile of a model that is known to take 0 for itself",
                "经网关到串口时，地址 0 是广播，而这个型号文件有控制命令：请写设备自己的地址（自带网口的设备多用 1 或 255）；若确知该型号自己应答地址 0，\
                 请在型号文件里写 own_unit_0 = true",
            ),
        );
    }
    let timing = keys.or(link).or(profile.model.timing).complete(default);
    let configured = profile.configured(&device);
    Some((Unit { unit, timing, profile }, configured))
}
