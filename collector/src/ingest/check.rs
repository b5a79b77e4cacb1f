//! What can be said about an upload before it is stored.

use std::sync::Arc;

use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{
    AgentId, Anchor, Batch, Catalogue, CatalogueHash, DecodeError, Gap, Lane, RecordBody, SessionId, limits,
};

use super::{Sessions, correct};
use crate::store::log::{Arrival, CheckedBatch, Content, Opened};

/// An upload that may be appended.
#[derive(Debug)]
pub struct Checked {
    /// The session that it names.
    pub session: SessionId,
    /// What goes to the log.
    pub arrival: Arrival,
    /// Encoded snapshots, for memory only.
    pub snapshots: Vec<Vec<u8>>,
    /// How much longer than the agent's quickest the upload took.
    pub delay_ms: u64,
}

/// Opens an upload. It takes CPU time in proportion to the body.
///
/// A batch that does not open is no error: it is marked for quarantine, so that it does not stall its lane.
///
/// # Errors
/// When the body as a whole is not an upload.
pub fn check(
    sessions: &Sessions,
    agent: AgentId,
    site: String,
    received: &Anchor,
    plain: &[u8],
) -> Result<Checked, DecodeError> {
    let Upload { session, now, catalogues, batches, snapshots } = Upload::decode(plain)?;
    if let Some(batch) = batches.iter().find(|batch| batch.last_seq >= i64::MAX.unsigned_abs()) {
        let problem = format!("number {} is past the end of all numbers", batch.last_seq);
        return Err(DecodeError::Inconsistent { what: "upload", problem });
    }
    if let Some(catalogue) = catalogues.iter().find(|catalogue| catalogue.len() > limits::CATALOGUE_BYTES) {
        let (actual, limit) = (catalogue.len() as u64, limits::CATALOGUE_BYTES as u64);
        return Err(DecodeError::TooLarge { what: "catalogue bytes", actual, limit });
    }
    let delay_ms = sessions.delay_ms(&agent, &now, received);
    let received = received.wall;
    let catalogues: Vec<(CatalogueHash, Vec<u8>)> =
        catalogues.into_iter().map(|body| (Catalogue::hash_of(&body), body)).collect();
    let batches = batches
        .into_iter()
        .map(|envelope| {
            let opened = open(&envelope).map(Opened::from);
            let content = opened.as_ref().map_err(Clone::clone).map(|Opened { batch, .. }| Content {
                catalogue: batch.catalogue,
                correction: correct(received, delay_ms, &now, &batch.anchor),
                gaps: gaps(batch),
            });
            let Envelope { lane, epoch, first_seq, last_seq, digest, body } = envelope;
            CheckedBatch { lane, epoch, first_seq, last_seq, digest, body, content, opened: opened.ok().map(Arc::new) }
        })
        .collect();
    let arrival = Arrival { agent, site, received, sent: now, catalogues, batches };
    Ok(Checked { session, arrival, snapshots, delay_ms })
}

fn open(envelope: &Envelope) -> Result<Batch, String> {
    let Some(lane) = Lane::from_number(envelope.lane) else {
        return Err(format!("lane {} is not known", envelope.lane));
    };
    let batch = Batch::decode(&envelope.body).map_err(|error| error.to_string())?;
    if (batch.first_seq, batch.last_seq()) != (envelope.first_seq, envelope.last_seq) {
        let (first, last) = (batch.first_seq, batch.last_seq());
        return Err(format!(
            "the envelope says {} to {}, the batch {first} to {last}",
            envelope.first_seq, envelope.last_seq
        ));
    }
    if lane != Lane::Readings && !batch.groups.is_empty() {
        return Err(format!("rows do not belong into lane {lane}"));
    }
    let gap = |record: &kouan_protocol::Record| matches!(record.body, RecordBody::Gap(Gap { .. }));
    if lane == Lane::Readings && !batch.records.iter().all(gap) {
        return Err("only rows and gaps belong into lane readings".to_owned());
    }
    Ok(batch)
}

fn gaps(batch: &Batch) -> Vec<(u64, u64)> {
    let mut next = batch.first_seq;
    let mut gaps = Vec::new();
    for record in &batch.records {
        let first = next;
        next += record.span;
        if matches!(record.body, RecordBody::Gap(_)) {
            gaps.push((first, next - 1));
        }
    }
    gaps
}
