//! The state of the site within a session: all of it at once, then what changed, as long as readings lag.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kouan_protocol::session::Upload;
use kouan_protocol::{Anchor, Batch, CatalogueHash, Clock, Record, RecordBody, RecordKind, SessionId, frame};

use super::client::{Client, UplinkError};
use super::traffic::Traffic;
use crate::alarms::{ActiveAlarm, AgentAlarms};
use crate::buffer::Buffer;
use crate::pipeline::{Current, Version};

/// How often the snapshot is repeated while readings lag.
const EVERY: Duration = Duration::from_secs(2);

pub(super) struct SnapshotSender {
    pub(super) session: SessionId,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) buffer: Arc<Buffer>,
    pub(super) current: Arc<Current>,
    pub(super) alarms: AgentAlarms,
    pub(super) traffic: Traffic,
    /// Catalogues that the collector lacks.
    pub(super) wanted: HashSet<CatalogueHash>,
    pub(super) kinds: Arc<[RecordKind]>,
}

impl SnapshotSender {
    /// Sends until something ends the session.
    pub(super) async fn run(mut self) -> Result<Infallible, UplinkError> {
        // What the collector has confirmed in this session; nothing is taken over from an earlier one.
        let (mut told, mut told_alarms) = (Version::START, None);
        loop {
            // Before the alarms are read: one that is raised after this instant is not one that should be named.
            let now = self.clock.anchor();
            let alarms = self.alarms.active();
            let snapshots = self.current.snapshots(now, told);
            let mut bodies = snapshots.bodies;
            if told_alarms.as_ref() != Some(&alarms) && self.kinds.contains(&RecordKind::ALARM) {
                bodies.push(all_alarms(now, &alarms));
            }
            if !bodies.is_empty() && !self.send(bodies).await? {
                continue;
            }
            (told, told_alarms) = (snapshots.version, Some(alarms));
            self.traffic.state_arrived();
            loop {
                tokio::time::sleep(EVERY).await;
                if self.traffic.readings_lag() {
                    break;
                }
            }
        }
    }

    /// `false`: to be made anew and sent again.
    async fn send(&mut self, bodies: Vec<Vec<u8>>) -> Result<bool, UplinkError> {
        let current = self.buffer.current_catalogue();
        let mut catalogues = Vec::new();
        if self.wanted.contains(&current) {
            catalogues.extend(self.buffer.catalogue(current).await?);
        }
        let contents = frame::compress(&Upload::encode_contents(catalogues, Vec::new(), bodies))
            .map_err(|cause| UplinkError::Compress { request: "upload", cause })?;
        match self.client.upload(self.session, &self.clock.anchor(), Bytes::from(contents)).await {
            Err(UplinkError::Busy { retry_after, .. }) => {
                tokio::time::sleep(retry_after).await;
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(receipt) => {
                let lacked = self.wanted.remove(&current);
                self.wanted.extend(receipt.wanted_catalogues);
                Ok(lacked || !self.wanted.contains(&current))
            }
        }
    }
}

/// A snapshot that names every alarm of the agent that holds.
fn all_alarms(now: Anchor, alarms: &[ActiveAlarm]) -> Vec<u8> {
    let record = |alarm: &ActiveAlarm| Record::new(alarm.since, RecordBody::Alarm(alarm.change.clone()));
    let batch = Batch::of_records(0, now, alarms.iter().map(record).collect());
    Batch { count: 0, all_alarms: true, ..batch }.encode()
}
