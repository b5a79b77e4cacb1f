//! Which catalogues the log still needs. An agent that is configured anew every week would otherwise leave one behind
//! each time, for ever.

use std::collections::HashMap;

use kouan_protocol::{AgentId, CatalogueHash};
use rusqlite::{Connection, Transaction, params};

use crate::store::{During as _, StoreError};

/// How far the last use may be behind what is written down, in entries of the log.
const EVERY: i64 = 2_000;
/// Catalogues that one step removes.
const AT_ONCE: i64 = 100;
/// Catalogues whose use is remembered in memory; beyond it, it is written down once more than needed.
const REMEMBERED: usize = 100_000;

/// What is written down about the use of catalogues.
#[derive(Debug, Default)]
pub(super) struct Uses(HashMap<(AgentId, CatalogueHash), i64>);

impl Uses {
    /// The entry refers to that catalogue.
    pub(super) fn note(
        &mut self,
        transaction: &Transaction<'_>,
        agent: &AgentId,
        hash: CatalogueHash,
        entry: i64,
    ) -> Result<(), StoreError> {
        let key = (agent.clone(), hash);
        if self.0.get(&key).is_some_and(|noted| entry - noted < EVERY) {
            return Ok(());
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO catalogue_uses (agent, hash, used_id) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute(params![agent.as_str(), hash.to_string(), entry]))
            .during("note the use of a catalogue")?;
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, entry);
        Ok(())
    }

    /// Whether the agent's catalogue is known to be stored: only such are noted, and whatever removes one forgets all.
    pub(super) fn knows(&self, agent: &AgentId, hash: CatalogueHash) -> bool {
        self.0.contains_key(&(agent.clone(), hash))
    }

    /// What was noted last may not have come to disk.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Removes some catalogues that no entry of the log refers to, but never the one that an agent used last. An agent
    /// that comes back to an old one is asked for it. Returns how many.
    pub(super) fn prune(&mut self, conn: &mut Connection) -> Result<usize, StoreError> {
        let transaction = conn.transaction().during("begin removing catalogues")?;
        let oldest: i64 = transaction
            .prepare_cached("SELECT coalesce((SELECT min(id) FROM log), (SELECT max(seq) + 1 FROM sqlite_sequence), 0)")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .during("look for the oldest log entry")?;
        let unused: Vec<(String, String)> = transaction
            .prepare_cached(
                "SELECT agent, hash FROM catalogue_uses AS own WHERE used_id < ?1 AND EXISTS
                     (SELECT 1 FROM catalogue_uses AS other WHERE other.agent = own.agent AND other.used_id > own.used_id)
                 LIMIT ?2",
            )
            .and_then(|mut statement| {
                let values = [oldest.saturating_sub(EVERY), AT_ONCE];
                statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .during("look for catalogues that are not used")?;
        for (agent, hash) in &unused {
            for sql in [
                "DELETE FROM catalogues WHERE agent = ?1 AND hash = ?2",
                "DELETE FROM catalogue_uses WHERE agent = ?1 AND hash = ?2",
            ] {
                transaction
                    .prepare_cached(sql)
                    .and_then(|mut statement| statement.execute([agent, hash]))
                    .during("remove a catalogue")?;
            }
        }
        if !unused.is_empty() {
            transaction.commit().during("remove catalogues")?;
            self.forget();
        }
        Ok(unused.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    fn entries(conn: &Connection, ids: std::ops::RangeInclusive<i64>) {
        for id in ids {
            conn.execute(
                "INSERT INTO log (id, kind, agent, site, lane, epoch, first_seq, last_seq, from_seq, digest, received_ms,
                     sent_boot, sent_boot_ms, sent_wall_ms, sent_trusted, shift_ms, time_status, reason, body)
                 VALUES (?1, 'batch', 'a', 's', 1, '', 1, 1, 1, '', 0, '', 0, 0, 1, 0, 'trusted', '', x'00')",
                [id],
            )
            .unwrap();
        }
    }

    #[test]
    fn a_catalogue_goes_when_no_entry_can_refer_to_it_and_the_last_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open_writable(&folder.path().join("ingest.db"), File::Ingest).unwrap();
        let mut uses = Uses::default();
        let (one, two): (AgentId, AgentId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let transaction = conn.transaction().unwrap();
        for (agent, hash, entry) in [(&one, 1, 10), (&one, 2, 20), (&two, 1, 5)] {
            let hash = CatalogueHash(hash);
            let row = params![agent.as_str(), hash.to_string()];
            transaction.execute("INSERT INTO catalogues VALUES (?1, ?2, 's', 0, x'00')", row).unwrap();
            uses.note(&transaction, agent, hash, entry).unwrap();
        }
        // Not far enough from what was noted to be written down; so it counts as if it had been.
        uses.note(&transaction, &one, CatalogueHash(1), 10 + EVERY - 1).unwrap();
        transaction.commit().unwrap();
        entries(&conn, 10 + EVERY - 1..=10 + EVERY + 1);
        assert_eq!(uses.prune(&mut conn).unwrap(), 0, "an entry may refer to it");
        conn.execute("DELETE FROM log WHERE id <= ?1", [10 + EVERY]).unwrap();
        assert_eq!(uses.prune(&mut conn).unwrap(), 1);
        let left: Vec<String> = conn
            .prepare("SELECT agent || hash FROM catalogues ORDER BY 1")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(left, [format!("a{}", CatalogueHash(2)), format!("b{}", CatalogueHash(1))]);
        conn.execute("DELETE FROM log", []).unwrap();
        assert_eq!(uses.prune(&mut conn).unwrap(), 0, "what an agent used last stays");
    }
}
