//! What else stands in a configuration file: where each link ends, and which revision of the file it is.
//!
//! The drivers read what they need to talk; this is for the tool, which must never open what the running agent uses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use kouan_drivers::search::ports::same_port;
use kouan_settings::Section;
use serde::{Deserialize, Serialize};

/// What is known of a configuration besides what it makes the agent do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigFacts {
    /// Digest of the file's text.
    pub hash: String,
    /// Its revision, if a tool wrote it.
    pub revision: Option<Revision>,
    /// Where each link ends.
    pub places: Vec<LinkPlace>,
}

/// Which writing of a configuration file it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts the writings from 1.
    pub number: u32,
    /// Who wrote it and why: `local: add room-climate, by root`.
    pub origin: String,
    /// When, by the wall clock of the machine: `2026-11-22T07:05:00Z`.
    pub at: String,
    /// Digest of the text that it replaced.
    pub replaces: String,
}

/// Where a link ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPlace {
    /// The link's name.
    pub link: String,
    /// Its protocol.
    pub kind: String,
    /// The serial port.
    pub serial: Option<PathBuf>,
    /// The address: `192.168.1.20:502`.
    pub address: Option<String>,
    /// Addresses that single devices of the link have.
    #[serde(default)]
    pub device_addresses: Vec<String>,
    /// Its devices.
    pub devices: Vec<String>,
}

impl Revision {
    /// Reads `[revision]`.
    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        section.require(
            "number",
            ("how often the file was written by a tool, such as number = 1", "这个文件由工具写过几次，如 number = 1"),
        );
        let number = section.integer("number", 1..=i64::from(u32::MAX));
        let [origin, at, replaces] = ["origin", "at", "replaces"].map(|key| section.string(key).unwrap_or_default());
        let number = u32::try_from(number?).ok()?;
        Some(Self { number, origin, at, replaces })
    }
}

/// Where every link of `text` ends. Whatever is wrong with the text is found elsewhere.
#[must_use]
pub fn places(text: &str) -> Vec<LinkPlace> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let tables = |value: Option<&toml::Value>| -> Vec<toml::Table> {
        let items = value.and_then(toml::Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_table().cloned()).collect()
    };
    let place = |link: toml::Table| {
        let word = |key: &str| link.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let devices = tables(link.get("device"));
        let all = |key: &str| {
            let of_device = |device: &toml::Table| Some(device.get(key)?.as_str()?.to_owned());
            devices.iter().filter_map(of_device).collect()
        };
        LinkPlace {
            link: word("name").unwrap_or_default(),
            kind: word("kind").unwrap_or_default(),
            serial: word("serial").map(PathBuf::from),
            address: word("tcp").or_else(|| word("broker")),
            device_addresses: all("address"),
            devices: all("name"),
        }
    };
    tables(table.get("link")).into_iter().map(place).collect()
}

impl LinkPlace {
    /// Whether the link uses this serial port, under whatever name.
    #[must_use]
    pub fn uses_port(&self, port: &Path) -> bool {
        self.serial.as_deref().is_some_and(|serial| same_port(serial, port))
    }

    /// Whether the link uses this address, under whatever name. A name that nobody knows is compared as it is written.
    /// Takes as long as a name server does: for the tool.
    #[must_use]
    pub fn uses_address(&self, address: &str) -> bool {
        let asked = ends(address);
        for own in self.address.iter().chain(&self.device_addresses) {
            // Controllers may stand there without a port, which is then the usual one of their kind.
            let alone = !own.contains(':') && address.rsplit_once(':').is_some_and(|(host, _)| host == own);
            if own == address || alone || ends(own).iter().any(|end| asked.contains(end)) {
                return true;
            }
        }
        false
    }

    /// The port or address, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let serial = self.serial.as_ref().map(|path| path.display().to_string());
        serial.or_else(|| self.address.clone()).unwrap_or_default()
    }
}

/// Where a connection to `address` ends: one name may stand for several places, and a place have several names.
fn ends(address: &str) -> Vec<SocketAddr> {
    let Ok(found) = address.to_socket_addrs() else { return Vec::new() };
    let plain = |end: SocketAddr| match end.ip().to_canonical() {
        // Who connects to "any address" comes out at this machine.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), end.port()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), end.port()),
        ip => SocketAddr::new(ip, end.port()),
    };
    found.map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_under_two_names() {
        let places = places(
            "[[link]]\nname = \"a\"\nkind = \"modbus\"\ntcp = \"127.0.0.1:15502\"\n\
             [[link]]\nname = \"b\"\nkind = \"uhppote\"\n[[link.device]]\nname = \"x\"\naddress = \"127.0.0.1:60001\"\n\
             [[link.device]]\nname = \"y\"\naddress = \"192.0.2.7\"\n",
        );
        for same in ["127.0.0.1:15502", "localhost:15502", "[::ffff:127.0.0.1]:15502", "0.0.0.0:15502"] {
            assert!(places[0].uses_address(same), "{same}");
        }
        for other in ["localhost:15503", "127.0.0.2:15502", "no such host:15502"] {
            assert!(!places[0].uses_address(other), "{other}");
        }
        assert!(places[1].uses_address("localhost:60001") && places[1].uses_address("192.0.2.7:60000"));
        assert!(!places[1].uses_address("localhost:15502"));
    }

    #[test]
    fn every_link_says_where_it_ends() {
        let places = places(
            "[[link]]\nname = \"a\"\nkind = \"modbus\"\nserial = \"/dev/ttyUSB0\"\n[[link.device]]\nname = \"x\"\n\
             [[link]]\nname = \"b\"\nkind = \"mqtt\"\nbroker = \"10.0.0.1:1883\"\n",
        );
        assert_eq!(places.len(), 2);
        assert!(places[0].uses_port(Path::new("/dev/ttyUSB0")) && places[0].devices == ["x"]);
        assert!(places[1].uses_address("10.0.0.1:1883") && !places[1].uses_port(Path::new("/dev/ttyUSB0")));
        assert!(super::places("not = [toml").is_empty());
    }

    #[test]
    fn a_port_is_the_same_under_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("adapter");
        std::os::unix::fs::symlink("/dev/null", &name).unwrap();
        let place = LinkPlace {
            link: String::new(),
            kind: String::new(),
            serial: Some(name),
            address: None,
            device_addresses: Vec::new(),
            devices: Vec::new(),
        };
        assert!(place.uses_port(Path::new("/dev/null")));
        assert!(!place.uses_port(Path::new("/dev/zero")));
    }
}
