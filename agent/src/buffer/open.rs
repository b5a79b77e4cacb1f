//! Opening both files: what can be used is used, what is malformed is moved aside, what the disk refuses is left alone.

use std::path::Path;

use kouan_protocol::{Anchor, GapReason, Lane, Timestamp};
use kouan_settings::both;
use tracing::error;

use super::absence::{self, Absence};
use super::board::{Board, FileState};
use super::catalogues;
use super::check;
use super::epoch::{self, LaneMark};
use super::error::BufferError;
use super::file::{DurableFile, Room, at, forget_given_up, given_up_since, move_aside};
use super::gap;
use super::lanes::{self, append_gap, gap_of, lane_state};
use super::pause::{self, Pause};
use super::records::LANES;
use super::trouble::Trouble;

/// Both files, ready for their writers.
pub(super) struct Opened {
    pub(super) urgent: DurableFile,
    pub(super) readings: DurableFile,
    /// What an earlier run could not tell of.
    pub(super) pause: Option<Pause>,
    /// What the readings lack since the last run.
    pub(super) absence: Option<Absence>,
    /// Whether a file holds something of an earlier run, which is worth checking.
    pub(super) checks: [bool; 2],
}

/// A file, and whether the one before it was lost.
struct Found {
    file: DurableFile,
    lost: bool,
}

/// Opens `urgent.db` and `readings.db`, in this order.
pub(super) fn files(
    paths: [&Path; 2],
    rooms: [Room; 2],
    anchor: &Anchor,
    board: &Board,
) -> Result<Opened, BufferError> {
    let were_there = paths.map(check::is_there);
    let mut urgent = open(paths[0], rooms[0], &LANES, anchor)?;
    let mut readings = open(paths[1], rooms[1], &[Lane::Readings], anchor)?;
    let of_urgent = LANES.map(|lane| mark(&readings, lane));
    let of_readings = mark(&urgent, Lane::Readings);
    begin(&mut urgent, &LANES, &of_urgent, anchor)?;
    let missing = readings.file.read(|connection| absence::before_start(connection, anchor));
    let missing = missing.map_err(at(paths[1], "looking at the last run's end"))?;
    let told = begin(&mut readings, &[Lane::Readings], &[of_readings], anchor)?;
    let pause = left_pause(&mut urgent.file, &readings.file)?;
    // A gap that says more than that stands for it.
    let absence = missing.filter(|_| !told && pause.is_none());
    let checks = [0, 1].map(|at| {
        let found = [&urgent, &readings][at];
        were_there[at] && !found.lost && !found.file.is_volatile()
    });
    let state = |found: &Found| if found.file.is_volatile() { FileState::Volatile } else { FileState::Durable };
    board.change_condition(|condition| {
        condition.urgent = state(&urgent);
        condition.readings = state(&readings);
        condition.moved_aside = u32::from(urgent.lost) + u32::from(readings.lost);
        if condition.is_volatile() || condition.readings == FileState::Volatile {
            condition.say(both!("the disk refused when the agent started", "代理启动时磁盘拒绝写入"));
        }
    });
    Ok(Opened { urgent: urgent.file, readings: readings.file, pause, absence, checks })
}

fn open(path: &Path, room: Room, lanes: &[Lane], anchor: &Anchor) -> Result<Found, BufferError> {
    let attempt = || {
        let file = DurableFile::open(path, room, lanes::migrate)?;
        // A file whose lanes cannot be read is malformed, whatever else is right in it; one without lanes is new.
        let readable = |connection: &rusqlite::Connection| {
            let known: i64 = connection.query_row("SELECT COUNT(*) FROM lane", [], |row| row.get(0))?;
            pause::left(connection)?;
            pause::told(connection)?;
            catalogues::catalogues(connection)?;
            for lane in lanes.iter().filter(|_| known > 0) {
                lane_state(connection, *lane)?;
                gap::is_open(connection, *lane)?;
                lanes::oldest(connection, *lane)?;
            }
            given_up_since(connection).map(|_| ())
        };
        file.read(readable).map_err(at(path, "reading the lanes"))?;
        Ok(file)
    };
    let problem: BufferError = match attempt() {
        Ok(file) => return Ok(Found { file, lost: false }),
        Err(problem) => problem,
    };
    match problem.trouble() {
        Trouble::Damaged => {
            error!(error = %problem, "A file of the buffer is malformed.");
            move_aside(path, anchor.wall)?;
            Ok(Found { file: DurableFile::open(path, room, lanes::migrate)?, lost: true })
        }
        Trouble::Refused => {
            error!(error = %problem, "The disk refuses; the lanes of this file are in memory until the next start.");
            Ok(Found { file: DurableFile::in_memory(path, lanes::migrate)?, lost: false })
        }
        Trouble::Full | Trouble::Passing => Err(problem),
    }
}

fn mark(found: &Found, lane: Lane) -> Option<LaneMark> {
    found.file.read(|connection| epoch::mark(connection, lane)).ok().flatten()
}

/// Makes sure that the lanes are there. The first word of a file that follows a lost one is what is known of that, and
/// one that was given up tells since when it lacks what happened. Says whether anything was told.
fn begin(found: &mut Found, lanes: &[Lane], marks: &[Option<LaneMark>], anchor: &Anchor) -> Result<bool, BufferError> {
    let known: i64 = found
        .file
        .read(|connection| connection.query_row("SELECT COUNT(*) FROM lane", [], |row| row.get(0)))
        .map_err(at(found.file.path(), "looking for the lanes"))?;
    let since = found.file.read(given_up_since).map_err(at(found.file.path(), "looking at the file's state"))?;
    if known > 0 {
        let Some(since) = since else { return Ok(false) };
        return tell_since(&mut found.file, lanes, since, anchor);
    }
    let lost = found.lost;
    let path = found.file.path().to_owned();
    let begun = found.file.write(true, |tx| {
        lanes::create(tx, lanes)?;
        absence::set_kept(tx, anchor.wall)?;
        for (lane, mark) in lanes.iter().zip(marks) {
            if lost {
                epoch::tell_of_lost_file(tx, *lane, *mark, *anchor)?;
            }
        }
        Ok(())
    });
    begun.map_err(at(&path, "creating the lanes"))?;
    Ok(lost)
}

/// An earlier run gave the file up. The first word after that is since when the file lacks what happened.
fn tell_since(file: &mut DurableFile, lanes: &[Lane], since: Timestamp, anchor: &Anchor) -> Result<bool, BufferError> {
    let told = file.write(true, |tx| {
        for lane in lanes {
            let reason = if *lane == Lane::Readings { GapReason::Damaged } else { GapReason::Volatile };
            append_gap(tx, *lane, *anchor, gap_of(reason, 0, since, anchor.wall.max(since)), false)?;
        }
        absence::set_kept(tx, anchor.wall)?;
        forget_given_up(tx)
    });
    let Err(cause) = told else { return Ok(true) };
    let trouble = Trouble::of(&cause);
    error!(file = %file.path().display(), error = %cause, "What was not kept earlier cannot be told yet.");
    if matches!(trouble, Trouble::Refused | Trouble::Damaged) {
        file.abandon(since)?;
        let path = file.path().to_owned();
        file.write(true, |tx| lanes::create(tx, lanes)).map_err(at(&path, "creating the lanes in memory"))?;
    }
    Ok(false)
}

/// The pause that an earlier run left, unless the gap that tells of it was already written.
fn left_pause(urgent: &mut DurableFile, readings: &DurableFile) -> Result<Option<Pause>, BufferError> {
    let path = urgent.path().to_owned();
    let Some(left) = urgent.read(pause::left).map_err(at(&path, "reading the pause"))? else { return Ok(None) };
    let told = readings.read(pause::told).map_err(at(readings.path(), "reading the pause"))?;
    if told != Some(left.id()) {
        return Ok(Some(left));
    }
    urgent.write(false, |tx| pause::clear(tx, left.id())).map_err(at(&path, "forgetting the pause"))?;
    Ok(None)
}
