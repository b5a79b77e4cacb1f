//! Filling days whose file was damaged with what the ingest log still has of them, a little with every step.
//!
//! The day's new file takes what arrives from then on at once, so two positions stand in it: up to where it was filled,
//! and up to where new rows were sealed. Each moves in the commit that writes the rows, so that a program that is killed
//! goes on where it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kouan_protocol::{BootTime, Lane, Timestamp};
use tracing::{error, info, warn};

use super::{Inner, READING_BYTES, event_rows};
use crate::store::StoreError;
use crate::store::log::{EntryKind, FollowLog as _, Page, Wanted};
use crate::telemetry::head::{Head, HeadDay};
use crate::telemetry::mend::{Filled, SetAside};
use crate::telemetry::seal::{fill_day, filled_through};
use crate::telemetry::take::Taker;

/// How long one step fills: new readings wait meanwhile.
const SLICE: Duration = Duration::from_millis(20);
/// Memory of rows that wait to be written.
const MEMORY: usize = 8 << 20;
/// After a failure it waits so long.
const PAUSE_MS: u64 = 10_000;

/// A day that is being filled.
pub(super) struct Filling {
    file: SetAside,
    day: i64,
    taker: Taker,
    head: Head,
    /// Entries up to this one have been read.
    at: i64,
    /// Up to this one they will be.
    last: i64,
    readings: u64,
    events: usize,
}

impl Filling {
    /// Whether it fills that day.
    pub(super) fn is_of(&self, day: i64) -> bool {
        self.day == day
    }
}

impl Inner {
    /// Fills a little. Returns whether there is more. What goes wrong is told and tried later: new readings matter more.
    pub(super) fn fill(&mut self, now: BootTime) -> bool {
        if self.filling_paused.is_some_and(|since| now.since_ms(since) < PAUSE_MS) {
            return false;
        }
        self.filling_paused = None;
        let filling = match self.filling.take() {
            Some(filling) => Ok(Some(filling)),
            None => self.next_to_fill(),
        };
        let filled = filling.and_then(|filling| {
            let Some(mut filling) = filling else { return Ok(false) };
            if self.fill_slice(&mut filling)? {
                self.end_filling(&filling)?;
            } else {
                self.filling = Some(filling);
            }
            Ok(true)
        });
        filled.unwrap_or_else(|error| {
            error!(%error, "A damaged part of the history could not be made again; it is tried later.");
            self.filling_paused = Some(now);
            false
        })
    }

    fn next_to_fill(&mut self) -> Result<Option<Filling>, StoreError> {
        while let Some(file) = self.mender.next() {
            if let Some(day) = file.day {
                let at = filled_through(self.writing.partition(day)?)?;
                // What was written of events since the last seal was in the old file as well.
                let last = file.through.max(self.events_taken);
                let (taker, head) = (self.taker.anew(), Head::default());
                return Ok(Some(Filling { file, day, taker, head, at, last, readings: 0, events: 0 }));
            }
            let path = self.writing.folder.join(&file.file);
            for day in self.levels.days_of(&path) {
                if self.files.has(day) {
                    self.maker.doubt(&self.index, day)?;
                }
            }
            self.mender.done((&mut self.index, self.files.missing()), &file)?;
        }
        Ok(None)
    }

    /// Reads pages of the log for a while. Returns whether it is through.
    fn fill_slice(&mut self, filling: &mut Filling) -> Result<bool, StoreError> {
        let started = Instant::now();
        let page_bytes = READING_BYTES.min(self.settings.memory_bytes);
        while started.elapsed() < SLICE {
            self.note_what_is_gone(filling)?;
            let Page { mut entries, through } = self.log.after(filling.at, page_bytes, Wanted::All)?;
            // Behind a page without entries there is nothing.
            let at = if entries.is_empty() { filling.last } else { through.min(filling.last) };
            entries.retain(|entry| entry.id <= at && entry.kind == EntryKind::Batch);
            let (day, mut events) = (filling.day, BTreeMap::new());
            for entry in &entries {
                if entry.lane == Lane::Events.number() {
                    event_rows::open(entry, &self.settings.keep_personal_values_at, &mut events);
                } else if entry.lane == Lane::Readings.number() && entry.id <= filling.file.through {
                    filling.taker.take(&mut self.log, &filling.head, entry, |of| Ok(of == day))?;
                }
            }
            if let Some(items) = events.remove(&day) {
                // Those that are there already stay: they have their keys.
                self.write_events(day, &items)?;
                filling.events += items.len();
            }
            filling.taker.account(&filling.head, at);
            filling.at = at;
            let is_through = at >= filling.last;
            if is_through || filling.head.bytes() >= self.settings.memory_bytes.min(MEMORY) {
                self.write_filled(filling)?;
                return Ok(is_through);
            }
        }
        Ok(false)
    }

    fn write_filled(&mut self, filling: &mut Filling) -> Result<(), StoreError> {
        let (day, empty) = (filling.day, HeadDay::default());
        let generation = filling.head.begin_seal();
        filling.taker.begin_anew();
        let rows = generation.days.get(&day).unwrap_or(&empty);
        self.pass.touched(&self.files.path(day));
        let written = fill_day(self.writing.partition(day)?, rows, filling.at.min(filling.file.through));
        written.inspect_err(|error| self.files.doubt(day, error))?;
        filling.readings += rows.counts.values().sum::<u64>();
        filling.head.end_seal();
        Ok(())
    }

    /// Notes until when what arrived was removed from the log before it could be read again.
    fn note_what_is_gone(&mut self, filling: &mut Filling) -> Result<(), StoreError> {
        if filling.at >= filling.last {
            return Ok(());
        }
        let lost_to: Timestamp = match self.log.oldest()? {
            Some((id, _)) if id <= filling.at + 1 => return Ok(()),
            Some((_, received)) => received,
            None => self.clock.wall(),
        };
        if filling.file.lost_to_ms.is_none_or(|known| known < lost_to.0) {
            self.mender.lost(&self.index, &filling.file, lost_to)?;
            filling.file.lost_to_ms = Some(lost_to.0);
        }
        Ok(())
    }

    fn end_filling(&mut self, filling: &Filling) -> Result<(), StoreError> {
        let Filling { file, day, readings, events, .. } = filling;
        let filled = self.mender.done((&mut self.index, self.files.missing()), file)?;
        match filled {
            Filled::Whole => {
                self.maker.stop();
                self.levels.thaw(*day);
                info!(day, readings, events, "A damaged day was filled again with everything that it held.");
            }
            Filled::From(_) if *readings == 0 && *events == 0 => {
                error!(day, "The log has nothing of a damaged day any more; a backup may.");
            }
            Filled::From(from_ms) => {
                warn!(day, from_ms, readings, events, "A damaged day was filled again with what the log still had.");
            }
        }
        if !self.mender.is_waiting(*day) {
            self.files.missing().end_filling(*day);
        }
        Ok(())
    }
}
