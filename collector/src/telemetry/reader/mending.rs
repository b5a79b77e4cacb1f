//! What the reader does about damaged files.

use std::collections::BTreeMap;
use std::path::Path;

use tracing::{error, info};

use super::{EVENT_BYTES, Inner, READING_BYTES, event_rows, seal_day, sealed_through};
use crate::store::StoreError;
use crate::store::log::{EntryKind, FollowLog as _, Page, Wanted};
use crate::telemetry::mend::read_again;
use kouan_protocol::Lane;

impl Inner {
    /// Sets aside the files that somebody found damaged, and reads again what the log still has of them.
    pub(super) fn mend(&mut self) -> Result<(), StoreError> {
        for day in self.files.take_doubts() {
            let set_aside = self.set_day_aside(day);
            set_aside.inspect_err(|_| self.files.doubt_anyway(day))?;
        }
        for path in self.levels.take_doubts() {
            let set_aside = self.set_sums_aside(&path);
            set_aside.inspect_err(|_| self.levels.doubt_anyway(&path))?;
        }
        while let Some(file) = self.mender.next() {
            match file.day {
                Some(day) => self.fill_again(day)?,
                None => {
                    let path = self.writing.folder.join(&file.file);
                    for day in self.levels.days_of(&path) {
                        // Where the readings are gone as well nothing can make the sums again.
                        if self.files.has(day) {
                            self.maker.doubt(&self.index, day)?;
                        }
                    }
                }
            }
            self.mender.done(&self.index, &file)?;
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
        self.writing.open.remove(&day);
        let summed = self.levels.was_made(day);
        self.files.begin_writing(day);
        self.files.remove(day);
        let set_aside = self.mender.set_aside(&self.index, &path, (Some(day), summed), self.clock.wall());
        self.files.end_writing(day);
        if set_aside.is_err() {
            self.files.add(day);
        }
        set_aside?;
        self.files.count_set_aside();
        // Events of a new file are numbered from one again.
        self.keeper.forget(day);
        self.pass.touched(&path);
        self.maker.lost(&self.index, day, summed)
    }

    fn set_sums_aside(&mut self, path: &Path) -> Result<(), StoreError> {
        if !self.mender.is_damaged(path, self.clock.boot_time())? {
            return Ok(());
        }
        self.maker.stop();
        self.levels.forget(path);
        self.mender.set_aside(&self.index, path, (None, false), self.clock.wall())?;
        self.files.count_set_aside();
        self.pass.touched(path);
        Ok(())
    }

    /// Reads what the log still has of a day whose file was set aside.
    fn fill_again(&mut self, day: i64) -> Result<(), StoreError> {
        let has = if self.files.has(day) { sealed_through(self.writing.partition(day)?)? } else { 0 };
        let mut taker = self.taker.anew();
        let (writing, pass, files) = (&mut self.writing, &mut self.pass, &self.files);
        let limits = (READING_BYTES, self.settings.memory_bytes);
        let readings = read_again(&mut self.log, &mut taker, day, (has, self.cursor), limits, |rows, through| {
            pass.touched(&files.path(day));
            seal_day(writing.partition(day)?, rows, through)
        })?;
        let (mut at, mut events) = (0, 0);
        while at < self.events_taken {
            let Page { entries, through } = self.log.after(at, EVENT_BYTES, Wanted::AllButReadings)?;
            at = if entries.is_empty() { self.events_taken } else { through.min(self.events_taken) };
            let mut found = BTreeMap::new();
            let is_event = |kind: EntryKind, lane: u32| kind == EntryKind::Batch && lane == Lane::Events.number();
            for entry in entries.iter().filter(|entry| entry.id <= at && is_event(entry.kind, entry.lane)) {
                event_rows::open(entry, &self.settings.keep_personal_values_at, &mut found);
            }
            if let Some(items) = found.remove(&day) {
                events += items.len();
                self.write_events(day, &items)?;
            }
        }
        if readings == 0 && events == 0 {
            error!(day, "The log has nothing of a damaged day any more; a backup may.");
        } else {
            info!(day, readings, events, "A damaged day was filled again with what the log still had.");
        }
        Ok(())
    }
}
