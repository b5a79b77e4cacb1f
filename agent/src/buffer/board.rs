//! What the writers tell everybody else. Nobody waits for a disk to read it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kouan_protocol::{Anchor, Epoch, GapReason, Lane, Timestamp};
use kouan_settings::Bilingual;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::epoch::LaneMark;
use super::gap;
use super::lanes::{lane_state, oldest};

/// Where a lane stands, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStatus {
    /// Which lane.
    pub lane: Lane,
    /// Its buffer's lifetime.
    pub epoch: Epoch,
    /// Records that the collector has not confirmed.
    pub waiting: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The number of the newest record.
    pub last_seq: u64,
    /// The highest number that the collector confirmed.
    pub confirmed_seq: u64,
    /// Whether records were dropped and the gap is not yet sent.
    pub gap_open: bool,
    /// When the oldest record that waits was written, by the wall clock of then.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
    /// Records that were dropped or never kept since the agent started.
    #[serde(default)]
    pub lost: u64,
    /// Whether the lane is in memory only.
    #[serde(default)]
    pub volatile: bool,
}

/// How a file of the buffer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// On disk, fsynced.
    #[default]
    Durable,
    /// In memory, because the disk refuses or failed.
    Volatile,
}

/// How the buffer stands, for people and for the agent's own alarms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BufferCondition {
    /// `urgent.db`.
    pub urgent: FileState,
    /// `readings.db`.
    pub readings: FileState,
    /// Why readings are not kept at present.
    pub paused: Option<GapReason>,
    /// Damaged files that were moved aside since the agent started.
    pub moved_aside: u32,
    /// The latest problem, for people; empty if there was none.
    pub problem: String,
    /// The same in Chinese.
    #[serde(default)]
    pub problem_zh: String,
}

impl BufferCondition {
    pub(super) fn say(&mut self, problem: Bilingual) {
        (self.problem, self.problem_zh) = (problem.english, problem.chinese);
    }

    /// Whether urgent records or events are in memory only.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.urgent == FileState::Volatile
    }
}

/// How long commits of a file take.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CommitFigures {
    /// The latest one.
    pub last: Duration,
    /// The longest since the figures were last taken.
    pub worst: Duration,
}

/// The notice board of a buffer.
#[derive(Debug)]
pub(super) struct Board {
    lanes: Mutex<[LaneStatus; 3]>,
    commits: Mutex<[CommitFigures; 2]>,
    condition: watch::Sender<BufferCondition>,
}

impl Board {
    pub(super) fn new() -> Self {
        let lane = |lane| LaneStatus {
            lane,
            epoch: Epoch(0),
            waiting: 0,
            bytes: 0,
            last_seq: 0,
            confirmed_seq: 0,
            gap_open: false,
            oldest: None,
            lost: 0,
            volatile: false,
        };
        Self {
            lanes: Mutex::new(Lane::ALL.map(lane)),
            commits: Mutex::default(),
            condition: watch::Sender::new(BufferCondition::default()),
        }
    }

    /// Notes where a lane stands after a commit, and that `lost` more records are gone.
    pub(super) fn note(
        &self,
        connection: &Connection,
        lane: Lane,
        volatile: bool,
        lost: u64,
    ) -> rusqlite::Result<LaneStatus> {
        let state = lane_state(connection, lane)?;
        let (gap_open, oldest) = (gap::is_open(connection, lane)?, oldest(connection, lane)?);
        let mut lanes = lock(&self.lanes);
        let status = &mut lanes[index(lane)];
        *status = LaneStatus {
            lane,
            epoch: state.epoch,
            waiting: state.next_seq - 1 - state.acked_seq.min(state.next_seq - 1),
            bytes: state.bytes,
            last_seq: state.next_seq - 1,
            confirmed_seq: state.acked_seq,
            gap_open,
            oldest,
            lost: status.lost + lost,
            volatile,
        };
        Ok(status.clone())
    }

    /// More records of a lane were lost before they had a number.
    pub(super) fn lost(&self, lane: Lane, records: u64) {
        lock(&self.lanes)[index(lane)].lost += records;
    }

    pub(super) fn lane(&self, lane: Lane) -> LaneStatus {
        lock(&self.lanes)[index(lane)].clone()
    }

    pub(super) fn lanes(&self) -> Vec<LaneStatus> {
        lock(&self.lanes).to_vec()
    }

    /// What the other file should know of a lane; nothing if it is in memory.
    pub(super) fn mark(&self, lane: Lane, anchor: &Anchor) -> Option<LaneMark> {
        let status = self.lane(lane);
        let mark = LaneMark {
            epoch: status.epoch,
            last_seq: status.last_seq,
            acked_seq: status.confirmed_seq,
            from: status.oldest.unwrap_or(anchor.wall),
            to: anchor.wall,
        };
        (!status.volatile && status.epoch != Epoch(0)).then_some(mark)
    }

    /// A commit of file 0 (`urgent.db`) or 1 (`readings.db`) took so long.
    pub(super) fn committed(&self, file: usize, took: Duration) {
        let figures = &mut lock(&self.commits)[file];
        *figures = CommitFigures { last: took, worst: figures.worst.max(took) };
    }

    /// The figures since they were last taken.
    pub(super) fn take_commits(&self) -> [CommitFigures; 2] {
        let mut commits = lock(&self.commits);
        let taken = *commits;
        commits.iter_mut().for_each(|figures| figures.worst = Duration::ZERO);
        taken
    }

    pub(super) fn change_condition(&self, change: impl FnOnce(&mut BufferCondition)) {
        self.condition.send_if_modified(|condition| {
            let before = condition.clone();
            change(condition);
            *condition != before
        });
    }

    pub(super) fn condition(&self) -> watch::Receiver<BufferCondition> {
        self.condition.subscribe()
    }
}

fn index(lane: Lane) -> usize {
    lane.number() as usize - 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
