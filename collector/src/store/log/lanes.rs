//! The lanes of an agent in the log's file.

use kouan_protocol::session::{BatchDigest, LanePosition};
use kouan_protocol::{Anchor, CatalogueHash, Digest, Epoch, Lane, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Appended, Arrival, CheckedBatch, Content, Correction, EntryKind, TimeStatus};
use crate::store::{During as _, StoreError};

/// How many digests of each lane are remembered at least.
const DIGESTS: i64 = 2 * kouan_protocol::limits::HELLO_DIGESTS as i64;
/// Old digests are forgotten with one batch in so many.
const FORGET_ONE_IN: u64 = 32;

/// The lanes of one agent inside a transaction.
pub(super) struct Lanes<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    pub(super) agent: &'t str,
    pub(super) site: &'t str,
}

impl Lanes<'_> {
    pub(super) fn execute(
        &self,
        sql: &'static str,
        values: &[&dyn rusqlite::ToSql],
        operation: &'static str,
    ) -> Result<usize, StoreError> {
        self.transaction.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).during(operation)
    }

    /// (position, current)
    pub(super) fn find(&self, lane: u32, epoch: Epoch) -> Result<Option<(u64, bool)>, StoreError> {
        self.transaction
            .prepare_cached("SELECT stored_seq, current FROM lanes WHERE agent = ?1 AND lane = ?2 AND epoch = ?3")
            .and_then(|mut statement| {
                statement
                    .query_row(params![self.agent, lane, epoch.to_string()], |row| {
                        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
                    })
                    .optional()
            })
            .during("read a lane's position")
    }

    /// The position that the batch follows; `None` if its epoch is not the lane's current one. A lane that this version
    /// does not know never had a hello: it begins with its first batch.
    pub(super) fn position_for_append(&self, batch: &CheckedBatch, now: Timestamp) -> Result<Option<u64>, StoreError> {
        match self.find(batch.lane, batch.epoch)? {
            Some((position, true)) => Ok(Some(position)),
            None if Lane::from_number(batch.lane).is_none() => {
                let position = batch.first_seq - 1;
                self.make_current(batch.lane, batch.epoch, position, false, now)?;
                Ok(Some(position))
            }
            _ => Ok(None),
        }
    }

    /// Reports how far the lane of a batch that is left out is stored, if it is known.
    pub(super) fn report_stored(&self, batch: &CheckedBatch, appended: &mut Appended) -> Result<(), StoreError> {
        if let Some((stored_seq, _)) = self.find(batch.lane, batch.epoch)? {
            report(batch, stored_seq, appended);
        }
        Ok(())
    }

    /// The entry that says that it arrived, if it is new.
    pub(super) fn keep_catalogue(
        &self,
        hash: CatalogueHash,
        body: &[u8],
        arrival: &Arrival,
    ) -> Result<Option<i64>, StoreError> {
        let added = self.execute(
            "INSERT OR IGNORE INTO catalogues (agent, hash, site, received_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&self.agent, &hash.to_string(), &self.site, &arrival.received.0, &body],
            "keep a catalogue",
        )?;
        if added == 0 {
            return Ok(None);
        }
        let correction = Correction { received: arrival.received, shift_ms: 0, status: TimeStatus::Trusted };
        let name = hash.to_string();
        let entry = NewEntry {
            kind: EntryKind::Catalogue,
            lane: 0,
            epoch: Epoch(0),
            numbers: (0, 0, 0),
            digest: Digest(hash.0),
            sent: &arrival.sent,
            correction,
            reason: "",
            body: name.as_bytes(),
        };
        self.log(&entry).map(Some)
    }

    /// Stores a batch; returns its entry.
    pub(super) fn store(&self, batch: &CheckedBatch, from: u64, arrival: &Arrival) -> Result<i64, StoreError> {
        let unknown = Correction { received: arrival.received, shift_ms: 0, status: TimeStatus::Uncertain };
        let (kind, correction, reason) = match &batch.content {
            Ok(content) => (EntryKind::Batch, content.correction, ""),
            Err(problem) => (EntryKind::Quarantined, unknown, problem.as_str()),
        };
        let id = self.log(&NewEntry {
            kind,
            lane: batch.lane,
            epoch: batch.epoch,
            numbers: (batch.first_seq, batch.last_seq, from),
            digest: batch.digest,
            sent: &arrival.sent,
            correction,
            reason,
            body: &batch.body,
        })?;
        let extent = if batch.content.is_ok() { "stored" } else { "quarantined" };
        self.extend(batch.lane, batch.epoch, (from, batch.last_seq), extent)?;
        let (gaps, gap_numbers) = count_gaps(batch.content.as_ref().ok(), from);
        self.execute(
            "UPDATE lanes SET stored_seq = ?4, gaps = gaps + ?5, gap_numbers = gap_numbers + ?6,
                 quarantined_batches = quarantined_batches + ?7
             WHERE agent = ?1 AND lane = ?2 AND epoch = ?3",
            &[
                &self.agent,
                &batch.lane,
                &batch.epoch.to_string(),
                &to_sql(batch.last_seq),
                &to_sql(gaps),
                &to_sql(gap_numbers),
                &i64::from(batch.content.is_err()),
            ],
            "move a lane's position",
        )?;
        self.remember_digest(batch)?;
        Ok(id)
    }

    /// Appends an entry and returns its id.
    pub(super) fn log(&self, entry: &NewEntry<'_>) -> Result<i64, StoreError> {
        let (first, last, from) = entry.numbers;
        self.execute(
            "INSERT INTO log (kind, agent, site, lane, epoch, first_seq, last_seq, from_seq, digest, received_ms,
                 sent_boot, sent_boot_ms, sent_wall_ms, sent_trusted, shift_ms, time_status, reason, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            &[
                &entry.kind.as_str(),
                &self.agent,
                &self.site,
                &entry.lane,
                &entry.epoch.to_string(),
                &to_sql(first),
                &to_sql(last),
                &to_sql(from),
                &entry.digest.to_string(),
                &entry.correction.received.0,
                &entry.sent.boot.to_string(),
                &to_sql(entry.sent.boot_time.0),
                &entry.sent.wall.0,
                &entry.sent.trusted,
                &entry.correction.shift_ms,
                &entry.correction.status.as_str(),
                &entry.reason,
                &entry.body,
            ],
            "append to the log",
        )?;
        Ok(self.transaction.last_insert_rowid())
    }

    pub(super) fn extend(
        &self,
        lane: u32,
        epoch: Epoch,
        (from, last): (u64, u64),
        kind: &str,
    ) -> Result<(), StoreError> {
        let epoch = epoch.to_string();
        let grown = self.execute(
            "UPDATE extents SET last_seq = ?4
             WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 AND kind = ?5 AND last_seq = ?6 - 1
               AND first_seq = (SELECT max(first_seq) FROM extents WHERE agent = ?1 AND lane = ?2 AND epoch = ?3)",
            &[&self.agent, &lane, &epoch, &to_sql(last), &kind, &to_sql(from)],
            "extend a run of numbers",
        )?;
        if grown == 0 {
            self.execute(
                "INSERT INTO extents (agent, lane, epoch, first_seq, last_seq, kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                &[&self.agent, &lane, &epoch, &to_sql(from), &to_sql(last), &kind],
                "begin a run of numbers",
            )?;
        }
        Ok(())
    }

    fn remember_digest(&self, batch: &CheckedBatch) -> Result<(), StoreError> {
        let epoch = batch.epoch.to_string();
        self.execute(
            "INSERT OR REPLACE INTO digests (agent, lane, epoch, first_seq, last_seq, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            &[
                &self.agent,
                &batch.lane,
                &epoch,
                &to_sql(batch.first_seq),
                &to_sql(batch.last_seq),
                &batch.digest.to_string(),
            ],
            "remember a digest",
        )?;
        // Now and then: finding the place takes a walk over all that is remembered. Digests are as good as dice.
        if !batch.digest.0.is_multiple_of(FORGET_ONE_IN) {
            return Ok(());
        }
        self.execute(
            "DELETE FROM digests WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 AND first_seq <
             (SELECT first_seq FROM digests WHERE agent = ?1 AND lane = ?2 AND epoch = ?3
              ORDER BY first_seq DESC LIMIT 1 OFFSET ?4 - 1)",
            &[&self.agent, &batch.lane, &epoch, &DIGESTS],
            "forget old digests",
        )?;
        Ok(())
    }

    pub(super) fn digests(&self, lane: u32, epoch: Epoch) -> Result<Vec<BatchDigest>, StoreError> {
        let rows: Vec<(i64, i64, String)> = self
            .transaction
            .prepare_cached(
                "SELECT first_seq, last_seq, digest FROM digests WHERE agent = ?1 AND lane = ?2 AND epoch = ?3",
            )
            .and_then(|mut statement| {
                let key = params![self.agent, lane, epoch.to_string()];
                statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .during("read digests")?;
        let digest = |(first, last, digest): (i64, i64, String)| {
            let digest = digest.parse().map_err(StoreError::damaged("a digest"))?;
            Ok(BatchDigest { first_seq: first.unsigned_abs(), last_seq: last.unsigned_abs(), digest, gap: false })
        };
        rows.into_iter().map(digest).collect()
    }
}

/// Reports how far the lane of a batch is stored now.
pub(super) fn report(batch: &CheckedBatch, stored_seq: u64, appended: &mut Appended) {
    let place = LanePosition { lane: batch.lane, epoch: batch.epoch, stored_seq };
    match appended.stored.iter_mut().find(|at| (at.lane, at.epoch) == (place.lane, place.epoch)) {
        Some(at) => *at = place,
        None => appended.stored.push(place),
    }
}

pub(super) struct NewEntry<'a> {
    pub(super) kind: EntryKind,
    pub(super) lane: u32,
    pub(super) epoch: Epoch,
    /// First, last, and the first that is new.
    pub(super) numbers: (u64, u64, u64),
    pub(super) digest: Digest,
    pub(super) sent: &'a Anchor,
    pub(super) correction: Correction,
    pub(super) reason: &'a str,
    pub(super) body: &'a [u8],
}

/// Gap records at or after `from`, and the numbers that they take.
fn count_gaps(content: Option<&Content>, from: u64) -> (u64, u64) {
    let gaps = content.map(|content| content.gaps.as_slice()).unwrap_or_default();
    gaps.iter()
        .filter(|(_, last)| *last >= from)
        .fold((0, 0), |(count, numbers), (first, last)| (count + 1, numbers + (last + 1 - from.max(*first))))
}

/// Numbers above [`i64::MAX`] were refused with the envelope.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
