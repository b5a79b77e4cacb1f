//! Putting the parts of a month that is over into one.

use rusqlite::{Connection, TransactionBehavior, params};

use super::files::PARTS;
use super::keys::BITS;
use crate::store::{During as _, StoreError};

/// The part of a whole month.
pub(super) const WHOLE: i64 = 99;
/// Steps in which a month is put together; what other readers wait for is one step.
const SLICES: i64 = 256;
const SLICE_BITS: u32 = BITS - 8;
/// Rows that are moved in one commit, to the end of a slice.
const ROWS: usize = 10_000;

/// How far a month is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled(i64);

impl Settled {
    pub(super) fn read(file: &Connection) -> Result<Self, StoreError> {
        let slices = file
            .prepare_cached("SELECT slices FROM settled")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .during("read how far an index of events is put together")?;
        Ok(Self(slices))
    }

    /// Whether all of it is in one part.
    pub(super) fn is_whole(self) -> bool {
        self.0 >= SLICES
    }

    /// Where a key of a day of `part` stands.
    pub(super) fn part_of(self, part: i64, key: i64) -> i64 {
        if key >> SLICE_BITS < self.0 { WHOLE } else { part }
    }

    /// Where keys of days of these parts may stand.
    pub(super) fn parts(self, mut parts: Vec<i64>) -> Vec<i64> {
        if self.is_whole() {
            return vec![WHOLE];
        }
        if self.0 > 0 {
            parts.push(WHOLE);
        }
        parts
    }
}

/// Puts the next slices together, in one commit. Returns whether that was the end.
pub(super) fn settle_slice(file: &mut Connection) -> Result<bool, StoreError> {
    let settling = "put an index of events together";
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate).during(settling)?;
    let settled = Settled::read(&transaction)?;
    if settled.is_whole() {
        return Ok(true);
    }
    let parts: Vec<String> = (0..PARTS).map(|part| part.to_string()).collect();
    let slice = format!("WHERE part IN ({}) AND hash >= ?1 AND hash < ?2", parts.join(", "));
    let copy = format!(
        "INSERT OR IGNORE INTO lookup (part, hash, time_ms, id)
         SELECT {WHOLE}, hash, time_ms, id FROM lookup {slice} ORDER BY hash, time_ms, id"
    );
    let delete = format!("DELETE FROM lookup {slice}");
    let (mut slices, mut moved) = (settled.0, 0);
    while slices < SLICES && moved < ROWS {
        let bounds = [slices << SLICE_BITS, (slices + 1) << SLICE_BITS];
        moved +=
            transaction.prepare_cached(&copy).and_then(|mut statement| statement.execute(bounds)).during(settling)?;
        transaction.prepare_cached(&delete).and_then(|mut statement| statement.execute(bounds)).during(settling)?;
        slices += 1;
    }
    transaction.execute("UPDATE settled SET slices = ?1", params![slices]).during(settling)?;
    transaction.commit().during(settling)?;
    Ok(Settled(slices).is_whole())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    #[test]
    fn a_month_is_put_together_slice_by_slice_and_every_key_is_found_at_any_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = open_writable(&folder.path().join("events-2026-11.db"), File::EventIndex).unwrap();
        let keys: Vec<i64> = (0..2_000_i64).map(|at| (at * 0x5851_F42D_4C95) & ((1 << BITS) - 1)).collect();
        for (at, key) in keys.iter().enumerate() {
            let at = at as i64;
            file.execute("INSERT INTO lookup VALUES (?1, ?2, ?3, ?4)", [at % PARTS, *key, at, at]).unwrap();
        }
        let mut done = false;
        while !done {
            done = settle_slice(&mut file).unwrap();
            let settled = Settled::read(&file).unwrap();
            for (at, key) in keys.iter().enumerate().step_by(97) {
                let part = settled.part_of(at as i64 % PARTS, *key);
                assert!(settled.parts(vec![at as i64 % PARTS]).contains(&part));
                let sql = "SELECT count(*) FROM lookup WHERE part = ?1 AND hash = ?2 AND id = ?3";
                let found: i64 = file.query_row(sql, [part, *key, at as i64], |row| row.get(0)).unwrap();
                assert_eq!(found, 1);
            }
        }
        let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM lookup WHERE part = 99"), 2_000);
        assert_eq!(count("SELECT count(*) FROM lookup"), 2_000);
        assert!(settle_slice(&mut file).unwrap());
    }
}
