//! What the history takes on disk.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::mend::set_aside;
use super::{partition_days, partition_path};
use crate::auth::Scope;
use crate::store::{During as _, StoreError, open_read_only};

/// What the history takes on disk, and for which devices.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistorySizes {
    /// The files; empty for whoever may not see all sites.
    pub files: Vec<LevelSizes>,
    /// What readings and sums of each class of devices take, without the rest of their files.
    pub classes: Vec<ClassSizes>,
    /// Files that were damaged and set aside, by name; empty for whoever may not see all sites.
    pub set_aside: Vec<String>,
}

/// The files of a level.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LevelSizes {
    /// `days` (readings and events), `minutes`, `hours`, `events` (what finds events).
    pub level: String,
    /// How many files.
    pub files: u64,
    /// Their bytes, with those that wait beside them (`-wal`).
    pub bytes: u64,
    /// The first and the last of them, by name.
    pub first: Option<String>,
    /// The last of them, by name.
    pub last: Option<String>,
}

/// What a class of devices takes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClassSizes {
    /// The class; empty for devices that no catalogue described.
    pub class: String,
    /// Rows of readings in files; the newest are in memory.
    pub rows: i64,
    /// Chunks of readings.
    pub chunks: i64,
    /// Bytes of readings.
    pub readings: i64,
    /// Bytes of sums over minutes.
    pub minutes: i64,
    /// Bytes of sums over hours.
    pub hours: i64,
}

/// What the history in `folder` takes, of the sites of `scope`; also beside a running collector.
///
/// # Errors
/// When a file cannot be read.
pub fn sizes(folder: &Path, scope: &Scope) -> Result<HistorySizes, StoreError> {
    let mut levels: BTreeMap<&str, LevelSizes> = BTreeMap::new();
    let mut classes: BTreeMap<String, ClassSizes> = BTreeMap::new();
    for day in partition_days(folder)? {
        let path = partition_path(folder, day);
        let sql = "SELECT class, site, sum(rows), sum(chunks), sum(bytes) FROM groups GROUP BY class, site";
        if !still_there(of_groups(
            &path,
            sql,
            scope,
            |conn_row, sizes: &mut ClassSizes| {
                sizes.rows += conn_row.get::<_, i64>(2)?;
                sizes.chunks += conn_row.get::<_, i64>(3)?;
                sizes.readings += conn_row.get::<_, i64>(4)?;
                Ok(())
            },
            &mut classes,
        ))? {
            continue;
        }
        add(&mut levels, "days", &path);
    }
    for level in ["minutes", "hours", "events"] {
        for path in files(folder, level)? {
            let sql = "SELECT class, site, sum(bytes) FROM groups GROUP BY class, site";
            let take = |row: &rusqlite::Row<'_>, sizes: &mut ClassSizes| {
                let bytes: i64 = row.get(2)?;
                if level == "minutes" {
                    sizes.minutes += bytes
                } else {
                    sizes.hours += bytes
                }
                Ok(())
            };
            if level == "events" || still_there(of_groups(&path, sql, scope, take, &mut classes))? {
                add(&mut levels, level, &path);
            }
        }
    }
    let classes = classes.into_values().collect();
    if *scope != Scope::All {
        return Ok(HistorySizes { classes, ..HistorySizes::default() });
    }
    Ok(HistorySizes { files: levels.into_values().collect(), classes, set_aside: set_aside(folder)? })
}

fn of_groups(
    path: &Path,
    sql: &str,
    scope: &Scope,
    mut take: impl FnMut(&rusqlite::Row<'_>, &mut ClassSizes) -> rusqlite::Result<()>,
    classes: &mut BTreeMap<String, ClassSizes>,
) -> Result<(), StoreError> {
    let conn: Connection = open_read_only(path)?;
    let mut statement = conn.prepare(sql).during("read the sizes of a file")?;
    let mut rows = statement.query([]).during("read the sizes of a file")?;
    while let Some(row) = rows.next().during("read the sizes of a file")? {
        let (class, site): (String, String) =
            row.get(0).and_then(|class| Ok((class, row.get(1)?))).during("read the sizes of a file")?;
        if scope.covers(&site) {
            let sizes = classes.entry(class.clone()).or_insert_with(|| ClassSizes { class, ..ClassSizes::default() });
            take(row, sizes).during("read the sizes of a file")?;
        }
    }
    Ok(())
}

/// A file may be deleted while the list is read. One that is damaged is not told: its writer finds it and sets it aside.
fn still_there(read: Result<(), StoreError>) -> Result<bool, StoreError> {
    match read {
        Ok(()) => Ok(true),
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.is_damage() => Ok(false),
        Err(error) => Err(error),
    }
}

fn files(folder: &Path, level: &str) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_prefix(level).is_some_and(|rest| rest.starts_with('-')) && name.ends_with(".db") {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn add<'l>(levels: &mut BTreeMap<&'l str, LevelSizes>, level: &'l str, path: &Path) {
    let sizes = levels.entry(level).or_insert_with(|| LevelSizes { level: level.to_owned(), ..LevelSizes::default() });
    let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    sizes.files += 1;
    sizes.bytes += length(path) + length(Path::new(&log));
    if sizes.first.is_none() {
        sizes.first.clone_from(&name);
    }
    sizes.last = name;
}
