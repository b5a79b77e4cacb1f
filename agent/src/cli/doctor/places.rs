//! Where links end: serial ports and addresses.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use kouan_drivers::search::ports::{Holder, Port, holders, ports, same_port};
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

/// What the machine says of a port.
struct Seen {
    /// The group that may open it; `None`: there is no such port.
    group: Option<u32>,
    may_open: bool,
    holders: Vec<Holder>,
}

fn of_port(port: &Path, link: &str, known: &[Port], running: bool, words: Words) -> Vec<Finding> {
    let group = std::fs::metadata(port).ok().map(|metadata| metadata.gid());
    let seen = Seen { group, may_open: may_open(port), holders: holders(port) };
    judge(port, link, &seen, known, running, words)
}

fn judge(port: &Path, link: &str, seen: &Seen, known: &[Port], running: bool, words: Words) -> Vec<Finding> {
    let shown = port.display();
    let Some(group) = seen.group else {
        let names: Vec<_> = known.iter().map(|port| port.stable.as_ref().unwrap_or(&port.path).display()).collect();
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "–".to_owned() } else { names };
        return vec![Finding::wrong("port", words.port_missing(&shown, link), words.port_missing_fix(names))];
    };
    let mut findings = Vec::new();
    let others: Vec<_> = seen.holders.iter().filter(|holder| holder.program != "kouan-agent" || !running).collect();
    if !seen.may_open {
        let user = std::env::var("USER").unwrap_or_else(|_| "?".to_owned());
        let group = group_name(group).unwrap_or_else(|| "dialout".to_owned());
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

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::cli::words::Language;

    const PORT: &str = "/dev/ttyUSB7";

    fn judged(seen: &Seen, known: &[Port], running: bool) -> Vec<Finding> {
        judge(Path::new(PORT), "cabinet", seen, known, running, Words::new(Language::English))
    }

    fn free() -> Seen {
        Seen { group: Some(0), may_open: true, holders: Vec::new() }
    }

    fn held_by(program: &str) -> Seen {
        Seen { holders: vec![Holder { pid: 4711, program: program.to_owned() }], ..free() }
    }

    fn adapter(stable: Option<&str>) -> Port {
        Port {
            path: PORT.into(),
            stable: stable.map(Into::into),
            adapter: "USB Serial".to_owned(),
            usb: None,
            serial_number: None,
        }
    }

    #[test]
    fn a_free_port_is_fine_and_a_missing_one_names_those_that_are_there() {
        assert_eq!(judged(&free(), &[], false)[0].verdict, Verdict::Fine);
        let found = judged(&Seen { group: None, ..free() }, &[adapter(Some("/dev/serial/by-id/a"))], false);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Wrong));
        assert!(found[0].fix.as_ref().unwrap().contains("/dev/serial/by-id/a"), "{found:?}");
    }

    #[test]
    fn who_may_not_open_a_port_is_told_which_group_may() {
        let found = judged(&Seen { may_open: false, ..free() }, &[], false);
        assert_eq!((found[0].subject, found[0].verdict), ("port", Verdict::Wrong));
        // Group 0 is the administrator's on every machine.
        let fix = found[0].fix.as_ref().unwrap();
        assert!(fix.starts_with("adduser ") && fix.contains(" root"), "{fix}");
    }

    #[test]
    fn another_program_on_the_port_is_named_and_the_running_agent_is_none() {
        let found = judged(&held_by("minicom"), &[], false);
        assert_eq!(found[0].verdict, Verdict::Wrong);
        assert!(found[0].says.contains("minicom") && found[0].says.contains("4711"), "{found:?}");
        assert_eq!(judged(&held_by("minicom"), &[], true)[0].verdict, Verdict::Wrong);
        assert_eq!(judged(&held_by("kouan-agent"), &[], true)[0].verdict, Verdict::Fine);
        // Of which no service knows: a second one.
        assert_eq!(judged(&held_by("kouan-agent"), &[], false)[0].verdict, Verdict::Wrong);
    }

    #[test]
    fn a_name_that_changes_with_the_socket_is_advised_against() {
        let found = judged(&free(), &[adapter(Some("/dev/serial/by-id/a"))], false);
        assert_eq!(found.iter().map(|finding| finding.verdict).collect::<Vec<_>>(), [Verdict::Fine, Verdict::Advice]);
        assert!(found[1].fix.as_ref().unwrap().contains("/dev/serial/by-id/a"), "{found:?}");
        assert!(judged(&free(), &[adapter(None)], false).iter().all(|finding| finding.verdict == Verdict::Fine));
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_wrong() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let words = Words::new(Language::English);
        assert_eq!(of_address(&address, "gate", words).await.verdict, Verdict::Fine);
        drop(listener);
        let found = of_address(&address, "gate", words).await;
        assert_eq!((found.subject, found.verdict), ("network", Verdict::Wrong));
        assert!(found.says.contains(&address), "{found:?}");
    }
}
