//! One lane within a session: what is durable goes up, oldest first, until the session ends.

use std::collections::HashSet;
use std::sync::Arc;

use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{CatalogueHash, Clock, Epoch, Lane, SessionId, limits};
use tracing::{debug, warn};

use super::client::{Client, UplinkError};
use crate::buffer::Buffer;

/// Bytes of one upload before compression; one request at a time per lane keeps a slow line free for the others.
const UPLOAD_BYTES: usize = 512 * 1024;

pub(super) struct LaneSender {
    pub(super) lane: Lane,
    pub(super) epoch: Epoch,
    /// Everything up to here is stored at the collector.
    pub(super) stored: u64,
    pub(super) session: SessionId,
    pub(super) client: Client,
    pub(super) buffer: Arc<Buffer>,
    pub(super) clock: Arc<dyn Clock>,
    /// Catalogues that the collector lacks.
    pub(super) wanted: HashSet<CatalogueHash>,
}

impl LaneSender {
    /// Sends until something ends the session.
    pub(super) async fn run(mut self) -> Result<(), UplinkError> {
        let mut signal = self.buffer.signal(self.lane);
        loop {
            signal.borrow_and_update();
            while self.send_next().await? {}
            if signal.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Sends one upload. `false`: nothing waits.
    async fn send_next(&mut self) -> Result<bool, UplinkError> {
        let batches = self.buffer.read(self.lane, self.stored, UPLOAD_BYTES, limits::UPLOAD_BATCHES).await?;
        if batches.is_empty() {
            return Ok(false);
        }
        let mut catalogues = Vec::new();
        let needed: HashSet<_> = batches.iter().filter_map(|batch| batch.catalogue).collect();
        for hash in needed.intersection(&self.wanted) {
            match self.buffer.catalogue(*hash).await? {
                Some(catalogue) => catalogues.push(catalogue),
                None => {
                    warn!(%hash, "A catalogue that waiting readings need is gone; a gap takes their place.");
                    for batch in batches.iter().filter(|batch| batch.catalogue == Some(*hash)) {
                        self.buffer.give_up_batch(self.lane, batch.first_seq).await?;
                    }
                    return Ok(true);
                }
            }
        }
        let envelope = |batch: crate::buffer::StoredBatch| Envelope {
            lane: self.lane.number(),
            epoch: self.epoch,
            first_seq: batch.first_seq,
            last_seq: batch.last_seq,
            digest: batch.digest,
            body: batch.body,
        };
        let upload = Upload {
            session: self.session,
            now: self.clock.anchor(),
            catalogues,
            batches: batches.into_iter().map(envelope).collect(),
            snapshots: Vec::new(),
        };
        let receipt = match self.client.upload(upload).await {
            Err(UplinkError::Busy { retry_after, .. }) => {
                debug!(lane = %self.lane, "The collector is busy.");
                tokio::time::sleep(retry_after).await;
                return Ok(true);
            }
            answer => answer?,
        };
        self.wanted.retain(|hash| !needed.contains(hash));
        let asks_again = receipt.wanted_catalogues.iter().any(|hash| !self.wanted.contains(hash));
        self.wanted.extend(&receipt.wanted_catalogues);
        if receipt.quarantined > 0 {
            warn!(lane = %self.lane, batches = receipt.quarantined, "The collector put batches into quarantine.");
        }
        let position = receipt
            .stored
            .iter()
            .find(|at| at.lane == self.lane.number() && at.epoch == self.epoch)
            .map_or(self.stored, |at| at.stored_seq);
        let progressed = position > self.stored;
        if progressed {
            self.stored = position;
            self.buffer.acknowledge(self.lane, self.epoch, position).await?;
        } else if !asks_again {
            let detail = "the upload was accepted but nothing of it is stored".to_owned();
            return Err(UplinkError::HelloRequired { request: "upload", detail });
        }
        Ok(true)
    }
}
