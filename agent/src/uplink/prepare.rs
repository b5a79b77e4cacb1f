//! An upload made ready: read from the buffer, with its catalogues, compressed.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{CatalogueHash, Epoch, Lane, RecordKind, frame, limits};
use tracing::{error, warn};

use super::client::UplinkError;
use super::kinds;
use crate::buffer::{Buffer, StoredBatch};

/// An upload without its stamp.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The last number in it.
    pub(super) last_seq: u64,
    /// The lane's last number when it was made.
    pub(super) durable: u64,
    /// Bytes before compression.
    pub(super) plain: usize,
    /// It holds as much as was asked for: more may wait behind it.
    pub(super) full: bool,
    /// Catalogues that it brings along.
    pub(super) catalogues: HashSet<CatalogueHash>,
    /// The compressed message without session and time.
    pub(super) contents: Bytes,
}

/// Reads one lane.
#[derive(Debug, Clone)]
pub(super) struct Preparer {
    pub(super) lane: Lane,
    pub(super) epoch: Epoch,
    pub(super) buffer: Arc<Buffer>,
    /// Kinds of records that the collector knows.
    pub(super) kinds: Arc<[RecordKind]>,
}

impl Preparer {
    /// Up to about `bytes` of what comes after `after`; `None` if nothing does.
    pub(super) async fn prepare(
        &self,
        after: u64,
        bytes: usize,
        wanted: &HashSet<CatalogueHash>,
    ) -> Result<Option<Prepared>, UplinkError> {
        loop {
            let durable = *self.buffer.signal(self.lane).borrow();
            let batches = self.buffer.read(self.lane, after, bytes, limits::UPLOAD_BATCHES).await?;
            if self.buffer.epoch(self.lane) != self.epoch || batches.iter().any(|batch| batch.epoch != self.epoch) {
                let detail = format!("the lane {} began a new epoch", self.lane);
                return Err(UplinkError::HelloRequired { request: "upload", detail });
            }
            let Some(last) = batches.last() else { return Ok(None) };
            let size = batches.iter().map(|batch| batch.body.len()).sum::<usize>();
            let (last_seq, full) = (last.last_seq, size >= bytes / 2 || batches.len() == limits::UPLOAD_BATCHES);
            if self.replaced(&batches).await? {
                continue;
            }
            let needed: HashSet<_> = batches.iter().filter_map(|batch| batch.catalogue).collect();
            let needed: HashSet<_> = needed.intersection(wanted).copied().collect();
            let Some(catalogues) = self.catalogues(&needed, &batches).await? else { continue };
            let plain = size + catalogues.iter().map(Vec::len).sum::<usize>();
            let contents = self.compressed(catalogues, batches).await?;
            return Ok(Some(Prepared { last_seq, durable, plain, full, catalogues: needed, contents }));
        }
    }

    /// Whether a batch was replaced because the collector does not know a kind in it; then the lane is read again.
    async fn replaced(&self, batches: &[StoredBatch]) -> Result<bool, UplinkError> {
        // Readings hold rows and gaps, which every collector knows.
        if self.lane == Lane::Readings {
            return Ok(false);
        }
        let mut any = false;
        for stored in batches {
            if let Some(batch) = kinds::without_unknown(stored, &self.kinds) {
                let first_seq = stored.first_seq;
                error!(lane = %self.lane, first_seq, "The collector does not know a kind of record; a gap takes its place.");
                self.buffer.replace_batch(self.lane, stored.digest, batch).await?;
                any = true;
            }
        }
        Ok(any)
    }

    /// The encoded catalogues; `None` if one is gone and what needs it was given up.
    async fn catalogues(
        &self,
        needed: &HashSet<CatalogueHash>,
        batches: &[StoredBatch],
    ) -> Result<Option<Vec<Vec<u8>>>, UplinkError> {
        let mut catalogues = Vec::with_capacity(needed.len());
        for hash in needed {
            let Some(catalogue) = self.buffer.catalogue(*hash).await? else {
                warn!(%hash, "A catalogue that waiting readings need is gone; a gap takes their place.");
                for batch in batches.iter().filter(|batch| batch.catalogue == Some(*hash)) {
                    self.buffer.give_up_batch(self.lane, self.epoch, batch.first_seq).await?;
                }
                return Ok(None);
            };
            catalogues.push(catalogue);
        }
        Ok(Some(catalogues))
    }

    async fn compressed(&self, catalogues: Vec<Vec<u8>>, batches: Vec<StoredBatch>) -> Result<Bytes, UplinkError> {
        let (lane, epoch) = (self.lane.number(), self.epoch);
        let envelope = move |batch: StoredBatch| Envelope {
            lane,
            epoch,
            first_seq: batch.first_seq,
            last_seq: batch.last_seq,
            digest: batch.digest,
            body: batch.body,
        };
        let work = move || {
            let batches = batches.into_iter().map(envelope).collect();
            frame::compress(&Upload::encode_contents(catalogues, batches, Vec::new())).map(Bytes::from)
        };
        let failed = |cause| UplinkError::Compress { request: "upload", cause };
        tokio::task::spawn_blocking(work).await.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
    }
}
