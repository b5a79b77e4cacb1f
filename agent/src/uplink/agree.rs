//! Whether what the collector has under the agent's numbers is what the agent gave them to.

use kouan_protocol::session::LaneVerdict;
use kouan_protocol::{Batch, RecordBody};

use crate::buffer::{Buffer, BufferError};

/// Whether the batch here that ends where the collector stands is the one that is stored there.
///
/// A data folder that was restored from a backup, and has overtaken the collector since, gives out numbers a second
/// time. The digests of the hello show only some batches; the last stored one tells for certain. What is not here any
/// more was confirmed, and a gap may have taken the place of what is stored.
pub(super) async fn stands_for(buffer: &Buffer, verdict: &LaneVerdict) -> Result<bool, BufferError> {
    let (Some(stored), Some(before)) = (verdict.last, verdict.stored_seq.checked_sub(1)) else { return Ok(true) };
    let batches = buffer.read(verdict.lane, before, 0, 1).await?;
    let Some(batch) = batches.first() else { return Ok(true) };
    if batch.epoch != verdict.epoch || batch.first_seq > verdict.stored_seq || batch.digest == stored {
        return Ok(true);
    }
    let is_gap = |batch: &Batch| batch.records.iter().all(|record| matches!(record.body, RecordBody::Gap(_)));
    Ok(Batch::decode(&batch.body).is_ok_and(|batch| batch.groups.is_empty() && is_gap(&batch)))
}
