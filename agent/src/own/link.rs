//! The built-in link with its one device.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kouan_drivers::configure::{ConfiguredDevice, ConfiguredLink, DeviceIdentity};
use kouan_drivers::profile::GroupProfile;
use tokio::sync::watch;

use super::driver::OwnDriver;
use super::point;
use crate::alarms::agent_device;
use crate::buffer::BufferFigures;
use crate::commands::JournalCondition;

/// How often the points are read.
const EVERY: Duration = Duration::from_secs(10);
/// How often a point that does not change is sent.
const HEARTBEAT: Duration = Duration::from_secs(900);

/// Where the agent's own points come from.
#[derive(Debug, Clone)]
pub struct OwnSources {
    /// How the buffer stands.
    pub buffer: BufferFigures,
    /// How the command journal is kept.
    pub journal: watch::Receiver<JournalCondition>,
    /// Where the journal is.
    pub journal_path: PathBuf,
}

/// Filled once the buffer is open; the configuration is read before.
pub type SourceSlot = Arc<OnceLock<OwnSources>>;

/// The link, and where its driver will find what it reads.
#[must_use]
pub fn own_link() -> (ConfiguredLink, SourceSlot) {
    let slot = SourceSlot::default();
    let identity = DeviceIdentity {
        key: agent_device(),
        label: "Kouan agent".to_owned(),
        class: "agent".to_owned(),
        profile: "agent".to_owned(),
        area: String::new(),
        parent: None,
    };
    let points = point::profiles().into_iter().map(Arc::new).collect();
    let group = GroupProfile { name: "buffer".to_owned(), every: EVERY, heartbeat: HEARTBEAT, points };
    let sources = Arc::clone(&slot);
    let link = ConfiguredLink {
        name: "agent".into(),
        devices: vec![ConfiguredDevice {
            identity,
            groups: vec![group],
            actions: Vec::new(),
            limits: Vec::new(),
            reader: None,
        }],
        build: Box::new(move || Box::new(OwnDriver { sources: Arc::clone(&sources), every: EVERY })),
    };
    (link, slot)
}

#[cfg(test)]
mod tests {
    use kouan_drivers::configure::catalogue;
    use kouan_protocol::Catalogue;

    use super::*;

    #[test]
    fn the_agent_is_a_device_of_the_catalogue() {
        let (link, _slot) = own_link();
        let catalogue = catalogue(&[link]);
        let decoded = Catalogue::decode(&catalogue.encode()).unwrap();
        let agent = decoded.device(&agent_device()).unwrap();
        assert_eq!(agent.class, "agent");
        assert!(agent.groups[0].points.iter().any(|point| point.name.as_str() == "lane.readings.waiting"));
    }
}
