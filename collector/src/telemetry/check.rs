//! Reading every chunk of the history and every sum, to find what is broken before somebody needs it.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::chunk::Chunk;
use super::integers::Malformed;
use super::mend::set_aside;
use super::rows::Column;
use super::{partition_days, partition_path, rollup, samples};
use crate::store::{During as _, StoreError, open_read_only};

/// What was found.
#[derive(Debug, Default, Clone, Serialize)]
pub struct HistoryReport {
    /// Files of days that were read.
    pub days: usize,
    /// Chunks that were opened.
    pub chunks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Sums that were opened: one for each group and day of a level.
    pub sums: u64,
    /// Bytes of chunks by class of device.
    pub bytes_by_class: std::collections::BTreeMap<String, u64>,
    /// Files that were damaged and set aside: nobody reads them.
    pub set_aside: Vec<String>,
    /// What is broken, in words.
    pub problems: Vec<String>,
}

/// Reads all of the history in `folder`; also beside a running collector.
///
/// # Errors
/// When the folder cannot be listed. A file that cannot be read is a problem of the report.
pub fn check(folder: &Path) -> Result<HistoryReport, StoreError> {
    let mut report = HistoryReport { set_aside: set_aside(folder)?, ..HistoryReport::default() };
    for day in partition_days(folder)? {
        let path = partition_path(folder, day);
        if let Err(error) = check_day(&path, &mut report) {
            report.problems.push(format!("{}: {error}", path.display()));
        }
        report.days += 1;
    }
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_sums = name.starts_with("hours-") || name.starts_with("minutes-");
        if is_sums
            && name.ends_with(".db")
            && let Err(error) = check_sums(&path, &mut report)
        {
            report.problems.push(format!("{}: {error}", path.display()));
        }
    }
    Ok(report)
}

fn check_day(path: &Path, report: &mut HistoryReport) -> Result<(), StoreError> {
    let mut conn = open_read_only(path)?;
    let conn = conn.transaction().during("read a partition at one instant")?;
    let mut layouts = HashMap::new();
    let mut statement = conn
        .prepare(
            "SELECT c.id, c.layout_id, c.t_min, c.t_max, c.rows, c.checksum, c.body, g.class
             FROM chunks c LEFT JOIN groups g ON g.id = c.group_id",
        )
        .during("read chunks")?;
    let mut rows = statement.query([]).during("read chunks")?;
    let mut of_day = 0;
    while let Some(row) = rows.next().during("read chunks")? {
        let (id, layout_id, checksum): (i64, i64, i64) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(5)?)))().during("read chunks")?;
        let bounds: (i64, i64, i64) = (|| Ok((row.get(2)?, row.get(3)?, row.get(4)?)))().during("read chunks")?;
        let class: Option<String> = row.get(7).during("read chunks")?;
        let body = row.get_ref(6).and_then(|body| Ok(body.as_blob()?)).during("read chunks")?;
        let layout = layout_of(&conn, &mut layouts, layout_id)?;
        let is_sound = match class {
            None => Err(Malformed("its group is missing")),
            Some(class) => {
                *report.bytes_by_class.entry(class).or_default() += body.len() as u64;
                layout.and_then(|layout| check_chunk(body, checksum, bounds, layout))
            }
        };
        match is_sound {
            Ok(()) => of_day += bounds.2,
            Err(problem) => report.problems.push(format!("{}: chunk {id}: {problem}", path.display())),
        }
        report.chunks += 1;
    }
    report.rows += of_day.unsigned_abs();
    let (counted, unopened): (i64, i64) = conn
        .query_row(
            "SELECT (SELECT coalesce(sum(rows), 0) FROM counts), (SELECT coalesce(sum(rows), 0) FROM unopened)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("read what a partition accounts for")?;
    // Rows that repeat another are counted and not kept, so there may be fewer, never more.
    if of_day + unopened > counted {
        let problem = format!("it holds {of_day} rows and accounts for {}", counted - unopened);
        report.problems.push(format!("{}: {problem}", path.display()));
    }
    Ok(())
}

fn layout_of<'l>(
    conn: &Connection,
    known: &'l mut HashMap<i64, Option<Vec<Column>>>,
    id: i64,
) -> Result<Result<&'l [Column], Malformed>, StoreError> {
    let layout = match known.entry(id) {
        std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::hash_map::Entry::Vacant(new) => new.insert(samples::layout(conn, id)?),
    };
    Ok(layout.as_deref().ok_or(Malformed("its layout does not read")))
}

fn check_chunk(
    body: &[u8],
    checksum: i64,
    (t_min, t_max, count): (i64, i64, i64),
    layout: &[Column],
) -> Result<(), Malformed> {
    if i64::from(crc32fast::hash(body)) != checksum {
        return Err(Malformed("its checksum is wrong"));
    }
    let rows = Chunk::open(body)?.rows(layout)?;
    if rows.len() as i64 != count {
        return Err(Malformed("it holds more or fewer rows than its entry says"));
    }
    if rows.times.first() != Some(&t_min) || rows.times.last() != Some(&t_max) || !rows.times.is_sorted() {
        return Err(Malformed("its times are not those that its entry says"));
    }
    Ok(())
}

fn check_sums(path: &Path, report: &mut HistoryReport) -> Result<(), StoreError> {
    let mut conn = open_read_only(path)?;
    let conn = conn.transaction().during("read sums at one instant")?;
    let mut layouts = HashMap::new();
    let mut statement =
        conn.prepare("SELECT group_id, day, layout_id, checksum, body FROM windows").during("read sums")?;
    let mut rows = statement.query([]).during("read sums")?;
    while let Some(row) = rows.next().during("read sums")? {
        let (group, day, layout_id, checksum): (i64, i64, i64, i64) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))().during("read sums")?;
        let body = row.get_ref(4).and_then(|body| Ok(body.as_blob()?)).during("read sums")?;
        let opened = layout_of(&conn, &mut layouts, layout_id)?.and_then(|layout| {
            match i64::from(crc32fast::hash(body)) == checksum {
                true => rollup::check(body, layout.len()),
                false => Err(Malformed("their checksum is wrong")),
            }
        });
        if let Err(problem) = opened {
            report.problems.push(format!("{}: sums of group {group}, day {day}: {problem}", path.display()));
        }
        report.sums += 1;
    }
    Ok(())
}
