//! Events over time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::event_match::{COLUMNS, Matcher};
use super::lookup::{self, Lookup, Wanted};
use super::missing::{Incomplete, Watch, joined};
use super::partitions::Partitions;
use super::{Span, day_of};
use crate::auth::Scope;
use crate::http::rfc3339;
use crate::store::{During as _, StoreError};

/// How long one call looks at events that are not wanted; then it answers with what it has and where to go on.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Events between two looks at the time.
const EXAMINED: usize = 16;

/// Which events.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// Of this kind.
    pub kind: Option<String>,
    /// With these values in these fields, as callers write them.
    pub fields: Vec<(String, String)>,
    /// Only those of devices in `spans`.
    pub only_spans: bool,
    /// Names of the devices that are wanted; events under them are told with their device.
    pub spans: Vec<Span>,
    /// The newest first, or the oldest.
    pub newest_first: bool,
    /// Behind this place: the cursor of the page before.
    pub after: Option<EventPlace>,
}

/// Where an event stands among all: by time, and those of one time in the order in which they were stored. It never
/// changes, so a page that begins behind a place misses none and repeats none, whatever arrives in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventPlace {
    pub(super) time_ms: i64,
    pub(super) id: i64,
}

impl From<(i64, i64)> for EventPlace {
    fn from((time_ms, id): (i64, i64)) -> Self {
        Self { time_ms, id }
    }
}

impl From<EventPlace> for (i64, i64) {
    fn from(place: EventPlace) -> Self {
        (place.time_ms, place.id)
    }
}

/// A page of events, and the place behind which the next one begins, if there is one.
#[derive(Debug, Default)]
pub struct EventSlice {
    /// The events.
    pub rows: Vec<EventRow>,
    /// Where the next page begins.
    pub next: Option<EventPlace>,
    /// Times of the page of which events may be missing.
    pub incomplete: Vec<Incomplete>,
}

/// Names an event for ever: its time, and its number in its epoch at its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    time_ms: i64,
    seq: i64,
    epoch: String,
    agent: String,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time_ms, seq, epoch, agent } = self;
        write!(f, "{time_ms}.{seq}.{epoch}.{agent}")
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(4, '.');
        let mut part = || parts.next().ok_or(());
        let (time_ms, seq) = (part()?.parse().map_err(drop)?, part()?.parse().map_err(drop)?);
        Ok(Self { time_ms, seq, epoch: part()?.to_owned(), agent: part()?.to_owned() })
    }
}

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventRow {
    /// Names the event for ever.
    pub id: String,
    /// When it happened, corrected, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970.
    pub time_ms: i64,
    /// When it happened by the agent's own clock.
    pub agent_time_ms: Option<i64>,
    /// Where.
    pub site: String,
    /// The device, if its name was looked up and could be placed.
    pub device: Option<String>,
    /// The agent that reported it.
    pub agent: String,
    /// The device's name there.
    pub key: String,
    /// What happened: `passage`.
    pub kind: String,
    /// Details by name.
    #[schema(value_type = Object)]
    pub fields: Value,
    /// Names of personal values that this site does not keep.
    #[schema(value_type = Vec<String>)]
    pub left_out: Value,
    /// Pictures and other evidence: hash, size, media type.
    #[schema(value_type = Vec<Object>)]
    pub blobs: Value,
    /// Whether it arrived more than a minute after it happened.
    pub late: bool,
    /// How far the time may be believed.
    pub time_status: String,
    /// When it arrived.
    pub received_ms: i64,
    /// With `agent` and `seq`, names the event for ever.
    pub epoch: String,
    /// The event's number in its epoch.
    pub seq: i64,
}

/// A page of events. It is full or the last one, unless that takes longer than `patience`.
pub(super) fn read(
    files: (&Lookup, &Partitions),
    scope: &Scope,
    filter: &EventFilter,
    (limit, patience): (usize, Duration),
) -> Result<EventSlice, StoreError> {
    let (mut first, mut last) = (day_of(filter.from), day_of(filter.to));
    if let Some(after) = filter.after {
        let day = day_of(Timestamp(after.time_ms));
        if filter.newest_first { last = last.min(day) } else { first = first.max(day) }
    }
    let matcher = Matcher::new(scope, filter);
    let mut search = Search::new(&matcher, limit, patience);
    let (_, partitions) = files;
    let mut days = partitions.within(first, last);
    if filter.newest_first {
        days.reverse();
    }
    if filter.only_spans && filter.spans.is_empty() {
        days.clear();
    }
    let wanted = Wanted::of(scope, filter);
    let watch = partitions.missing().watch(first, last);
    for month in days.chunk_by(|a, b| lookup::same_month(*a, *b)) {
        // What must be read of the days themselves: all that is wanted, or what lies behind a place.
        let rest = if wanted.is_empty() {
            Some(search.begin())
        } else {
            lookup::find(files, &matcher, &wanted, month, |places| search.visit(partitions, places))?
        };
        if let Some(behind) = rest {
            for day in month {
                search.scan(partitions, *day, behind)?;
            }
        }
        if search.is_done() {
            break;
        }
    }
    let (rows, next) = (search.rows, search.next);
    Ok(EventSlice { incomplete: incomplete(watch, filter, next), rows, next })
}

/// Of which times of the page up to `next` events may be missing.
fn incomplete(watch: Watch<'_>, filter: &EventFilter, next: Option<EventPlace>) -> Vec<Incomplete> {
    let (mut from, mut to) = (filter.from.0, filter.to.0);
    let (begin, end) = if filter.newest_first { (next, filter.after) } else { (filter.after, next) };
    from = begin.map_or(from, |place| place.time_ms.max(from));
    to = end.map_or(to, |place| place.time_ms.saturating_add(1).min(to));
    // What is missing of one device are readings in chunks.
    let of_all = watch.end().into_iter().filter(|stretch| stretch.device.is_none() && stretch.readings);
    let within = of_all.map(|stretch| Incomplete {
        from_ms: stretch.from_ms.max(from),
        to_ms: stretch.to_ms.min(to),
        reason: stretch.reason,
    });
    joined(within.filter(|one| one.from_ms < one.to_ms).collect())
}

/// The event of that id, if it is in the scope.
pub(super) fn find(partitions: &Partitions, scope: &Scope, id: &EventId) -> Result<Option<EventRow>, StoreError> {
    let found = partitions.read(day_of(Timestamp(id.time_ms)), |partition| {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE agent = ?1 AND epoch = ?2 AND seq = ?3 AND opaque = 0");
        partition
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row(params![id.agent, id.epoch, id.seq], read_row).optional())
            .during("look for an event")
    })?;
    Ok(found.flatten().filter(|row| row.time_ms == id.time_ms && scope.covers(&row.site)))
}

/// What is found so far.
struct Search<'q> {
    matcher: &'q Matcher<'q>,
    limit: usize,
    until: Instant,
    rows: Vec<EventRow>,
    examined: usize,
    /// The place of the last row on the page.
    last: Option<EventPlace>,
    /// Where the next page begins.
    next: Option<EventPlace>,
}

impl<'q> Search<'q> {
    fn new(matcher: &'q Matcher<'q>, limit: usize, patience: Duration) -> Self {
        let until = Instant::now() + patience;
        Self { matcher, limit, until, rows: Vec::new(), examined: 0, last: None, next: None }
    }

    /// The place behind which everything lies that is asked for.
    fn begin(&self) -> EventPlace {
        let filter = self.matcher.filter;
        match (filter.after, filter.newest_first) {
            (Some(after), _) => after,
            (None, true) => EventPlace { time_ms: i64::MAX, id: i64::MAX },
            (None, false) => EventPlace { time_ms: i64::MIN, id: 0 },
        }
    }

    fn is_done(&self) -> bool {
        self.next.is_some()
    }

    /// Takes a row if it is wanted. Returns whether to go on.
    fn consider(&mut self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let place = Matcher::place(row)?;
        self.examined += 1;
        if let Some(device) = self.matcher.device_of(row)? {
            if self.rows.len() == self.limit {
                self.next = self.last;
                return Ok(false);
            }
            self.rows.push(EventRow { device, ..read_row(row)? });
            self.last = Some(place);
        }
        if self.examined.is_multiple_of(EXAMINED) && Instant::now() >= self.until {
            self.next = Some(place);
        }
        Ok(self.next.is_none())
    }

    /// Looks at the events at these places. Returns whether to go on.
    fn visit(&mut self, partitions: &Partitions, places: &[EventPlace]) -> Result<bool, StoreError> {
        let day = |place: &EventPlace| day_of(Timestamp(place.time_ms));
        for places in places.chunk_by(|a, b| day(a) == day(b)) {
            let Some(first) = places.first() else { continue };
            // A day without a partition was deleted.
            partitions.read(day(first), |partition| self.visit_day(partition, places))?;
            if self.is_done() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn visit_day(&mut self, partition: &Connection, places: &[EventPlace]) -> Result<(), StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE id = ?1 AND time_ms = ?2 AND opaque = 0");
        let mut statement = partition.prepare_cached(&sql).during("read events")?;
        for place in places {
            let go_on = statement
                .query_row([place.id, place.time_ms], |row| self.consider(row))
                .optional()
                .during("read events")?;
            if go_on == Some(false) {
                break;
            }
        }
        Ok(())
    }

    /// Looks at all events of a day within the filter's times and behind a place.
    fn scan(&mut self, partitions: &Partitions, day: i64, behind: EventPlace) -> Result<(), StoreError> {
        if self.is_done() {
            return Ok(());
        }
        let filter = self.matcher.filter;
        let (comparison, order) = if filter.newest_first { ("<", "DESC") } else { (">", "ASC") };
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE opaque = 0 AND time_ms >= ?1 AND time_ms < ?2
                 AND (time_ms, id) {comparison} (?3, ?4) ORDER BY time_ms {order}, id {order}"
        );
        partitions.read(day, |partition| {
            let mut statement = partition.prepare_cached(&sql).during("read events")?;
            let values = params![filter.from.0, filter.to.0, behind.time_ms, behind.id];
            let mut rows = statement.query(values).during("read events")?;
            while let Some(row) = rows.next().during("read events")? {
                if !self.consider(row).during("read events")? {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let (time_ms, agent, epoch, seq): (i64, String, String, i64) =
        (row.get(1)?, row.get(3)?, row.get(10)?, row.get(11)?);
    let details: String = row.get(6)?;
    let mut details: Value = serde_json::from_str(&details).unwrap_or_default();
    let id = EventId { time_ms, seq, epoch: epoch.clone(), agent: agent.clone() };
    Ok(EventRow {
        id: id.to_string(),
        time: rfc3339(time_ms),
        time_ms,
        agent_time_ms: details["agent_time_ms"].as_i64(),
        site: row.get(2)?,
        device: None,
        agent,
        key: row.get(4)?,
        kind: row.get(5)?,
        fields: details["fields"].take(),
        left_out: details["left_out"].take(),
        blobs: details["blobs"].take(),
        late: row.get(7)?,
        time_status: row.get(8)?,
        received_ms: row.get(9)?,
        epoch,
        seq,
    })
}
