//! Looking through the files for what is too old, from time to time and a few files at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kouan_protocol::{Anchor, BootTime};
use rusqlite::Connection;
use tracing::info;

use super::clock::BelievedClock;
use super::keep::{Level, Retention};
use super::shrink::{self, Gone};
use super::{days, levels};
use crate::store::{During as _, StoreError};
use crate::telemetry::day_of;
use crate::telemetry::partition::delete_file;
use crate::telemetry::partitions::{Partitions, WriteMark};
use crate::telemetry::rollup::Levels;

/// How often old files are looked for.
const EVERY_MS: u64 = 3_600_000;
/// Files that one step changes at most: the log waits meanwhile.
const FILES: usize = 4;

/// The files as their owner hands them over.
pub(in crate::telemetry) struct Files<'f> {
    pub(in crate::telemetry) index: &'f mut Connection,
    pub(in crate::telemetry) partitions: &'f Arc<Partitions>,
    pub(in crate::telemetry) levels: &'f Levels,
    pub(in crate::telemetry) folder: &'f Path,
}

/// What of a file is too old, by the settings and a date alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expired {
    /// Classes with a line of their own, and whether what they brought is too old.
    classes: Vec<(String, bool)>,
    others: bool,
    events: bool,
}

impl Expired {
    fn class(&self, class: &str) -> bool {
        self.classes.iter().find(|(own, _)| own == class).map_or(self.others, |(_, expired)| *expired)
    }
}

/// Deletes what is too old.
#[derive(Debug)]
pub(in crate::telemetry) struct Pass {
    clock: BelievedClock,
    looked_at: Option<BootTime>,
    /// The day by which it looked last.
    today: Option<i64>,
    /// What files do not hold any more, as long as nothing is written to them.
    shrunk: HashMap<PathBuf, Expired>,
}

impl Pass {
    /// As it was left.
    pub(in crate::telemetry) fn open(index: &Connection, now: BootTime) -> Result<Self, StoreError> {
        Ok(Self { clock: BelievedClock::open(index, now)?, looked_at: None, today: None, shrunk: HashMap::new() })
    }

    /// Whether it is time.
    pub(in crate::telemetry) fn is_due(&self, retention: &Retention, now: BootTime) -> bool {
        !retention.is_for_ever() && self.looked_at.is_none_or(|at| now.since_ms(at) >= EVERY_MS)
    }

    /// Since which day readings are kept, and sums, of any class; `None` is for ever.
    pub(in crate::telemetry) fn kept_since(&self, retention: &Retention) -> (Option<i64>, Option<i64>) {
        let since = |kept: Option<i64>| Some(self.today? - kept?);
        let [readings, minutes, hours] =
            [Level::Readings, Level::Minutes, Level::Hours].map(|level| since(retention.longest(level)));
        (readings, minutes.zip(hours).map(|(minutes, hours)| minutes.min(hours)))
    }

    /// The file is written to: what is too old may be in it again.
    pub(in crate::telemetry) fn touched(&mut self, path: &Path) {
        self.shrunk.remove(path);
    }

    /// Deletes from a few files. Every entry of the log that they hold rows of must be behind the history's cursor.
    /// `closing` is told each day before its file goes. Returns whether there may be more to do at once.
    pub(in crate::telemetry) fn step(
        &mut self,
        mut files: Files<'_>,
        retention: &Retention,
        now: &Anchor,
        mut closing: impl FnMut(i64),
    ) -> Result<bool, StoreError> {
        let mut left = FILES;
        if let Some(believed) = self.clock.look(files.index, now)? {
            let today = day_of(believed);
            self.today = Some(today);
            self.days(&mut files, retention, today, &mut left, &mut closing)?;
            for (level, prefix) in [(Level::Minutes, "minutes-"), (Level::Hours, "hours-")] {
                self.sums(&files, retention, (level, prefix), today, &mut left)?;
            }
        }
        if left == 0 {
            return Ok(true);
        }
        self.looked_at = Some(now.boot_time);
        Ok(false)
    }

    fn days(
        &mut self,
        files: &mut Files<'_>,
        retention: &Retention,
        today: i64,
        left: &mut usize,
        closing: &mut impl FnMut(i64),
    ) -> Result<(), StoreError> {
        let events = retention.of_events();
        let Some(shortest) = retention.shortest(Level::Readings).into_iter().chain(events).min() else { return Ok(()) };
        let longest = retention.longest(Level::Readings).zip(events).map(|(readings, events)| readings.max(events));
        for day in files.partitions.within(i64::MIN, today - shortest - 1) {
            let (age, path) = (today - day, files.partitions.path(day));
            let is_over = |kept: Option<i64>| kept.is_some_and(|kept| age > kept);
            if *left == 0 {
                return Ok(());
            }
            if is_over(longest) {
                self.delete_day(files, day, closing)?;
                *left -= 1;
                continue;
            }
            let of_class = |class: &String| (class.clone(), is_over(retention.of_class(Level::Readings, class)));
            let expired = Expired {
                classes: retention.classes.keys().map(of_class).collect(),
                others: is_over(retention.days),
                events: is_over(events),
            };
            if self.shrunk.get(&path) == Some(&expired) {
                continue;
            }
            let look = |conn: &Connection| Ok((gone(conn, &expired)?, shrink::has_free_pages(conn)?));
            let Some((gone, has_free_pages)) = files.partitions.read(day, look)? else { continue };
            if gone != Gone::default() || has_free_pages {
                let _mark = WriteMark::new(files.partitions, day);
                shrink::day(&path, &gone).inspect_err(|error| files.partitions.doubt(day, error))?;
                if gone.events {
                    // Their index says what stood in them.
                    closing(day);
                }
                info!(day, classes = gone.classes.join(","), events = gone.events, "A day of the history is shorter.");
                *left -= 1;
            }
            if files.partitions.read(day, is_empty)?.unwrap_or(false) {
                self.delete_day(files, day, closing)?;
                continue;
            }
            self.shrunk.insert(path, expired);
        }
        Ok(())
    }

    fn delete_day(&mut self, files: &mut Files<'_>, day: i64, closing: &mut impl FnMut(i64)) -> Result<(), StoreError> {
        // One that is damaged is set aside, not deleted.
        let Some(counts) = files.partitions.read(day, days::counts)? else { return Ok(()) };
        days::note(files.index, day, &counts)?;
        closing(day);
        files.partitions.remove(day);
        days::finish_one(files.index, files.folder, day)?;
        self.shrunk.remove(&files.partitions.path(day));
        info!(day, "A day of the history was old enough and was deleted.");
        Ok(())
    }

    fn sums(
        &mut self,
        files: &Files<'_>,
        retention: &Retention,
        (level, prefix): (Level, &str),
        today: i64,
        left: &mut usize,
    ) -> Result<(), StoreError> {
        if retention.shortest(level).is_none() {
            return Ok(());
        }
        for (path, last_day) in levels::files(files.folder, prefix)? {
            let is_over = |kept: Option<i64>| kept.is_some_and(|kept| last_day + kept < today);
            if *left == 0 {
                return Ok(());
            }
            if is_over(retention.longest(level)) {
                files.levels.forget(&path);
                delete_file(&path)?;
                self.shrunk.remove(&path);
                info!(file = %path.display(), "Sums of the history were old enough and were deleted.");
                *left -= 1;
                continue;
            }
            let of_class = |class: &String| (class.clone(), is_over(retention.of_class(level, class)));
            let expired = Expired {
                classes: retention.classes.keys().map(of_class).collect(),
                others: is_over(retention.of_class(level, "")),
                events: false,
            };
            if self.shrunk.get(&path) == Some(&expired) {
                continue;
            }
            let look = |conn: &Connection| Ok((classes(conn, &expired)?, shrink::has_free_pages(conn)?));
            let Some((gone, has_free_pages)) = files.levels.read(&path, look)? else { continue };
            if !gone.is_empty() || has_free_pages {
                shrink::sums(&path, &gone).inspect_err(|error| files.levels.doubt(&path, error))?;
                info!(file = %path.display(), classes = gone.join(","), "Sums of the history are shorter.");
                *left -= 1;
            }
            self.shrunk.insert(path, expired);
        }
        Ok(())
    }
}

/// The classes of the file that are too old.
fn classes(conn: &Connection, expired: &Expired) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = conn
        .prepare_cached("SELECT DISTINCT class FROM groups ORDER BY class")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("list the classes of a file")?;
    found.retain(|class| expired.class(class));
    Ok(found)
}

fn gone(conn: &Connection, expired: &Expired) -> Result<Gone, StoreError> {
    let has_events = || {
        conn.query_row("SELECT EXISTS (SELECT 1 FROM events)", [], |row| row.get(0)).during("look for a day's events")
    };
    Ok(Gone { classes: classes(conn, expired)?, events: expired.events && has_events()? })
}

fn is_empty(conn: &Connection) -> Result<bool, StoreError> {
    conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM chunks) AND NOT EXISTS (SELECT 1 FROM events)", [], |row| {
        row.get(0)
    })
    .during("look whether a day holds anything")
}
