//! The readings of a point over time.

use kouan_protocol::{
    Anchor, BootTime, CatalogueHash, GroupIndex, GroupRows, PointName, Quality, QualityReason, Timestamp, Value,
};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{HistoryFiles, Slice, Span, day_of, partition_days, partition_path};
use crate::http::rfc3339;
use crate::store::log::{Correction, Found, TimeStatus};
use crate::store::{During as _, StoreError, open_read_only};

/// Which readings.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// The names that the device had.
    pub spans: Vec<Span>,
    /// The point.
    pub point: PointName,
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// After this place; the cursor of the page before.
    pub after: Option<SeriesPlace>,
    /// At most so many.
    pub limit: usize,
}

/// The place of a reading in its series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesPlace {
    time_ms: i64,
    epoch: String,
    seq: u64,
}

impl std::fmt::Display for SeriesPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.time_ms, self.epoch, self.seq)
    }
}

impl std::str::FromStr for SeriesPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(());
        let time_ms = part()?.parse().map_err(drop)?;
        let epoch = part()?.to_owned();
        Ok(Self { time_ms, epoch, seq: part()?.parse().map_err(drop)? })
    }
}

/// A reading.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReadingRow {
    /// When it was read, corrected, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970.
    pub time_ms: i64,
    /// When it was read by the agent's own clock.
    pub agent_time_ms: i64,
    /// The value: a number or a text; `null` when the quality is bad.
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// `good`, `uncertain` or `bad`.
    #[schema(value_type = String)]
    pub quality: Quality,
    /// Why it is not good: `none`, `out-of-range`, …
    #[schema(value_type = String)]
    pub reason: QualityReason,
    /// How far the time may be believed.
    pub time_status: TimeStatus,
    /// Whether it arrived more than a minute after it was read.
    pub late: bool,
    #[serde(skip)]
    place: SeriesPlace,
}

struct Block {
    epoch: String,
    first_seq: u64,
    from_seq: u64,
    catalogue: String,
    anchor: Anchor,
    correction: Correction,
    body: Vec<u8>,
}

pub(super) fn read(history: &HistoryFiles, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
    let (first, last) = (day_of(query.from), day_of(query.to));
    let start = query.after.as_ref().map_or(first, |place| day_of(Timestamp(place.time_ms)).max(first));
    let mut rows = Vec::new();
    for day in partition_days(&history.folder)?.into_iter().filter(|day| (start..=last).contains(day)) {
        let partition = open_read_only(&partition_path(&history.folder, day))?;
        let mut of_day = Vec::new();
        for span in &query.spans {
            for block in blocks(&partition, span, query)? {
                open_block(history, &block, span, query, day, &mut of_day)?;
            }
        }
        of_day.sort_by(|a, b| a.place.cmp(&b.place));
        rows.extend(of_day);
        if rows.len() > query.limit {
            break;
        }
    }
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| more).map(|row| row.place.to_string());
    Ok(Slice { rows, next })
}

fn blocks(partition: &Connection, span: &Span, query: &SeriesQuery) -> Result<Vec<Block>, StoreError> {
    let (from, to) = (query.from.0.max(span.from_ms), query.to.0.min(span.to_ms));
    partition
        .prepare_cached(
            "SELECT epoch, first_seq, from_seq, catalogue, boot, boot_ms, wall_ms, trusted, shift_ms, time_status,
                 received_ms, body
             FROM blocks WHERE agent = ?1 AND key = ?2 AND t_max >= ?3 AND t_min < ?4",
        )
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                let boot: String = row.get(4)?;
                let status: String = row.get(9)?;
                Ok(Block {
                    epoch: row.get(0)?,
                    first_seq: row.get::<_, i64>(1)?.unsigned_abs(),
                    from_seq: row.get::<_, i64>(2)?.unsigned_abs(),
                    catalogue: row.get(3)?,
                    anchor: Anchor {
                        boot: boot.parse().unwrap_or(kouan_protocol::BootId(0)),
                        boot_time: BootTime(row.get::<_, i64>(5)?.unsigned_abs()),
                        wall: Timestamp(row.get(6)?),
                        trusted: row.get(7)?,
                    },
                    correction: Correction {
                        received: Timestamp(row.get(10)?),
                        shift_ms: row.get(8)?,
                        status: TimeStatus::from_name(&status),
                    },
                    body: row.get(11)?,
                })
            };
            statement.query_map(params![span.agent.as_str(), span.key.as_str(), from, to], read)?.collect()
        })
        .during("read blocks of the history")
}

fn open_block(
    history: &HistoryFiles,
    block: &Block,
    span: &Span,
    query: &SeriesQuery,
    day: i64,
    rows: &mut Vec<ReadingRow>,
) -> Result<(), StoreError> {
    let hash: CatalogueHash = block.catalogue.parse().map_err(StoreError::damaged("the catalogue of a block"))?;
    let catalogue = match history.catalogue(&span.agent, hash)? {
        Found::Open(catalogue) => catalogue,
        Found::Unusable(problem) => {
            return Err(StoreError::Damaged { what: "a catalogue", problem: problem.to_string() });
        }
    };
    let group_rows = GroupRows::from_bytes(&block.body).map_err(StoreError::damaged("a block of readings"))?;
    let GroupIndex(_) = group_rows.group();
    let Some((_, group)) = catalogue.group(group_rows.group()) else { return Ok(()) };
    let Some(column) = group.points.iter().position(|point| point.name == query.point) else { return Ok(()) };
    let opened =
        group_rows.rows(group, block.first_seq, &block.anchor).map_err(StoreError::damaged("a block of readings"))?;
    for row in opened.into_iter().filter(|row| row.seq >= block.from_seq) {
        let time = block.correction.time_of(&block.anchor, row.boot_time);
        if time < query.from || time >= query.to || !span.covers(time.0) || day_of(time) != day {
            continue;
        }
        let place = SeriesPlace { time_ms: time.0, epoch: block.epoch.clone(), seq: row.seq };
        if query.after.as_ref().is_some_and(|after| place <= *after) {
            continue;
        }
        let Some((_, cell)) = row.cells.into_iter().find(|(at, _)| usize::from(*at) == column) else { continue };
        rows.push(ReadingRow {
            time: rfc3339(time.0),
            time_ms: time.0,
            agent_time_ms: block.anchor.wall_at(row.boot_time).0,
            value: cell.value,
            quality: cell.quality,
            reason: cell.reason,
            time_status: block.correction.status,
            late: block.correction.is_late(time),
            place,
        });
    }
    Ok(())
}
