//! The log in `ingest.db`.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kouan_protocol::session::Hello;
use kouan_protocol::{AgentId, CatalogueHash, Incarnation, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::lanes::{self, Lanes};
use super::uses::Uses;
use super::{Appended, Arrival, CheckedBatch, IngestLog, Placement, Recent, Reconciled, place};
use crate::store::{During as _, StoreError};

/// The log and its only writing connection.
#[derive(Debug)]
pub struct SqliteLog {
    conn: Connection,
    uses: Uses,
    recent: Option<Recent>,
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
        Ok(Self { conn, uses: Uses::default(), recent: None })
    }

    /// Hands over what it appends, so that those who follow need not open it again.
    #[must_use]
    pub fn sharing(mut self, recent: &Recent) -> Self {
        self.recent = Some(recent.clone());
        self
    }

    /// Begins another life of the data folder and gives new entries ids beyond `id`, the last that a reader has seen:
    /// the file, or a reader's, was put back from a backup.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_again(&mut self, id: i64) -> Result<Incarnation, StoreError> {
        let incarnation = Incarnation::random();
        let transaction = self.begin()?;
        transaction
            .execute("UPDATE meta SET value = ?1 WHERE name = 'incarnation'", [incarnation.to_string()])
            .during("begin a new incarnation")?;
        let moved = transaction
            .execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'log'", [id])
            .during("move the end of the log")?;
        if moved == 0 {
            transaction
                .execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('log', ?1)", [id])
                .during("move the end of the log")?;
        }
        transaction.commit().during("begin a new incarnation")?;
        Ok(incarnation)
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        self.conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin an append")
    }

    fn append_all(&mut self, arrivals: &[Arrival]) -> Result<Vec<Appended>, StoreError> {
        let Self { conn, uses, recent } = self;
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin an append")?;
        let mut stored = Vec::new();
        let append = |arrival| append_one(&transaction, uses, arrival, &mut stored);
        let appended = arrivals.iter().map(append).collect::<Result<Vec<_>, _>>()?;
        transaction.commit().during("commit uploads")?;
        if let Some(recent) = recent {
            for (entry, batch) in stored {
                if let Some(opened) = &batch.opened {
                    recent.put(entry, Arc::clone(opened), batch.body.len());
                }
            }
        }
        Ok(appended)
    }
}

impl IngestLog for SqliteLog {
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Appended>, StoreError> {
        self.append_all(arrivals).inspect_err(|_| self.uses.forget())
    }

    fn reconcile(
        &mut self,
        agent: &AgentId,
        site: &str,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<Reconciled, StoreError> {
        let transaction = self.begin()?;
        let lanes = Lanes { transaction: &transaction, agent: agent.as_str(), site };
        let mut reconciled = Reconciled::default();
        for claim in &hello.lanes {
            lanes.settle(claim, &hello.now, now, &mut reconciled)?;
        }
        for hash in &hello.catalogues {
            if !has_catalogue(&transaction, agent, *hash)? {
                reconciled.wanted_catalogues.push(*hash);
            }
        }
        transaction.commit().during("commit a hello")?;
        Ok(reconciled)
    }

    fn prune(&mut self, through: i64, kept: &RangeInclusive<Timestamp>) -> Result<usize, StoreError> {
        // In small steps: an append must not wait behind the removal of a day. Always from the oldest on, so that
        // an entry that is missing in between is never taken for a pruned one.
        let oldest: Vec<(i64, i64)> = self
            .conn
            .prepare_cached("SELECT id, received_ms FROM log WHERE id <= ?1 ORDER BY id LIMIT 500")
            .and_then(|mut statement| statement.query_map([through], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("look for old log entries")?;
        let old = oldest.into_iter().take_while(|(_, received_ms)| !kept.contains(&Timestamp(*received_ms)));
        if let Some((last, _)) = old.last() {
            return self.conn.execute("DELETE FROM log WHERE id <= ?1", [last]).during("prune the log");
        }
        self.uses.prune(&mut self.conn)
    }

    fn head(&self) -> Result<i64, StoreError> {
        let sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'log'";
        let head = self
            .conn
            .prepare_cached(sequence)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional());
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

/// Appends an upload; `stored` gets the entries of its batches.
fn append_one<'a>(
    transaction: &Transaction<'_>,
    uses: &mut Uses,
    arrival: &'a Arrival,
    stored: &mut Vec<(i64, &'a CheckedBatch)>,
) -> Result<Appended, StoreError> {
    let lanes = Lanes { transaction, agent: arrival.agent.as_str(), site: &arrival.site };
    for (hash, body) in &arrival.catalogues {
        if let Some(entry) = lanes.keep_catalogue(*hash, body, arrival)? {
            uses.note(transaction, &arrival.agent, *hash, entry)?;
        }
    }
    let mut appended = Appended::default();
    let mut left_out = HashSet::new();
    for batch in &arrival.batches {
        if left_out.contains(&(batch.lane, batch.epoch)) {
            continue;
        }
        if let Some(hash) = batch.content.as_ref().ok().and_then(|content| content.catalogue)
            && !uses.knows(&arrival.agent, hash)
            && !has_catalogue(transaction, &arrival.agent, hash)?
        {
            left_out.insert((batch.lane, batch.epoch));
            if !appended.wanted_catalogues.contains(&hash) {
                appended.wanted_catalogues.push(hash);
            }
            lanes.report_stored(batch, &mut appended)?;
            continue;
        }
        let Some(position) = lanes.position_for_append(batch, arrival.received)? else {
            appended.hello_required =
                Some(format!("epoch {} of lane {} is not the current one", batch.epoch, batch.lane));
            break;
        };
        match place(position, batch.first_seq, batch.last_seq) {
            Placement::Duplicate => {
                appended.duplicates += 1;
                lanes::report(batch, position, &mut appended);
            }
            Placement::Store { from } => {
                let entry = lanes.store(batch, from, arrival)?;
                stored.push((entry, batch));
                if let Some(hash) = batch.content.as_ref().ok().and_then(|content| content.catalogue) {
                    uses.note(transaction, &arrival.agent, hash, entry)?;
                }
                appended.batches += 1;
                appended.quarantined += u64::from(batch.content.is_err());
                lanes::report(batch, batch.last_seq, &mut appended);
            }
            Placement::Hole => {
                let (first, lane) = (batch.first_seq, batch.lane);
                let problem = format!("lane {lane} is stored up to {position}, and the batch begins at {first}");
                appended.hello_required = Some(problem);
                break;
            }
        }
    }
    Ok(appended)
}

fn has_catalogue(conn: &Connection, agent: &AgentId, hash: CatalogueHash) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM catalogues WHERE agent = ?1 AND hash = ?2")
        .and_then(|mut statement| statement.exists(params![agent.as_str(), hash.to_string()]))
        .during("look for a catalogue")
}
