//! Comparing what the files say.

use std::collections::BTreeSet;

use kouan_protocol::Lane;
use serde::Serialize;

use super::chain::{Run, holes_and_overlaps};
use super::evidence::{Extent, History, Ingest, LaneKey, LogRow, Position, State};

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Nothing is missing, nothing is doubled.
    pub ok: bool,
    /// Each lane of each epoch of each agent.
    pub lanes: Vec<LaneReport>,
    /// The ingest log.
    pub log: LogReport,
    /// Records and batches that went into quarantine.
    pub quarantined_records: u64,
    /// How many of them were dropped since, because the quarantine is bounded.
    pub quarantine_dropped: u64,
    /// Files of the history that were damaged and set aside. What the log no longer had of them is missing in the
    /// lanes; what it still had was read again.
    pub set_aside: Vec<String>,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

/// One lane of one epoch.
#[derive(Debug, Clone, Serialize)]
pub struct LaneReport {
    /// The agent.
    pub agent: String,
    /// Its site.
    pub site: String,
    /// The lane.
    pub lane: String,
    /// The epoch.
    pub epoch: String,
    /// Whether the agent writes to it now.
    pub current: bool,
    /// The first number accounted for; 0 if there is none.
    pub first_seq: u64,
    /// The last number accounted for.
    pub last_seq: u64,
    /// Numbers that nothing accounts for: must be empty.
    pub holes: Vec<Run>,
    /// Entries of the log that stand behind later ones of the lane: must be 0.
    pub out_of_order: u64,
    /// Gap records, of the agent and of this side.
    pub gaps: u64,
    /// Numbers that gap records of the agent take.
    pub gap_numbers: u64,
    /// Numbers that this side has lost and said so.
    pub lost_numbers: u64,
    /// Batches in quarantine.
    pub quarantined_batches: u64,
    /// Numbers in those batches.
    pub quarantined_numbers: u64,
    /// Numbers stored, gap records included.
    pub stored_numbers: u64,
    /// Rows or events in the history; `null` for lanes that are not history.
    pub history_rows: Option<u64>,
}

/// The ingest log.
#[derive(Debug, Clone, Serialize)]
pub struct LogReport {
    /// Entries that it holds.
    pub entries: usize,
    /// The oldest entry; 0 if there is none.
    pub first_id: i64,
    /// The newest entry ever written.
    pub last_id: i64,
    /// How far the state is.
    pub state_cursor: i64,
    /// How far the history is.
    pub history_cursor: i64,
}

pub(super) fn compare(ingest: &Ingest, state: &State, history: &History) -> Report {
    let mut problems = history.problems.clone();
    check_log_ids(ingest, state, history, &mut problems);
    let keys: BTreeSet<&LaneKey> = ingest
        .positions
        .keys()
        .chain(ingest.extents.keys())
        .chain(ingest.log.keys())
        .chain(history.rows.keys())
        .collect();
    let lanes = keys.into_iter().map(|key| lane(key, ingest, state, history, &mut problems)).collect();
    let log = LogReport {
        entries: ingest.ids.len(),
        first_id: ingest.ids.first().copied().unwrap_or(0),
        last_id: ingest.head,
        state_cursor: state.cursor.min(state.readings_cursor),
        history_cursor: history.cursor,
    };
    Report {
        ok: problems.is_empty(),
        lanes,
        log,
        quarantined_records: state.quarantined_records,
        quarantine_dropped: state.quarantine_dropped,
        set_aside: history.set_aside.clone(),
        problems,
    }
}

/// Entries are numbered without a hole and removed from the oldest on, never before the readers have passed them.
fn check_log_ids(ingest: &Ingest, state: &State, history: &History, problems: &mut Vec<String>) {
    let needed = state.cursor.min(state.readings_cursor).min(history.cursor) + 1;
    let first = ingest.ids.first().copied().unwrap_or(ingest.head + 1);
    if first > needed {
        problems.push(format!("log entries {needed} to {} are missing, and a reader still needs them", first - 1));
    }
    for pair in ingest.ids.windows(2) {
        if pair[1] != pair[0] + 1 {
            problems.push(format!("log entries {} to {} are missing", pair[0] + 1, pair[1] - 1));
        }
    }
    if let Some(last) = ingest.ids.last()
        && *last != ingest.head
    {
        problems.push(format!("log entries {} to {} are missing", last + 1, ingest.head));
    }
}

fn count(extents: &[Extent], kind: &str) -> u64 {
    extents.iter().filter(|extent| extent.kind == kind).map(|extent| extent.last + 1 - extent.first).sum()
}

fn lane(key: &LaneKey, ingest: &Ingest, state: &State, history: &History, problems: &mut Vec<String>) -> LaneReport {
    let (agent, number, epoch) = key;
    let known = Lane::from_number(*number);
    let name = known.map_or_else(|| number.to_string(), |lane| lane.to_string());
    let mut problem = |text: String| problems.push(format!("agent {agent}, lane {name}, epoch {epoch}: {text}"));
    let nothing = Position {
        site: String::new(),
        current: false,
        stored_seq: 0,
        gaps: 0,
        gap_numbers: 0,
        quarantined_batches: 0,
    };
    let position = ingest.positions.get(key).unwrap_or_else(|| {
        problem("it has records and no position".to_owned());
        &nothing
    });
    let extents = ingest.extents.get(key).map(Vec::as_slice).unwrap_or_default();
    let log = ingest.log.get(key).map(Vec::as_slice).unwrap_or_default();
    // A lane of a later version begins with whatever number came first.
    let start = if known.is_some() { 1 } else { extents.first().map_or(1, |extent| extent.first) };
    let runs: Vec<Run> = extents.iter().map(|extent| (extent.first, extent.last)).collect();
    let (mut holes, overlaps) = holes_and_overlaps(start, &runs);
    for (first, last) in overlaps {
        problem(format!("numbers {first} to {last} are stored twice"));
    }
    let last_seq = runs.last().map_or(start - 1, |(_, last)| *last);
    if last_seq < position.stored_seq {
        holes.push((last_seq + 1, position.stored_seq));
    } else if last_seq > position.stored_seq {
        problem(format!("{last_seq} is stored, the position says {}", position.stored_seq));
    }
    let out_of_order = count_out_of_order(log);
    if out_of_order > 0 {
        problem(format!("{out_of_order} entries of the log stand behind later ones"));
    }
    let (missing, doubled) = check_log(log, position.stored_seq);
    for hole in missing {
        if !holes.contains(&hole) {
            holes.push(hole);
        }
    }
    for (first, last) in doubled {
        problem(format!("the log holds {first} to {last} twice"));
    }
    for (first, last) in &holes {
        problem(format!("numbers {first} to {last} are missing"));
    }
    let (stored, lost, quarantined) = (count(extents, "stored"), count(extents, "lost"), count(extents, "quarantined"));
    let behind = |is_waiting: &dyn Fn(&LogRow) -> bool| -> u64 {
        log.iter().filter(|row| is_waiting(row)).map(|row| row.last + 1 - row.from).sum()
    };
    let state_waits = |row: &LogRow| {
        let readings = known == Some(Lane::Readings) && row.kind == "batch";
        row.id > if readings { state.readings_cursor } else { state.cursor }
    };
    let taken = state.numbers.get(key).copied().unwrap_or(0);
    let all = stored + lost + quarantined;
    if taken > all || taken < all.saturating_sub(behind(&state_waits)) {
        problem(format!("{all} numbers are stored, and the state has taken {taken}"));
    }
    let history_rows = matches!(known, Some(Lane::Readings | Lane::Events)).then(|| {
        let rows = history.rows.get(key).copied().unwrap_or(0);
        let most = stored.saturating_sub(position.gap_numbers);
        if rows > most {
            problem(format!("{most} records are stored, and the history has {rows}: some are doubled"));
        } else if rows < most.saturating_sub(behind(&|row| row.id > history.cursor && row.kind == "batch")) {
            problem(format!("{most} records are stored, and the history has {rows}: some are missing"));
        }
        rows
    });
    LaneReport {
        agent: agent.clone(),
        site: position.site.clone(),
        lane: name,
        epoch: epoch.clone(),
        current: position.current,
        first_seq: runs.first().map_or(0, |(first, _)| *first),
        last_seq,
        holes,
        out_of_order,
        gaps: position.gaps,
        gap_numbers: position.gap_numbers,
        lost_numbers: lost,
        quarantined_batches: position.quarantined_batches,
        quarantined_numbers: quarantined,
        stored_numbers: stored,
        history_rows,
    }
}

/// Records arrive in the order of their numbers, and the log keeps the order of arrival.
fn count_out_of_order(log: &[LogRow]) -> u64 {
    log.windows(2).filter(|pair| pair[1].from < pair[0].from).count() as u64
}

/// What is left of the lane in the log must run without a hole up to the position.
fn check_log(log: &[LogRow], position: u64) -> (Vec<Run>, Vec<Run>) {
    let Some(first) = log.first() else { return (Vec::new(), Vec::new()) };
    let runs: Vec<Run> = log.iter().map(|row| (row.from, row.last)).collect();
    let (mut holes, overlaps) = holes_and_overlaps(first.from, &runs);
    let last = log.last().map_or(0, |row| row.last);
    if last < position {
        holes.push((last + 1, position));
    }
    (holes, overlaps)
}
