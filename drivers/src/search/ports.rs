//! The serial ports of this machine, from what the kernel says under `/sys/class/tty`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A serial port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The device file: `/dev/ttyUSB0`.
    pub path: PathBuf,
    /// The name that survives unplugging, if it has one: `/dev/serial/by-id/…`.
    pub stable: Option<PathBuf>,
    /// The adapter, as its maker calls it; the driver's name for a port of the machine itself.
    pub adapter: String,
    /// Vendor and product number of a USB adapter: `1a86:7523`.
    pub usb: Option<String>,
    /// The adapter's serial number.
    pub serial_number: Option<String>,
}

/// A program that has a port open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// The program's name.
    pub program: String,
}

/// Every serial port that has hardware behind it, sorted by name.
#[must_use]
pub fn ports() -> Vec<Port> {
    ports_in(Path::new("/sys/class/tty"), Path::new("/dev"))
}

fn ports_in(class: &Path, dev: &Path) -> Vec<Port> {
    let stable = stable_names(&dev.join("serial/by-id"));
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let mut ports: Vec<Port> =
        entries.filter_map(|entry| port(&entry.path(), &entry.file_name().to_string_lossy(), dev, &stable)).collect();
    ports.sort_by(|a, b| a.path.cmp(&b.path));
    ports
}

fn port(class: &Path, name: &str, dev: &Path, stable: &BTreeMap<PathBuf, PathBuf>) -> Option<Port> {
    // Consoles and pseudo-terminals have no device behind them.
    let device = fs::canonicalize(class.join("device")).ok()?;
    // The kernel makes names for ports that a board could have; type 0 means that there is none.
    if text(&class.join("type")).is_some_and(|kind| kind == "0") {
        return None;
    }
    let path = dev.join(name);
    if !path.exists() {
        return None;
    }
    let usb = device.ancestors().find(|above| above.join("idVendor").exists());
    let word = |key: &str| usb.and_then(|usb| text(&usb.join(key)));
    let numbers = word("idVendor").zip(word("idProduct")).map(|(vendor, product)| format!("{vendor}:{product}"));
    let named = [word("manufacturer"), word("product")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver.and_then(|driver| Some(driver.file_name()?.to_string_lossy().into_owned()));
    let adapter = match (named.is_empty(), driver) {
        (false, _) => named,
        // The kernel's own word for a port that is part of the machine.
        (true, Some(driver)) if driver != "port" => driver,
        _ => "built in".to_owned(),
    };
    let stable = stable.get(&fs::canonicalize(&path).unwrap_or_else(|_| path.clone())).cloned();
    Some(Port { path, stable, adapter, usb: numbers, serial_number: word("serial") })
}

/// By the device file that each name leads to.
fn stable_names(folder: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((fs::canonicalize(entry.path()).ok()?, entry.path()))).collect()
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether two names lead to the same port.
#[must_use]
pub fn same_port(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) if one.rdev() != 0 => one.rdev() == other.rdev(),
        _ => one == other,
    }
}

/// The programs that have `port` open, as far as this user may see.
#[must_use]
pub fn holders(port: &Path) -> Vec<Holder> {
    let Ok(target) = fs::canonicalize(port) else { return Vec::new() };
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut holders: Vec<Holder> = processes
        .filter_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let mut open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let holds = pid != own && open.any(|file| fs::read_link(file.path()).is_ok_and(|link| link == target));
            let program = text(&process.path().join("comm")).unwrap_or_default();
            // A simulator keeps both ends of its own line open; it is the device there, not another master.
            (holds && program != "kouan-sim").then_some(Holder { pid, program })
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn adapters_are_named_and_ports_without_hardware_left_out() {
        let root = tempfile::tempdir().unwrap();
        let (class, dev, usb) = (root.path().join("class"), root.path().join("dev"), root.path().join("usb/1-2"));
        let interface = usb.join("1-2:1.0/ttyUSB0");
        for folder in [&class.join("ttyUSB0"), &class.join("ttyS7"), &class.join("tty1"), &dev.join("serial/by-id")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir_all(&interface).unwrap();
        for (file, says) in [("idVendor", "1a86\n"), ("idProduct", "7523\n"), ("product", "USB Serial\n")] {
            fs::write(usb.join(file), says).unwrap();
        }
        symlink(&interface, class.join("ttyUSB0/device")).unwrap();
        symlink(&interface, class.join("ttyS7/device")).unwrap();
        fs::write(class.join("ttyS7/type"), "0\n").unwrap();
        for name in ["ttyUSB0", "ttyS7", "tty1"] {
            fs::write(dev.join(name), "").unwrap();
        }
        let stable = dev.join("serial/by-id/usb-1a86_USB_Serial-if00-port0");
        symlink(dev.join("ttyUSB0"), &stable).unwrap();
        let found = ports_in(&class, &dev);
        assert_eq!(
            found,
            [Port {
                path: dev.join("ttyUSB0"),
                stable: Some(stable),
                adapter: "USB Serial".to_owned(),
                usb: Some("1a86:7523".to_owned()),
                serial_number: None,
            }]
        );
    }

    #[test]
    fn a_program_that_holds_a_port_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").stdin(file.reopen().unwrap()).spawn().unwrap();
        let holders = holders(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(holders.iter().any(|holder| holder.pid == child.id()), "{holders:?}");
    }
}
