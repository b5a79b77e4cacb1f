//! What the reader does about damaged files.

use std::path::Path;

use rusqlite::{OptionalExtension as _, params};
use serde_json::json;
use tracing::{error, warn};

use super::Inner;
use crate::store::{During as _, StoreError};
use crate::telemetry::chunk::Chunk;
use crate::telemetry::mend::{BrokenChunk, Held};
use crate::telemetry::missing::Stretch;
use crate::telemetry::rows::Column;
use crate::telemetry::seal::seal_from;

impl Inner {
    /// Sets aside the files and chunks that somebody found damaged. They are filled again in steps, see `filling`.
    pub(super) fn mend(&mut self) -> Result<(), StoreError> {
        for day in self.files.take_doubts() {
            let set_aside = self.set_day_aside(day);
            set_aside.inspect_err(|_| self.files.doubt_anyway(day))?;
        }
        for path in self.levels.take_doubts() {
            let set_aside = self.set_sums_aside(&path);
            set_aside.inspect_err(|_| self.levels.doubt_anyway(&path))?;
        }
        self.prepare()?;
        for ((day, chunk), stretch) in self.files.missing().take_chunks() {
            if let Err(error) = self.set_chunk_aside(day, chunk, stretch) {
                self.files.doubt(day, &error);
                error!(%error, day, chunk, "A broken chunk could not be set aside; whoever meets it says so again.");
            }
        }
        for day in self.levels.take_doubted_days() {
            // What cannot be made again would be tried at each question.
            if self.files.has(day) && self.sums_made_again.insert(day) {
                self.maker.stop();
                self.maker.doubt(&self.index, day)?;
            }
        }
        Ok(())
    }

    /// Makes the new files of days that were set aside. Nothing may be written to them before they say what they will
    /// be filled with.
    fn prepare(&mut self) -> Result<(), StoreError> {
        while let Some((day, through)) = self.to_prepare.last().copied() {
            let open = self.writing.open(day)?;
            seal_from(&open.conn, through)?;
            open.through = open.through.max(through);
            self.to_prepare.pop();
        }
        Ok(())
    }

    fn set_day_aside(&mut self, day: i64) -> Result<(), StoreError> {
        let path = self.files.path(day);
        if !self.mender.is_damaged(&path, self.clock.boot_time())? {
            return Ok(());
        }
        // A job that goes on would sum up what is left of the day.
        self.maker.stop();
        self.filling.take_if(|filling| filling.is_of(day));
        self.writing.open.remove(&day);
        let summed = self.levels.was_made(day);
        // Entries that the file was ahead with were not taken into memory.
        let through = self.cursor.max(self.ahead.get(&day).copied().unwrap_or(0));
        let was_filling = self.files.missing().is_filling(day);
        self.files.missing().begin_filling(day);
        self.files.begin_writing(day);
        self.files.remove(day);
        let held = Held::Day { day, summed, through };
        let noting = (&mut self.index, self.files.missing());
        let set_aside = self.mender.set_aside(noting, &path, &held, self.clock.wall());
        self.files.end_writing(day);
        if set_aside.is_err() {
            self.files.add(day);
            if !was_filling {
                self.files.missing().end_filling(day);
            }
        }
        set_aside?;
        self.to_prepare.push((day, through));
        self.files.count_set_aside();
        // Events of a new file are numbered from one again.
        self.keeper.forget(day);
        self.pass.touched(&path);
        if summed {
            self.levels.freeze(day);
        }
        Ok(())
    }

    fn set_sums_aside(&mut self, path: &Path) -> Result<(), StoreError> {
        if !self.mender.is_damaged(path, self.clock.boot_time())? {
            return Ok(());
        }
        self.maker.stop();
        self.levels.forget(path);
        // Where readings are gone nothing can make the sums again, also where those of some classes are.
        let is_lost = |day: &i64| !self.files.has(*day) || self.levels.is_frozen(*day) || self.maker.lacks_some(*day);
        let lost = self.levels.days_of(path).into_iter().filter(is_lost).collect();
        let noting = (&mut self.index, self.files.missing());
        self.mender.set_aside(noting, path, &Held::Sums { lost }, self.clock.wall())?;
        self.files.count_set_aside();
        self.pass.touched(path);
        Ok(())
    }

    /// Moves a chunk that does not open out of its day, so that it is told once and not met at every question.
    fn set_chunk_aside(&mut self, day: i64, chunk: i64, stretch: Stretch) -> Result<(), StoreError> {
        if !self.files.has(day) {
            return Ok(());
        }
        let found = self
            .writing
            .partition(day)?
            .prepare_cached(
                "SELECT c.first_entry, c.t_min, c.t_max, c.rows, c.checksum, c.body, g.agent, g.key, g.name, g.site,
                     g.class, l.columns
                 FROM chunks c LEFT JOIN groups g ON g.id = c.group_id LEFT JOIN layouts l ON l.id = c.layout_id
                 WHERE c.id = ?1",
            )
            .and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| {
                    let number = |column| row.get::<_, i64>(column);
                    let text = |column| row.get::<_, Option<String>>(column);
                    let described = json!({
                        "first_entry": number(0)?, "t_min": number(1)?, "t_max": number(2)?, "rows": number(3)?,
                        "checksum": number(4)?, "agent": text(6)?, "key": text(7)?, "group": text(8)?,
                        "site": text(9)?, "class": text(10)?, "layout": text(11)?,
                    });
                    Ok((described, row.get::<_, Vec<u8>>(5)?, number(4)?, text(11)?))
                };
                statement.query_row([chunk], read).optional()
            })
            .during("read a broken chunk")?;
        let Some((described, body, checksum, layout)) = found else { return Ok(()) };
        let layout: Option<Vec<Column>> = layout.and_then(|layout| serde_json::from_str(&layout).ok());
        let opens = |layout: Vec<Column>| Chunk::open(&body).and_then(|chunk| chunk.rows(&layout)).is_ok();
        if i64::from(crc32fast::hash(&body)) == checksum && layout.is_some_and(opens) {
            warn!(day, chunk, "A chunk of the history did not open and was found sound on a second look.");
            return Ok(());
        }
        let path = self.files.path(day);
        let broken = BrokenChunk { id: chunk, described, body };
        let aside = self.mender.keep_chunk(&path, &broken, self.clock.wall())?;
        self.files.missing().note(&self.index, stretch)?;
        self.writing
            .partition(day)?
            .execute("DELETE FROM chunks WHERE id = ?1", params![chunk])
            .during("remove a broken chunk")?;
        self.files.count_set_aside();
        self.pass.touched(&path);
        error!(day, chunk, %aside, "A chunk of the history is broken and was set aside.");
        Ok(())
    }
}
