//! The demo does what it promises, and leaves nothing behind.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_tests::{Checkpoint, Process, ProcessOptions, SHORT, binary, run_to_end, wait_until};
use rustix::process::Signal;

use super::folder;

/// How long the demo may take in all: it runs ten seconds and must come up and stop.
const WHOLE: Duration = Duration::from_secs(60);
/// The same beside 1,434 devices.
const WHOLE_FLEET: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_demo_checks_itself() -> anyhow::Result<()> {
    let folder = folder()?;
    let options = ProcessOptions::new("kouan-demo", binary("kouan-demo")?, folder.path(), ["--for", "10s"]);
    let (status, out, problems) = run_to_end(&options, WHOLE).await?;
    ensure!(status.success(), "it ended with {status}: {problems}\n{out}");
    ensure!(out.contains("Everything checked."), "{out}");
    let up = out.split("up after ").nth(1).and_then(|rest| rest.split(' ').next()).context("it did not say when")?;
    ensure!(up.parse::<f64>()? < 5.0, "it was up after {up} s");
    Ok(())
}

#[tokio::test]
async fn the_demo_with_the_fleet_checks_itself() -> anyhow::Result<()> {
    let folder = folder()?;
    let options = ProcessOptions::new("kouan-demo", binary("kouan-demo")?, folder.path(), ["--fleet", "--for", "10s"]);
    let (status, out, problems) = run_to_end(&options, WHOLE_FLEET).await?;
    ensure!(status.success(), "it ended with {status}: {problems}\n{out}");
    ensure!(out.contains("Everything checked."), "{out}");
    Ok(())
}

#[tokio::test]
async fn an_interrupted_demo_leaves_nothing_behind() -> anyhow::Result<()> {
    for signal in [Signal::INT, Signal::HUP, Signal::KILL] {
        let folder = folder()?;
        let options = ProcessOptions::new("kouan-demo", binary("kouan-demo")?, folder.path(), ["--for", "10min"]);
        let mut demo = Process::start(&options)?;
        let place =
            demo.line_with(SHORT, |line| line.strip_prefix("Data, logs").map(|rest| rest.trim().to_owned())).await?;
        let place = PathBuf::from(place.split(' ').next().unwrap_or_default());
        let children = children(demo.id().context("the demo has ended")?)?;
        ensure!(children.len() >= 7, "only {} processes run", children.len());
        demo.signal(signal)?;
        let status = demo.wait(SHORT).await?;
        let look = async || Ok(children.iter().filter(|id| Path::new(&format!("/proc/{id}/exe")).exists()).count());
        wait_until("the end of every process", SHORT, look, |left| *left == 0).await?;
        if signal == Signal::KILL {
            std::fs::remove_dir_all(&place)?;
        } else {
            ensure!(status.success(), "it ended with {status}");
            ensure!(!place.exists(), "{} is still there", place.display());
        }
    }
    Ok(())
}

#[tokio::test]
async fn everything_listens_on_loopback_only() -> anyhow::Result<()> {
    let mut site = Checkpoint::start().await?;
    site.check_running()?;
    let mut listeners = 0;
    for id in site.process_ids()? {
        for address in listening(id)? {
            ensure!(address.is_loopback(), "process {id} listens on {address}");
            listeners += 1;
        }
    }
    // The collector, the broker and the UPS.
    ensure!(listeners >= 3, "only {listeners} sockets listen");
    site.stop().await
}

/// The processes that a process started and that still run.
fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("reading /proc failed")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that ends meanwhile is no child any more.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Where a process listens for TCP.
fn listening(process: u32) -> anyhow::Result<Vec<IpAddr>> {
    let mut sockets = HashSet::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd")).context("reading a process's files failed")? {
        let target = std::fs::read_link(entry?.path()).unwrap_or_default();
        let inode = target.to_string_lossy().strip_prefix("socket:[").map(|rest| rest.trim_end_matches(']').to_owned());
        sockets.extend(inode);
    }
    let mut addresses = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            // State 0A is LISTEN.
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = columns[..] else { continue };
            if sockets.contains(inode) {
                addresses.push(address(local).with_context(|| format!("{local} is no address"))?);
            }
        }
    }
    Ok(addresses)
}

/// The kernel writes addresses as 32-bit words in the machine's byte order.
fn address(text: &str) -> Option<IpAddr> {
    let (address, _) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    if address.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?);
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}
