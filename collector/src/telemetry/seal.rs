//! From memory into a day's partition: sorted chunks, one commit, and small chunks merged into larger ones.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::chunk::{self, Chunk, MOST_ROWS};
use super::head::{Group, HeadDay};
use super::rows::{Column, Rows};
use crate::store::{During as _, StoreError};

/// Chunks with fewer rows are merged ...
const SMALL_ROWS: usize = 2_048;
/// ... once a group has so many of them: each row is then written about twice before it lies in a full chunk.
const SMALL_CHUNKS: usize = 8;
/// The partition's position: rows of entries up to it are in the file.
const THROUGH: &str = "through";
/// The same of rows that are read again after the file was damaged.
const FILLED: &str = "filled";

/// Writes a day's newest rows, unless the partition has them already.
pub(super) fn seal_day(partition: &mut Connection, day: &HeadDay, through: i64) -> Result<(), StoreError> {
    seal(partition, day, THROUGH, through)
}

/// Writes rows that are read again from the log, up to the entry `filled`, unless the partition has them already.
pub(super) fn fill_day(partition: &mut Connection, day: &HeadDay, filled: i64) -> Result<(), StoreError> {
    seal(partition, day, FILLED, filled)
}

/// Up to which entry of the log the partition was filled again.
pub(super) fn filled_through(conn: &Connection) -> Result<i64, StoreError> {
    position(conn, FILLED)
}

/// Says that the partition has, or will be filled with, what came up to that entry of the log.
pub(super) fn seal_from(partition: &Connection, through: i64) -> Result<(), StoreError> {
    partition
        .execute("UPDATE meta SET value = max(value, ?2) WHERE name = ?1", params![THROUGH, through])
        .during("move a partition's position")?;
    Ok(())
}

fn seal(partition: &mut Connection, day: &HeadDay, name: &str, through: i64) -> Result<(), StoreError> {
    let transaction =
        partition.transaction_with_behavior(TransactionBehavior::Immediate).during("begin sealing a partition")?;
    if position(&transaction, name)? >= through {
        return Ok(());
    }
    let mut layouts = HashMap::new();
    for head in day.groups.values() {
        let (rows, first_entry) = {
            let arrived = head.lock_settled();
            (arrived.rows.clone(), arrived.entries.first().copied())
        };
        let Some(first_entry) = first_entry else { continue };
        let group = group_id(&transaction, &head.group)?;
        let layout = layout_id(&transaction, &mut layouts, &head.group.layout)?;
        let place = Place { group, layout, first_entry };
        write(&transaction, place, rows.into_sorted(&head.group.layout), &head.group.layout)?;
        merge_small(&transaction, group, layout, &head.group.layout)?;
    }
    for ((agent, epoch), rows) in &day.counts {
        transaction
            .prepare_cached(
                "INSERT INTO counts (agent, epoch, rows) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            )
            .and_then(|mut statement| statement.execute(params![agent, epoch, *rows as i64]))
            .during("count rows of a partition")?;
    }
    for unopened in &day.unopened {
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO unopened (agent, epoch, from_seq, rows, problem) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut statement| {
                let (from_seq, rows) = (unopened.from_seq as i64, unopened.rows as i64);
                statement.execute(params![unopened.agent, unopened.epoch, from_seq, rows, unopened.problem])
            })
            .during("note rows that did not open")?;
    }
    transaction
        .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![name, through])
        .during("move a partition's position")?;
    transaction.commit().during("commit a partition")
}

/// The last log entry whose rows are in the partition.
pub(super) fn sealed_through(conn: &Connection) -> Result<i64, StoreError> {
    position(conn, THROUGH)
}

fn position(conn: &Connection, name: &str) -> Result<i64, StoreError> {
    let position = conn
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional());
    Ok(position.during("read a partition's position")?.unwrap_or(0))
}

#[derive(Clone, Copy)]
struct Place {
    group: i64,
    layout: i64,
    first_entry: i64,
}

/// The group's number in the file, which gets it if it is new.
pub(super) fn group_id(transaction: &Transaction<'_>, group: &Group) -> Result<i64, StoreError> {
    // The update changes nothing; it makes RETURNING tell the row that is there.
    transaction
        .prepare_cached(
            "INSERT INTO groups (agent, key, name, site, class) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET agent = agent RETURNING id",
        )
        .and_then(|mut statement| {
            let values = params![group.agent, group.key, group.name, group.site, group.class];
            statement.query_row(values, |row| row.get(0))
        })
        .during("name a group in a partition")
}

/// The layout's number in the file, which gets it if it is new.
pub(super) fn layout_id<'l>(
    transaction: &Transaction<'_>,
    known: &mut HashMap<&'l [Column], i64>,
    layout: &'l [Column],
) -> Result<i64, StoreError> {
    if let Some(id) = known.get(layout) {
        return Ok(*id);
    }
    let columns = serde_json::to_string(layout).map_err(StoreError::damaged("a layout"))?;
    let id = transaction
        .prepare_cached(
            "INSERT INTO layouts (columns) VALUES (?1) ON CONFLICT DO UPDATE SET columns = columns RETURNING id",
        )
        .and_then(|mut statement| statement.query_row([columns], |row| row.get(0)))
        .during("keep a layout in a partition")?;
    known.insert(layout, id);
    Ok(id)
}

/// Writes sorted rows as chunks.
fn write(transaction: &Transaction<'_>, place: Place, rows: Rows, layout: &[Column]) -> Result<(), StoreError> {
    if rows.len() <= MOST_ROWS {
        return write_chunk(transaction, place, &rows);
    }
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    // Even parts: a full chunk and a rest of a few rows would be merged again and again.
    let parts = rows.len().div_ceil(MOST_ROWS);
    for part in all.chunks(rows.len().div_ceil(parts)) {
        let mut cut = Rows::new(layout);
        cut.append(&rows, part);
        write_chunk(transaction, place, &cut)?;
    }
    Ok(())
}

fn write_chunk(transaction: &Transaction<'_>, place: Place, rows: &Rows) -> Result<(), StoreError> {
    let (Some(t_min), Some(t_max)) = (rows.times.first(), rows.times.last()) else { return Ok(()) };
    let body = chunk::encode(rows);
    transaction
        .prepare_cached(
            "INSERT INTO chunks (group_id, layout_id, first_entry, t_min, t_max, rows, checksum, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut statement| {
            let checksum = crc32fast::hash(&body);
            let rows = rows.len() as i64;
            statement.execute(params![place.group, place.layout, place.first_entry, t_min, t_max, rows, checksum, body])
        })
        .during("write a chunk")?;
    Ok(())
}

struct Small {
    id: i64,
    first_entry: i64,
    checksum: u32,
    body: Vec<u8>,
}

/// Merges the small chunks of a group, if there are enough. One that does not open stays as it is, for the check to
/// find and for queries to skip.
fn merge_small(transaction: &Transaction<'_>, group: i64, layout: i64, columns: &[Column]) -> Result<(), StoreError> {
    let few: i64 = transaction
        .prepare_cached("SELECT count(*) FROM chunks WHERE group_id = ?1 AND layout_id = ?2 AND rows < ?3")
        .and_then(|mut statement| statement.query_row(params![group, layout, SMALL_ROWS as i64], |row| row.get(0)))
        .during("count small chunks")?;
    if few < SMALL_CHUNKS as i64 {
        return Ok(());
    }
    let small: Vec<Small> = transaction
        .prepare_cached(
            "SELECT id, first_entry, checksum, body FROM chunks WHERE group_id = ?1 AND layout_id = ?2 AND rows < ?3
             ORDER BY first_entry, id",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Small { id: row.get(0)?, first_entry: row.get(1)?, checksum: row.get(2)?, body: row.get(3)? })
            };
            statement.query_map(params![group, layout, SMALL_ROWS as i64], read)?.collect()
        })
        .during("read small chunks")?;
    let mut merged = Rows::new(columns);
    let mut first_entry = None;
    for chunk in &small {
        if crc32fast::hash(&chunk.body) != chunk.checksum {
            continue;
        }
        let Ok(rows) = Chunk::open(&chunk.body).and_then(|open| open.rows(columns)) else { continue };
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        merged.append(&rows, &all);
        first_entry.get_or_insert(chunk.first_entry);
        transaction
            .prepare_cached("DELETE FROM chunks WHERE id = ?1")
            .and_then(|mut statement| statement.execute([chunk.id]))
            .during("remove a merged chunk")?;
    }
    let Some(first_entry) = first_entry else { return Ok(()) };
    write(transaction, Place { group, layout, first_entry }, merged.into_sorted(columns), columns)
}
