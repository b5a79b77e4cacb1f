//! Where links end: serial ports and addresses.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use kouan_drivers::search::ports::{Port, holders, ports, same_port};
use tokio::net::TcpStream;

use super::super::scan::may_open;
use super::super::words::Words;
use super::{Finding, Service};
use crate::config_facts::LinkPlace;

/// Programs that open every serial port that appears, and disturb what hangs on it.
const THIEVES: [&str; 2] = ["ModemManager", "brltty"];
/// How long a device may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);

pub(super) async fn examine(places: &[LinkPlace], service: Option<&Service>, words: Words) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known = ports();
    for place in places {
        if let Some(port) = &place.serial {
            findings.extend(of_port(port, &place.link, &known, service.is_some(), words));
        }
        // While an agent runs, its devices' health says it; many devices accept one connection only.
        if let (Some(address), None) = (&place.address, service) {
            findings.push(of_address(address, &place.link, words).await);
        }
    }
    if places.iter().any(|place| place.serial.is_some()) {
        findings.extend(thieves(words));
    }
    findings
}

fn of_port(port: &Path, link: &str, known: &[Port], running: bool, words: Words) -> Vec<Finding> {
    let shown = port.display();
    let Ok(metadata) = std::fs::metadata(port) else {
        let names: Vec<_> = known.iter().map(|port| port.stable.as_ref().unwrap_or(&port.path).display()).collect();
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "–".to_owned() } else { names };
        return vec![Finding::wrong("port", words.port_missing(&shown, link), words.port_missing_fix(names))];
    };
    let mut findings = Vec::new();
    let holders = holders(port);
    let others: Vec<_> = holders.iter().filter(|holder| holder.program != "kouan-agent" || !running).collect();
    if !may_open(port) {
        let user = std::env::var("USER").unwrap_or_else(|_| "?".to_owned());
        let group = group_name(metadata.gid()).unwrap_or_else(|| "dialout".to_owned());
        let fix = words.port_forbidden_fix(&user, group);
        findings.push(Finding::wrong("port", words.port_forbidden(&shown, link, &user), fix));
    } else if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|holder| words.port_held(&holder.program, holder.pid)).collect();
        let says = words.port_held_by(&shown, link, names.join(", "));
        findings.push(Finding::wrong("port", says, words.port_held_fix()));
    } else if running {
        findings.push(Finding::fine("port", words.port_by_agent(&shown, link)));
    } else {
        findings.push(Finding::fine("port", words.port_fine(&shown, link)));
    }
    let stable = known.iter().find(|known| same_port(&known.path, port)).and_then(|port| port.stable.as_ref());
    if let Some(stable) = stable.filter(|_| known.iter().any(|known| known.path == port)) {
        let says = words.port_unstable(port.display(), stable.display());
        findings.push(Finding::advice("port", says, words.port_unstable_fix(stable.display())));
    }
    findings
}

fn group_name(gid: u32) -> Option<String> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        (number.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

async fn of_address(address: &str, link: &str, words: Words) -> Finding {
    let error = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => return Finding::fine("network", words.place_answers(address, link)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("{} s", CONNECT.as_secs()),
    };
    Finding::wrong("network", words.place_refuses(address, link, error), words.place_fix())
}

fn thieves(words: Words) -> Vec<Finding> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok());
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    let running = THIEVES.iter().filter(|thief| names.iter().any(|name| name == *thief));
    running.map(|thief| Finding::advice("port", words.port_thief(thief), words.port_thief_fix(thief))).collect()
}
