//! Another batch in the place of a stored one: the same numbers, other bytes.

use kouan_protocol::{Batch, Digest, Lane};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::lanes::{lane_state, set_lane_state};

/// Replaces the batch that begins where `batch` does, if it still has the digest `old`. What is sent later is then
/// what the hello claims, so that both sides agree about it also after an answer that was lost.
pub(super) fn replace(tx: &Transaction<'_>, lane: Lane, old: Digest, batch: &Batch) -> rusqlite::Result<()> {
    let number = lane.number();
    let (first, last) = (batch.first_seq as i64, batch.last_seq() as i64);
    let before: Option<i64> = tx
        .query_row(
            &format!("SELECT LENGTH(body) FROM batch_{number} WHERE first_seq = ?1 AND last_seq = ?2 AND digest = ?3"),
            params![first, last, old.0 as i64],
            |row| row.get(0),
        )
        .optional()?;
    let Some(before) = before else { return Ok(()) };
    let body = batch.encode();
    tx.execute(
        &format!("UPDATE batch_{number} SET digest = ?2, body = ?3 WHERE first_seq = ?1"),
        params![first, Digest::of(&body).0 as i64, body],
    )?;
    let mut state = lane_state(tx, lane)?;
    state.bytes = (state.bytes + body.len() as u64).saturating_sub(before as u64);
    set_lane_state(tx, lane, state)
}
