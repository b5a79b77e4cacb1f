//! What a file says it has of a day, and whether that may be believed.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::keys;
use crate::store::{During as _, StoreError};

/// What a version wrote that knew no marks.
const UNMARKED: i64 = 0;
/// The last event is not in its partition any more.
const REMOVED: i64 = -1;

/// Events of a day up to an id are in the file. The mark tells the last of them from another one with the same id: the
/// partition may have been made anew, for instance after a power cut that took back what this file had forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) through: i64,
    mark: i64,
}

impl Claim {
    /// The events of the partition up to `through`.
    pub(super) fn up_to(partition: &Connection, through: i64) -> Result<Self, StoreError> {
        let mark = if through == 0 { REMOVED } else { mark_of(partition, through)?.unwrap_or(REMOVED) };
        Ok(Self { through, mark })
    }

    /// What the file claims of the day.
    pub(super) fn of_day(file: &Connection, day: i64) -> Result<Option<Self>, StoreError> {
        file.prepare_cached("SELECT day, through, mark FROM days WHERE day = ?1")
            .and_then(|mut statement| statement.query_row([day], |row| Ok(read(row)?.1)).optional())
            .during("read how far an index of events is")
    }

    /// What the file claims, by day. Nothing is believed of a file that an earlier version has made until its keeper has
    /// brought it up to this one.
    pub(super) fn all(file: &Connection) -> Result<HashMap<i64, Self>, StoreError> {
        let reading = "read how far an index of events is";
        let knows_marks: bool = file
            .prepare_cached("SELECT count(*) FROM pragma_table_info('days') WHERE name = 'mark'")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .during(reading)?;
        if !knows_marks {
            return Ok(HashMap::new());
        }
        file.prepare_cached("SELECT day, through, mark FROM days")
            .and_then(|mut statement| statement.query_map([], read)?.collect())
            .during(reading)
    }

    /// Up to which id this is true of the partition.
    pub(super) fn believed(self, partition: &Connection) -> Result<i64, StoreError> {
        let found = mark_of(partition, self.through)?;
        let is_true = found.is_some_and(|found| self.mark == found || self.mark == UNMARKED);
        Ok(if is_true { self.through } else { 0 })
    }

    /// Writes it down, in the commit that writes the events.
    pub(super) fn save(self, file: &Connection, day: i64) -> Result<(), StoreError> {
        file.prepare_cached("INSERT OR REPLACE INTO days (day, through, mark) VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| statement.execute([day, self.through, self.mark]))
            .during("note how far an index of events is")?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Claim)> {
    Ok((row.get(0)?, Claim { through: row.get(1)?, mark: row.get(2)? }))
}

/// The mark of the event with that id, if there is one.
fn mark_of(partition: &Connection, id: i64) -> Result<Option<i64>, StoreError> {
    let read = |row: &Row<'_>| {
        let (time_ms, agent, epoch, seq): (i64, String, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(keys::of_record(time_ms, &agent, &epoch, seq))
    };
    partition
        .prepare_cached("SELECT time_ms, agent, epoch, seq FROM events WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .during("compare an index of events with its day")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    fn insert(partition: &Connection, seq: i64) {
        let sql =
            "INSERT INTO events (time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch, seq,
                       opaque)
                   VALUES (?1 * 10, 'hall', 'hall-1', 'gate-1', 'passage', '{}', 0, 'trusted', 0, 'e', ?1, 0)";
        partition.execute(sql, [seq]).unwrap();
    }

    #[test]
    fn a_claim_is_believed_of_the_partition_that_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let partition = |name: &str, seqs: &[i64]| {
            let partition = open_writable(&folder.path().join(name), File::Partition).unwrap();
            seqs.iter().for_each(|seq| insert(&partition, *seq));
            partition
        };
        let file = open_writable(&folder.path().join("events-2026-11.db"), File::EventIndex).unwrap();
        let first = partition("a.db", &[1, 2, 3]);
        Claim::up_to(&first, 3).unwrap().save(&file, 20_000).unwrap();
        let claim = Claim::of_day(&file, 20_000).unwrap().unwrap();
        assert_eq!(Claim::all(&file).unwrap(), HashMap::from([(20_000, claim)]));
        assert_eq!(claim.believed(&first).unwrap(), 3);
        insert(&first, 4);
        assert_eq!(claim.believed(&first).unwrap(), 3);
        assert_eq!(claim.believed(&partition("shorter.db", &[1, 2])).unwrap(), 0);
        assert_eq!(claim.believed(&partition("other.db", &[2, 3, 4, 5])).unwrap(), 0, "as long, with other events");
        first.execute("DELETE FROM events", []).unwrap();
        assert_eq!(claim.believed(&first).unwrap(), 0);
        let none = Claim::up_to(&first, 4).unwrap();
        assert_eq!(none.believed(&partition("again.db", &[1, 2, 3, 4])).unwrap(), 0);
    }

    #[test]
    fn claims_of_an_earlier_version_are_read_once_its_file_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let partition = open_writable(&folder.path().join("a.db"), File::Partition).unwrap();
        insert(&partition, 1);
        let path = folder.path().join("events-2026-11.db");
        let file = open_writable(&path, File::EventIndex).unwrap();
        file.execute_batch(
            "INSERT INTO days VALUES (20000, 1, 5);
             ALTER TABLE days DROP COLUMN mark;
             DELETE FROM refinery_schema_history WHERE version = 4;",
        )
        .unwrap();
        assert!(Claim::all(&file).unwrap().is_empty());
        drop(file);
        let file = open_writable(&path, File::EventIndex).unwrap();
        let claims = Claim::all(&file).unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[&20_000].believed(&partition).unwrap(), 1);
    }
}
