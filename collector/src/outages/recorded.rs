//! When each agent recorded something: what nobody recorded, nobody observed.

use std::collections::HashMap;

use kouan_protocol::{AgentId, Batch, BootTime};
use rusqlite::{Transaction, params};

use crate::store::log::{Entry, TimeStatus};
use crate::store::{During as _, StoreError};

/// A running agent records something at least this often: its own figures every fifteen minutes, and most agents much
/// more often. A run that ended tells so with a gap once the next one begins.
pub const PATIENCE_MS: i64 = 16 * 60_000;

/// Stretches of time by agent that are not on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded(HashMap<AgentId, Vec<(i64, i64)>>);

impl Recorded {
    /// Takes the times of a batch.
    pub(super) fn add(&mut self, entry: &Entry, batch: &Batch) {
        // A time that nothing ties to a clock says nothing about when it was.
        if entry.correction.status == TimeStatus::Uncertain {
            return;
        }
        let mut times: Vec<BootTime> = batch.records.iter().map(|record| record.boot_time).collect();
        times.extend(batch.groups.iter().flat_map(|rows| rows.boot_times(&batch.anchor)));
        let (Some(first), Some(last)) = (times.iter().min().copied(), times.iter().max().copied()) else { return };
        let time = |boot_time| entry.correction.time_of(&batch.anchor, boot_time).0;
        let stretches = self.0.entry(entry.agent.clone()).or_default();
        if time(last) - time(first) <= PATIENCE_MS {
            take(stretches, (time(first), time(last)));
            return;
        }
        for boot_time in times {
            take(stretches, (time(boot_time), time(boot_time)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them; to write the same again changes nothing.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        for (agent, stretches) in &self.0 {
            for stretch in stretches {
                write(transaction, agent.as_str(), *stretch).during("write when an agent recorded something")?;
            }
        }
        Ok(())
    }
}

/// Takes a stretch to those that are there, and joins what is not far apart.
fn take(stretches: &mut Vec<(i64, i64)>, (mut from, mut to): (i64, i64)) {
    let near = |other: &(i64, i64)| other.0 <= to + PATIENCE_MS && other.1 >= from - PATIENCE_MS;
    // Most times lie in the only stretch that there is, or right behind it.
    if let [last] = stretches.as_mut_slice()
        && last.0 <= from
        && near(last)
    {
        last.1 = last.1.max(to);
        return;
    }
    let mut joined = true;
    while joined {
        let before = stretches.len();
        stretches.retain(|other| {
            let near = other.0 <= to + PATIENCE_MS && other.1 >= from - PATIENCE_MS;
            if near {
                (from, to) = (from.min(other.0), to.max(other.1));
            }
            !near
        });
        joined = stretches.len() < before;
    }
    stretches.push((from, to));
}

fn write(transaction: &Transaction<'_>, agent: &str, (from, to): (i64, i64)) -> rusqlite::Result<()> {
    let (mut from, mut to) = (from, to);
    loop {
        // What joins may reach others: until nothing more does.
        let near = params![agent, from.saturating_sub(PATIENCE_MS), to.saturating_add(PATIENCE_MS)];
        let found: (Option<i64>, Option<i64>) = transaction
            .prepare_cached(
                "SELECT min(from_ms), max(to_ms) FROM recorded WHERE agent = ?1 AND to_ms >= ?2 AND from_ms <= ?3",
            )?
            .query_row(near, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let wider = (found.0.unwrap_or(from).min(from), found.1.unwrap_or(to).max(to));
        if wider == (from, to) {
            break;
        }
        (from, to) = wider;
    }
    transaction
        .prepare_cached("DELETE FROM recorded WHERE agent = ?1 AND from_ms >= ?2 AND to_ms <= ?3")?
        .execute(params![agent, from, to])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO recorded (agent, from_ms, to_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![agent, from, to])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_far_apart_is_one() {
        let minutes = |from: i64, to: i64| (from * 60_000, to * 60_000);
        let mut stretches = Vec::new();
        for (from, to) in [(0, 5), (15, 20), (60, 61), (100, 120), (30, 30), (45, 45), (200, 201)] {
            take(&mut stretches, minutes(from, to));
        }
        stretches.sort_unstable();
        assert_eq!(stretches, [minutes(0, 61), minutes(100, 120), minutes(200, 201)]);
        take(&mut stretches, minutes(75, 86));
        stretches.sort_unstable();
        assert_eq!(stretches, [minutes(0, 120), minutes(200, 201)]);
    }
}
