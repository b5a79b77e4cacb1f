//! Where the events that are asked for may be.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, params};
use tracing::error;

use super::files::{Lookup, Unit};
use super::keys;
use super::settle::Settled;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};
use crate::telemetry::partitions::Partitions;
use crate::telemetry::{EventFilter, EventPlace};

/// Most names of devices that are looked for one by one; more of them are found by reading the days.
const NAMES: usize = 512;
/// Most sites that are looked for one by one.
const SITES: usize = 64;
/// Places of one key that are counted to find the rarest, and read at a time at first.
const COUNTED: i64 = 4_096;
/// So many places are read out of an index in the time of one event out of its day.
const WORTH: i64 = 50;
const FIRST: i64 = 128;
const MOST: i64 = 4_096;
/// Most events that a file may lack before its days are read instead.
const TAIL: i64 = 20_000;

/// What an event must be found by: each is a list of keys, of which it has one.
pub(in crate::telemetry) struct Wanted(Vec<Vec<i64>>);

impl Wanted {
    pub(in crate::telemetry) fn of(scope: &Scope, filter: &EventFilter) -> Self {
        let mut wanted = Vec::new();
        for (name, text) in &filter.fields {
            wanted.push(vec![keys::of_field(name, text)]);
        }
        if filter.only_spans {
            let mut names: Vec<i64> =
                filter.spans.iter().map(|span| keys::of_device(span.agent.as_str(), span.key.as_str())).collect();
            names.sort_unstable();
            names.dedup();
            if names.len() <= NAMES {
                wanted.push(names);
            }
        }
        if let Some(kind) = &filter.kind {
            wanted.push(vec![keys::of_kind(kind)]);
        }
        // A value or a device is rarer than a site.
        if let Scope::Sites(sites) = scope
            && filter.fields.is_empty()
            && !filter.only_spans
            && sites.len() <= SITES
        {
            wanted.push(sites.iter().map(|site| keys::of_site(site)).collect());
        }
        Self(wanted)
    }

    /// Whether nothing can be looked for.
    pub(in crate::telemetry) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// From here on, in the direction of the filter, and up to where.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    newest_first: bool,
    at: EventPlace,
    /// With the newest first the earliest time; otherwise the first time that is too late.
    end_ms: i64,
}

impl Stretch {
    fn new(filter: &EventFilter) -> Self {
        let newest_first = filter.newest_first;
        let (begin, end_ms) = if newest_first {
            (EventPlace { time_ms: filter.to.0, id: 0 }, filter.from.0)
        } else {
            (EventPlace { time_ms: filter.from.0, id: 0 }, filter.to.0)
        };
        let at = match filter.after {
            Some(after) if newest_first => after.min(begin),
            Some(after) => after.max(begin),
            None => begin,
        };
        Self { newest_first, at, end_ms }
    }

    fn holds(&self, place: EventPlace) -> bool {
        if self.newest_first {
            place < self.at && place.time_ms >= self.end_ms
        } else {
            place > self.at && place.time_ms < self.end_ms
        }
    }

    fn sort(&self, places: &mut Vec<EventPlace>) {
        places.sort_unstable();
        places.dedup();
        if self.newest_first {
            places.reverse();
        }
    }
}

/// Shows the places in a month where events may be that are wanted, in the order of the filter, until `show`
/// says that it is enough. `days` are the month's days that have partitions. Returns whether the month was searched: if
/// not, nothing was shown, and its days must be read.
pub(in crate::telemetry) fn find(
    (lookup, partitions): (&Lookup, &Partitions),
    filter: &EventFilter,
    wanted: &Wanted,
    days: &[i64],
    mut show: impl FnMut(&[EventPlace]) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(true) };
    let mut stretch = Stretch::new(filter);
    // Before the file: what is taken into it in between is then found twice and not missed.
    let Some(tails) = tails(partitions, &lookup.tails(*first, *last), &stretch)? else { return Ok(false) };
    let mut parts: Vec<i64> = days.iter().map(|day| Unit::of(*day).part).collect();
    parts.sort_unstable();
    parts.dedup();
    let mut shown = false;
    let searched = lookup.read(Unit::of(*first).month, |file| {
        let parts = Settled::read(file)?.parts(parts);
        let (rarest, others) = rarest(file, &parts, wanted, &stretch)?;
        let mut size = FIRST;
        loop {
            let (mut places, horizon) = next(file, &parts, rarest, &stretch, size)?;
            places.retain(|place| others.iter().all(|other| other.contains(place)));
            places.extend(tails.iter().copied().filter(|place| stretch.holds(*place)));
            stretch.sort(&mut places);
            if let Some(horizon) = horizon {
                // Behind it, some key may have places that were not read.
                let newest_first = stretch.newest_first;
                places.retain(|place| if newest_first { *place >= horizon } else { *place <= horizon });
            }
            shown |= !places.is_empty();
            if !show(&places)? {
                return Ok(());
            }
            let Some(horizon) = horizon else { return Ok(()) };
            stretch.at = horizon;
            size = (size * 2).min(MOST);
        }
    });
    match searched {
        Ok(Some(())) => Ok(true),
        Ok(None) => {
            let mut places = tails;
            stretch.sort(&mut places);
            show(&places)?;
            Ok(true)
        }
        // What was shown cannot be taken back.
        Err(error) if shown => Err(error),
        Err(error) => {
            error!(%error, "An index of events could not be read; the days themselves are.");
            Ok(false)
        }
    }
}

/// The places of all events that are not in the file; `None` if they are too many.
fn tails(
    partitions: &Partitions,
    tails: &BTreeMap<i64, i64>,
    stretch: &Stretch,
) -> Result<Option<Vec<EventPlace>>, StoreError> {
    let mut places = Vec::new();
    for (day, through) in tails {
        let of_day = partitions.read(*day, |partition| {
            partition
                .prepare_cached("SELECT time_ms, id FROM events WHERE id > ?1 AND opaque = 0 ORDER BY id LIMIT ?2")
                .and_then(|mut statement| {
                    statement.query_map([*through, TAIL + 1], read_place)?.collect::<Result<Vec<_>, _>>()
                })
                .during("look for new events of a day")
        })?;
        places.extend(of_day.unwrap_or_default());
        if places.len() as i64 > TAIL {
            return Ok(None);
        }
    }
    places.retain(|place| stretch.holds(*place));
    Ok(Some(places))
}

/// All places of a condition.
type Places = HashSet<EventPlace>;

/// Of the conditions that which the fewest events meet, and the places of others that are so few that it costs less to
/// read them than to read events for nothing.
fn rarest<'w>(
    file: &Connection,
    parts: &[i64],
    wanted: &'w Wanted,
    stretch: &Stretch,
) -> Result<(&'w [i64], Vec<Places>), StoreError> {
    let Wanted(wanted) = wanted;
    let [first, others @ ..] = wanted.as_slice() else { return Ok((&[], Vec::new())) };
    // One alone needs no comparison.
    if others.is_empty() {
        return Ok((first, Vec::new()));
    }
    let mut counts = Vec::with_capacity(wanted.len());
    for keys in wanted {
        let mut count = 0;
        for (part, key) in places_of(parts, keys) {
            count += count_of(file, part, key, stretch, COUNTED - count)?;
            if count >= COUNTED {
                break;
            }
        }
        if count == 0 {
            return Ok((&[], Vec::new()));
        }
        counts.push((count, keys.as_slice()));
    }
    counts.sort_by_key(|(count, _)| *count);
    let (least, rarest) = counts.remove(0);
    let mut few = Vec::new();
    for (count, keys) in counts {
        if count < COUNTED && count <= least.saturating_mul(WORTH) {
            few.push(next(file, parts, keys, stretch, COUNTED)?.0.into_iter().collect());
        }
    }
    Ok((rarest, few))
}

/// Every key in every part.
fn places_of<'k>(parts: &'k [i64], keys: &'k [i64]) -> impl Iterator<Item = (i64, i64)> + 'k {
    parts.iter().flat_map(move |part| keys.iter().map(move |key| (*part, *key)))
}

fn times(stretch: &Stretch) -> (i64, i64) {
    if stretch.newest_first { (stretch.end_ms, stretch.at.time_ms) } else { (stretch.at.time_ms, stretch.end_ms) }
}

fn count_of(file: &Connection, part: i64, key: i64, stretch: &Stretch, most: i64) -> Result<i64, StoreError> {
    let (from, to) = times(stretch);
    file.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM lookup WHERE part = ?1 AND hash = ?2 AND time_ms BETWEEN ?3 AND ?4 LIMIT ?5)",
    )
    .and_then(|mut statement| statement.query_row([part, key, from, to, most], |row| row.get(0)))
    .during("count in an index of events")
}

/// The next places of every key, at most `size` of each in each part. Behind the horizon, if there is one, more may follow.
fn next(
    file: &Connection,
    parts: &[i64],
    keys: &[i64],
    stretch: &Stretch,
    size: i64,
) -> Result<(Vec<EventPlace>, Option<EventPlace>), StoreError> {
    let sql = if stretch.newest_first {
        "SELECT time_ms, id FROM lookup WHERE part = ?1 AND hash = ?2 AND (time_ms, id) < (?3, ?4) AND time_ms >= ?5
         ORDER BY time_ms DESC, id DESC LIMIT ?6"
    } else {
        "SELECT time_ms, id FROM lookup WHERE part = ?1 AND hash = ?2 AND (time_ms, id) > (?3, ?4) AND time_ms < ?5
         ORDER BY time_ms, id LIMIT ?6"
    };
    let mut statement = file.prepare_cached(sql).during("search an index of events")?;
    let (mut places, mut horizon) = (Vec::new(), None::<EventPlace>);
    for (part, key) in places_of(parts, keys) {
        let values = params![part, key, stretch.at.time_ms, stretch.at.id, stretch.end_ms, size];
        let found: Vec<EventPlace> =
            statement.query_map(values, read_place).and_then(Iterator::collect).during("search an index of events")?;
        if let Some(last) = found.last().filter(|_| found.len() as i64 == size) {
            horizon = Some(match horizon {
                Some(known) if stretch.newest_first => known.max(*last),
                Some(known) => known.min(*last),
                None => *last,
            });
        }
        places.extend(found);
    }
    Ok((places, horizon))
}

fn read_place(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventPlace> {
    Ok(EventPlace { time_ms: row.get(0)?, id: row.get(1)? })
}
