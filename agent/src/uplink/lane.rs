//! One lane within a session: what is durable goes up, oldest first, until the session ends.
//!
//! A lane has one upload on its way at a time. While it travels, the next one is made ready if a backlog waits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kouan_protocol::session::Receipt;
use kouan_protocol::{CatalogueHash, Clock, Lane, SessionId};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::client::{Client, UplinkError};
use super::pace::{Pace, Trip};
use super::prepare::{Prepared, Preparer};
use super::traffic::Traffic;

pub(super) struct LaneSender {
    pub(super) preparer: Preparer,
    /// Everything up to here is stored at the collector.
    pub(super) stored: u64,
    pub(super) session: SessionId,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Catalogues that the collector lacks.
    pub(super) wanted: HashSet<CatalogueHash>,
    pub(super) pace: Arc<Mutex<Pace>>,
    pub(super) traffic: Traffic,
}

/// What came of an upload.
enum Sent {
    /// The lane may leave the line to others for so long.
    Stored { pause: Duration },
    /// It may be sent again, smaller, after a while.
    Again { after: Duration },
}

impl LaneSender {
    /// Sends until something ends the session.
    pub(super) async fn run(mut self) -> Result<(), UplinkError> {
        if self.is_backlog() {
            self.traffic.after_state().await;
        }
        let mut signal = self.preparer.buffer.signal(self.preparer.lane);
        let mut ready = None;
        loop {
            signal.borrow_and_update();
            let upload = match ready.take() {
                Some(upload) => Some(upload),
                None => self.prepare(self.stored, &HashSet::new()).await?,
            };
            let Some(upload) = upload else {
                self.note_position(self.stored);
                if signal.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            };
            let (sent, next) = self.send_and_prepare(&upload).await?;
            match sent {
                Sent::Stored { pause } => {
                    self.note_position(upload.durable);
                    // Another border than the upload's end: what was made ready does not follow.
                    ready = next.filter(|_| self.stored == upload.last_seq);
                    tokio::time::sleep(pause).await;
                }
                Sent::Again { after } => tokio::time::sleep(after).await,
            }
        }
    }

    /// Readings give way to everything else.
    fn is_backlog(&self) -> bool {
        self.preparer.lane == Lane::Readings
    }

    /// Whether the readings have caught up with what was durable when the last upload was made.
    fn note_position(&self, durable: u64) {
        if self.is_backlog() {
            self.traffic.readings_behind(self.stored < durable);
        }
    }

    async fn prepare(&self, after: u64, travelling: &HashSet<CatalogueHash>) -> Result<Option<Prepared>, UplinkError> {
        let bytes = self.pace().bytes();
        let wanted = self.wanted.difference(travelling).copied().collect();
        self.preparer.prepare(after, bytes, &wanted).await
    }

    async fn send_and_prepare(&mut self, upload: &Prepared) -> Result<(Sent, Option<Prepared>), UplinkError> {
        let _urgent = if self.is_backlog() {
            // Until the answer says otherwise, also while it does not come.
            self.traffic.readings_behind(true);
            self.traffic.silence().await;
            None
        } else {
            Some(self.traffic.urgent())
        };
        let began = Instant::now();
        let now = self.clock.anchor();
        let travels = self.client.upload(self.session, &now, upload.contents.clone());
        let prepares =
            async { if upload.full { self.prepare(upload.last_seq, &upload.catalogues).await } else { Ok(None) } };
        let travels = async {
            let answer = travels.await;
            (answer, began.elapsed())
        };
        let ((answer, took), next) = tokio::join!(travels, prepares);
        let receipt = match answer {
            Ok(receipt) => receipt,
            Err(UplinkError::Busy { retry_after, .. }) => {
                debug!(lane = %self.preparer.lane, "The collector is busy.");
                self.pace().set_back(upload.plain);
                return Ok((Sent::Again { after: retry_after }, None));
            }
            Err(error) => {
                if matches!(error, UplinkError::NoAnswer { .. } | UplinkError::Refused { .. }) {
                    self.pace().set_back(upload.plain);
                }
                return Err(error);
            }
        };
        let held = Duration::from_millis(receipt.held_ms);
        let pause = self.pace().answered(Trip { bytes: upload.plain, took, held });
        self.take(upload, receipt).await?;
        Ok((Sent::Stored { pause }, next?))
    }

    /// Takes the collector's word for what is on its disk, and only that.
    async fn take(&mut self, upload: &Prepared, receipt: Receipt) -> Result<(), UplinkError> {
        let (lane, epoch) = (self.preparer.lane, self.preparer.epoch);
        self.wanted.retain(|hash| !upload.catalogues.contains(hash));
        let asks_again = receipt.wanted_catalogues.iter().any(|hash| !self.wanted.contains(hash));
        self.wanted.extend(&receipt.wanted_catalogues);
        if receipt.quarantined > 0 {
            warn!(%lane, batches = receipt.quarantined, "The collector put batches into quarantine.");
        }
        let position = receipt
            .stored
            .iter()
            .find(|at| at.lane == lane.number() && at.epoch == epoch)
            .map_or(self.stored, |at| at.stored_seq);
        if position > self.stored {
            self.stored = position;
            self.preparer.buffer.acknowledge(lane, epoch, position).await?;
        } else if !asks_again {
            let detail = "the upload was accepted but nothing of it is stored".to_owned();
            return Err(UplinkError::HelloRequired { request: "upload", detail });
        }
        Ok(())
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
