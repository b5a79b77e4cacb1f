//! The log in `ingest.db`.

use std::collections::HashSet;

use kouan_protocol::session::{BatchDigest, Hello, LaneClaim, LanePosition, LaneVerdict};
use kouan_protocol::{AgentId, Anchor, CatalogueHash, Digest, Epoch, Incarnation, Lane, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    Appended, Arrival, CheckedBatch, Content, Correction, Decision, EntryKind, IngestLog, Known, Placement, Reconciled,
    TimeStatus, place, reconcile,
};
use crate::store::{During as _, StoreError};

/// How many digests of each lane are remembered; as many as a hello may carry.
const DIGESTS: i64 = kouan_protocol::limits::HELLO_DIGESTS as i64;

/// The log and its only writing connection.
#[derive(Debug)]
pub struct SqliteLog {
    conn: Connection,
}

impl SqliteLog {
    /// Takes over a migrated connection; a new file gets its incarnation.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(conn: Connection) -> Result<Self, StoreError> {
        conn.execute(
            "INSERT OR IGNORE INTO meta (name, value) VALUES ('incarnation', ?1)",
            [Incarnation::random().to_string()],
        )
        .during("give the data folder its incarnation")?;
        Ok(Self { conn })
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin an append")
    }
}

impl IngestLog for SqliteLog {
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Appended>, StoreError> {
        let transaction = self.begin()?;
        let appended =
            arrivals.iter().map(|arrival| append_one(&transaction, arrival)).collect::<Result<Vec<_>, _>>()?;
        transaction.commit().during("commit uploads")?;
        Ok(appended)
    }

    fn reconcile(
        &mut self,
        agent: &AgentId,
        site: &str,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<Reconciled, StoreError> {
        let transaction = self.begin()?;
        let lane = Lanes { transaction: &transaction, agent: agent.as_str(), site };
        let lanes =
            hello.lanes.iter().map(|claim| lane.settle(claim, &hello.now, now)).collect::<Result<_, StoreError>>()?;
        let mut wanted_catalogues = Vec::new();
        for hash in &hello.catalogues {
            if !has_catalogue(&transaction, agent, *hash)? {
                wanted_catalogues.push(*hash);
            }
        }
        transaction.commit().during("commit a hello")?;
        Ok(Reconciled { lanes, wanted_catalogues })
    }

    fn prune(&mut self, through: i64, before: Timestamp) -> Result<usize, StoreError> {
        // In small steps: an append must not wait behind the removal of a day. Always from the oldest on, so that
        // an entry that is missing in between is never taken for a pruned one.
        let oldest: Vec<(i64, i64)> = self
            .conn
            .prepare_cached("SELECT id, received_ms FROM log WHERE id <= ?1 ORDER BY id LIMIT 500")
            .and_then(|mut statement| statement.query_map([through], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("look for old log entries")?;
        let old = oldest.into_iter().take_while(|(_, received_ms)| *received_ms < before.0);
        let Some((last, _)) = old.last() else { return Ok(0) };
        self.conn.execute("DELETE FROM log WHERE id <= ?1", [last]).during("prune the log")
    }

    fn head(&self) -> Result<i64, StoreError> {
        let sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'log'";
        let head = self.conn.query_row(sequence, [], |row| row.get(0)).optional();
        Ok(head.during("read the head of the log")?.unwrap_or(0))
    }

    fn incarnation(&self) -> Result<Incarnation, StoreError> {
        let text: String = self
            .conn
            .query_row("SELECT value FROM meta WHERE name = 'incarnation'", [], |row| row.get(0))
            .during("read the incarnation")?;
        text.parse().map_err(StoreError::damaged("the incarnation"))
    }
}

fn append_one(transaction: &Transaction<'_>, arrival: &Arrival) -> Result<Appended, StoreError> {
    let lanes = Lanes { transaction, agent: arrival.agent.as_str(), site: &arrival.site };
    for (hash, body) in &arrival.catalogues {
        lanes.keep_catalogue(*hash, body, arrival)?;
    }
    let mut appended = Appended::default();
    let mut left_out = HashSet::new();
    for batch in &arrival.batches {
        if left_out.contains(&(batch.lane, batch.epoch)) {
            continue;
        }
        if let Some(hash) = batch.content.as_ref().ok().and_then(|content| content.catalogue)
            && !has_catalogue(transaction, &arrival.agent, hash)?
        {
            left_out.insert((batch.lane, batch.epoch));
            if !appended.wanted_catalogues.contains(&hash) {
                appended.wanted_catalogues.push(hash);
            }
            lanes.report(batch, &mut appended)?;
            continue;
        }
        let Some(position) = lanes.position_for_append(batch, arrival.received)? else {
            appended.hello_required =
                Some(format!("epoch {} of lane {} is not the current one", batch.epoch, batch.lane));
            break;
        };
        match place(position, batch.first_seq, batch.last_seq) {
            Placement::Duplicate => appended.duplicates += 1,
            Placement::Store { from } => {
                lanes.store(batch, from, arrival)?;
                appended.batches += 1;
                appended.quarantined += u64::from(batch.content.is_err());
            }
            Placement::Hole => {
                let (first, lane) = (batch.first_seq, batch.lane);
                let problem = format!("lane {lane} is stored up to {position}, and the batch begins at {first}");
                appended.hello_required = Some(problem);
                break;
            }
        }
        lanes.report(batch, &mut appended)?;
    }
    Ok(appended)
}

fn has_catalogue(conn: &Connection, agent: &AgentId, hash: CatalogueHash) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM catalogues WHERE agent = ?1 AND hash = ?2")
        .and_then(|mut statement| statement.exists(params![agent.as_str(), hash.to_string()]))
        .during("look for a catalogue")
}

/// The lanes of one agent inside a transaction.
struct Lanes<'t> {
    transaction: &'t Transaction<'t>,
    agent: &'t str,
    site: &'t str,
}

impl Lanes<'_> {
    fn execute(
        &self,
        sql: &'static str,
        values: &[&dyn rusqlite::ToSql],
        operation: &'static str,
    ) -> Result<usize, StoreError> {
        self.transaction.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).during(operation)
    }

    /// (position, current)
    fn find(&self, lane: u32, epoch: Epoch) -> Result<Option<(u64, bool)>, StoreError> {
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

    fn register(&self, lane: u32, epoch: Epoch, position: u64, now: Timestamp) -> Result<(), StoreError> {
        let epoch = epoch.to_string();
        self.execute(
            "UPDATE lanes SET current = 0 WHERE agent = ?1 AND lane = ?2 AND epoch <> ?3 AND current",
            &[&self.agent, &lane, &epoch],
            "retire an epoch",
        )?;
        self.execute(
            "INSERT INTO lanes (agent, lane, epoch, site, stored_seq, current, registered_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
             ON CONFLICT DO UPDATE SET current = 1, stored_seq = max(stored_seq, excluded.stored_seq)",
            &[&self.agent, &lane, &epoch, &self.site, &to_sql(position), &now.0],
            "register an epoch",
        )?;
        Ok(())
    }

    /// The position that the batch follows; `None` if its epoch is not the lane's current one. A lane that this version
    /// does not know never had a hello: it begins with its first batch.
    fn position_for_append(&self, batch: &CheckedBatch, now: Timestamp) -> Result<Option<u64>, StoreError> {
        match self.find(batch.lane, batch.epoch)? {
            Some((position, true)) => Ok(Some(position)),
            None if Lane::from_number(batch.lane).is_none() => {
                let position = batch.first_seq - 1;
                self.register(batch.lane, batch.epoch, position, now)?;
                Ok(Some(position))
            }
            _ => Ok(None),
        }
    }

    fn report(&self, batch: &CheckedBatch, appended: &mut Appended) -> Result<(), StoreError> {
        let Some((stored_seq, _)) = self.find(batch.lane, batch.epoch)? else { return Ok(()) };
        let place = LanePosition { lane: batch.lane, epoch: batch.epoch, stored_seq };
        match appended.stored.iter_mut().find(|at| (at.lane, at.epoch) == (place.lane, place.epoch)) {
            Some(at) => *at = place,
            None => appended.stored.push(place),
        }
        Ok(())
    }

    fn keep_catalogue(&self, hash: CatalogueHash, body: &[u8], arrival: &Arrival) -> Result<(), StoreError> {
        let added = self.execute(
            "INSERT OR IGNORE INTO catalogues (agent, hash, site, received_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&self.agent, &hash.to_string(), &self.site, &arrival.received.0, &body],
            "keep a catalogue",
        )?;
        if added == 0 {
            return Ok(());
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
        self.log(&entry)
    }

    fn store(&self, batch: &CheckedBatch, from: u64, arrival: &Arrival) -> Result<(), StoreError> {
        let unknown = Correction { received: arrival.received, shift_ms: 0, status: TimeStatus::Uncertain };
        let (kind, correction, reason) = match &batch.content {
            Ok(content) => (EntryKind::Batch, content.correction, ""),
            Err(problem) => (EntryKind::Quarantined, unknown, problem.as_str()),
        };
        self.log(&NewEntry {
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
        self.remember_digest(batch)
    }

    fn log(&self, entry: &NewEntry<'_>) -> Result<(), StoreError> {
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
        Ok(())
    }

    fn extend(&self, lane: u32, epoch: Epoch, (from, last): (u64, u64), kind: &str) -> Result<(), StoreError> {
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
        self.execute(
            "DELETE FROM digests WHERE agent = ?1 AND lane = ?2 AND epoch = ?3 AND first_seq <
             (SELECT first_seq FROM digests WHERE agent = ?1 AND lane = ?2 AND epoch = ?3
              ORDER BY first_seq DESC LIMIT 1 OFFSET ?4 - 1)",
            &[&self.agent, &batch.lane, &epoch, &DIGESTS],
            "forget old digests",
        )?;
        Ok(())
    }

    fn digests(&self, lane: u32, epoch: Epoch) -> Result<Vec<BatchDigest>, StoreError> {
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

    fn settle(&self, claim: &LaneClaim, sent: &Anchor, now: Timestamp) -> Result<LaneVerdict, StoreError> {
        let (lane, epoch) = (claim.lane.number(), claim.epoch);
        let known = self.find(lane, epoch)?.map(|(position, _)| Known { position });
        let decision = reconcile(known, claim, &self.digests(lane, epoch)?);
        if !decision.new_epoch {
            self.register(lane, epoch, decision.position, now)?;
            self.record_loss(claim, &decision, sent, now)?;
        }
        Ok(LaneVerdict {
            lane: claim.lane,
            epoch,
            stored_seq: decision.position,
            new_epoch: decision.new_epoch,
            reason: decision.reason,
        })
    }

    fn record_loss(
        &self,
        claim: &LaneClaim,
        decision: &Decision,
        sent: &Anchor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some((first, last)) = decision.lost else { return Ok(()) };
        self.extend(claim.lane.number(), claim.epoch, (first, last), "lost")?;
        self.execute(
            "UPDATE lanes SET gaps = gaps + 1 WHERE agent = ?1 AND lane = ?2 AND epoch = ?3",
            &[&self.agent, &claim.lane.number(), &claim.epoch.to_string()],
            "count a gap",
        )?;
        self.log(&NewEntry {
            kind: EntryKind::Lost,
            lane: claim.lane.number(),
            epoch: claim.epoch,
            numbers: (first, last, first),
            digest: Digest(0),
            sent,
            correction: Correction { received: now, shift_ms: 0, status: TimeStatus::Trusted },
            reason: "collector-lost",
            body: &[],
        })
    }
}

struct NewEntry<'a> {
    kind: EntryKind,
    lane: u32,
    epoch: Epoch,
    /// First, last, and the first that is new.
    numbers: (u64, u64, u64),
    digest: Digest,
    sent: &'a Anchor,
    correction: Correction,
    reason: &'a str,
    body: &'a [u8],
}

/// Gap records at or after `from`, and the numbers that they take.
fn count_gaps(content: Option<&Content>, from: u64) -> (u64, u64) {
    let gaps = content.map(|content| content.gaps.as_slice()).unwrap_or_default();
    gaps.iter()
        .filter(|(_, last)| *last >= from)
        .fold((0, 0), |(count, numbers), (first, last)| (count + 1, numbers + (last + 1 - from.max(*first))))
}

/// Numbers above [`i64::MAX`] were refused with the envelope.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
