//! The kind `host` on the machine that runs the test.
#![allow(clippy::unwrap_used)]

mod running;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_drivers::configure::ConfiguredLink;
use kouan_drivers::driver::{DriverCx, Observation, Purpose, RawRow, RawValue, Request};
use kouan_protocol::{ManualClock, QualityReason};
use running::configure;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Point names with their values, over all groups.
fn named(link: &ConfiguredLink, rows: &[RawRow]) -> HashMap<String, Result<RawValue, QualityReason>> {
    let cells = rows.iter().flat_map(|row| {
        let points = &link.devices[0].groups[row.group].points;
        row.cells.iter().map(|(at, cell)| (points[usize::from(*at)].spec.name.to_string(), cell.clone()))
    });
    cells.collect()
}

#[tokio::test]
async fn this_machine_is_read() {
    let own_name = std::fs::read_to_string("/proc/self/comm").unwrap().trim().to_owned();
    let (links, said) = configure(&format!(
        "[[link]]\nname = \"this\"\nkind = \"host\"\n[[link.device]]\nname = \"box\"\n\
         processes = [\"{own_name}\", \"no-such-process\"]\nmounts = [\"/\", \"/no/such/disk\"]\n\
         interfaces = [\"none0\"]\n"
    ));
    assert_eq!(said, "");
    let (observations, mut seen) = mpsc::channel(64);
    let (requests, asked) = mpsc::channel(4);
    let shutdown = CancellationToken::new();
    let clock = Arc::new(ManualClock::at(0));
    let cx = DriverCx {
        link: Arc::clone(&links[0].name),
        observations,
        requests: asked,
        clock: Arc::clone(&clock) as _,
        purpose: Purpose::Serve,
        shutdown: shutdown.clone(),
    };
    let running = tokio::spawn((links[0].build)().run(cx));
    let first = tokio::time::timeout(Duration::from_secs(10), seen.recv()).await.unwrap().unwrap();
    assert!(matches!(first, Observation::Row(_)), "{first:?}");
    let (reply, answer) = oneshot::channel();
    let device = links[0].devices[0].identity.key.clone();
    requests.send(Request::Read { device, trace: None, reply }).await.unwrap();
    let values = named(&links[0], &answer.await.unwrap().unwrap());

    let number = |name: &str| match values.get(name) {
        Some(Ok(RawValue::Number(number))) => *number,
        Some(Ok(RawValue::Integer(integer))) => *integer as f64,
        other => panic!("{name}: {other:?} in {values:?}"),
    };
    // The kernel's own words are the other opinion.
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: f64 = meminfo.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(number("memory.total"), total * 1024.0);
    assert!((0.0..=100.0).contains(&number("cpu.usage")));
    assert!((1.0..=100.0).contains(&number("memory.usage")));
    assert!((0.0..=100.0).contains(&number("disk.root.used")));
    assert!(number("uptime") > 0.0);
    assert_eq!(number("clock.synchronised"), 1.0);
    assert_eq!(number(&format!("process.{own_name}.running").replace("::", "-")), 1.0);
    assert_eq!(number("process.no-such-process.count"), 0.0);
    for gone in ["disk.no-such-disk.used", "network.none0.received"] {
        assert_eq!(values.get(gone), Some(&Err(QualityReason::NotAvailable)), "{gone}");
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[test]
fn wrong_settings_are_explained() {
    let (_, said) = configure(
        "[[link]]\nname = \"this\"\nkind = \"host\"\n[[link.device]]\nname = \"a\"\nprofile = \"x\"\nproceses = []\n\
         [[link.device]]\nname = \"b\"\n",
    );
    assert!(said.contains("agent.toml:6: link[0].device[0].profile: this machine needs no profile"), "{said}");
    assert!(said.contains("did you mean \"processes\"?"), "{said}");
    assert!(said.contains("there is one such machine, but 2 devices"), "{said}");
}

#[test]
fn every_disk_and_interface_has_its_own_points() {
    let (links, said) = configure("[[link]]\nname = \"this\"\nkind = \"host\"\n[[link.device]]\nname = \"box\"\n");
    assert_eq!(said, "");
    let catalogue = kouan_drivers::configure::catalogue(&links);
    kouan_protocol::Catalogue::decode(&catalogue.encode()).unwrap();
    assert_eq!(links[0].devices[0].identity.class, "server");
}
