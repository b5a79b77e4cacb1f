//! Where the events that are asked for may be.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use tracing::error;

use super::claim::Claim;
use super::files::{Limits, Lookup, Tail, Tails, Unit};
use super::keys;
use super::settle::Settled;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};
use crate::telemetry::event_match::{COLUMNS, Matcher};
use crate::telemetry::partitions::Partitions;
use crate::telemetry::{EventFilter, EventPlace};

/// Most names of devices that are looked for one by one; more of them are found by reading the days.
const NAMES: usize = 512;
/// Most sites that are looked for one by one.
const SITES: usize = 64;
/// So many places are read out of an index in the time of one event out of its day.
const WORTH: i64 = 50;

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

    /// The times in between.
    fn times(&self) -> (i64, i64) {
        if self.newest_first { (self.end_ms, self.at.time_ms) } else { (self.at.time_ms, self.end_ms) }
    }

    fn sort(&self, places: &mut Vec<EventPlace>) {
        places.sort_unstable();
        places.dedup();
        if self.newest_first {
            places.reverse();
        }
    }
}

/// How a search of a month's file ended.
enum Searched {
    /// All of it was shown, or enough.
    Whole,
    /// The file lacks so much that the days themselves are read.
    Lacking,
    /// The file was deleted meanwhile.
    Gone,
    /// Showing failed.
    Failed(StoreError),
}

/// Shows the places in a month where events may be that are wanted, in the order of the filter, until `show`
/// says that it is enough. `days` are the month's days that have partitions. Returns the place behind which the days
/// themselves must be read, if the file does not tell: nothing behind it was shown.
pub(in crate::telemetry) fn find(
    (lookup, partitions): (&Lookup, &Partitions),
    matcher: &Matcher<'_>,
    wanted: &Wanted,
    days: &[i64],
    mut show: impl FnMut(&[EventPlace]) -> Result<bool, StoreError>,
) -> Result<Option<EventPlace>, StoreError> {
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(None) };
    let (mut stretch, limits) = (Stretch::new(matcher.filter), lookup.limits);
    let month = Unit::of(*first).month;
    let mut parts: Vec<i64> = days.iter().map(|day| Unit::of(*day).part).collect();
    parts.sort_unstable();
    parts.dedup();
    loop {
        // Before the file: what is taken into it in between is then found twice and not missed.
        let tails = lookup.tails(*first, *last);
        let searched = lookup.read(month, |file| {
            // This read makes it the instant of all others.
            let settled = Settled::read(file)?;
            if lookup.deleted_since(&tails) {
                return Ok(Searched::Gone);
            }
            let claims = if tails.has_unknown() { Claim::all(file)? } else { HashMap::new() };
            let Some(tail) = tail_places(partitions, (&tails, &claims), matcher, limits.tail)? else {
                return Ok(Searched::Lacking);
            };
            let sought = Sought { file, parts: settled.parts(parts.clone()), limits };
            sought.search(wanted, &tail, &mut stretch, &mut show)
        });
        return match searched {
            Ok(Some(Searched::Whole)) => Ok(None),
            Ok(Some(Searched::Lacking)) => Ok(Some(stretch.at)),
            Ok(Some(Searched::Failed(error))) => Err(error),
            Ok(Some(Searched::Gone)) => continue,
            Ok(None) if lookup.deleted_since(&tails) => continue,
            Ok(None) => {
                let Some(mut places) = tail_places(partitions, (&tails, &HashMap::new()), matcher, limits.tail)? else {
                    return Ok(Some(stretch.at));
                };
                places.retain(|place| stretch.holds(*place));
                stretch.sort(&mut places);
                show(&places)?;
                Ok(None)
            }
            Err(error) => {
                error!(%error, "An index of events could not be read; the days themselves are.");
                lookup.doubt(month, &error);
                Ok(Some(stretch.at))
            }
        };
    }
}

/// The places of all events that are wanted and not in the file; `None` if it lacks too many. `claims` are what it has of
/// days that nobody has compared with it.
fn tail_places(
    partitions: &Partitions,
    (tails, claims): (&Tails, &HashMap<i64, Claim>),
    matcher: &Matcher<'_>,
    most: i64,
) -> Result<Option<Vec<EventPlace>>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE id > ?1 AND opaque = 0 ORDER BY id");
    let (mut places, mut left) = (Vec::new(), most);
    for (day, tail) in &tails.of_days {
        // A day without a partition was deleted.
        partitions.read(*day, |partition| {
            let through = match tail {
                Tail::After(through) => *through,
                Tail::Unknown => claims.get(day).map_or(Ok(0), |claim| claim.believed(partition))?,
            };
            let reading = "look for new events of a day";
            let newest: Option<i64> = partition
                .prepare_cached("SELECT max(id) FROM events")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .during(reading)?;
            let lacking = newest.unwrap_or(0) - through;
            if lacking <= 0 {
                return Ok(());
            }
            left -= lacking;
            if left < 0 {
                return Ok(());
            }
            let mut statement = partition.prepare_cached(&sql).during(reading)?;
            let mut rows = statement.query([through]).during(reading)?;
            while let Some(row) = rows.next().during(reading)? {
                if matcher.device_of(row).during(reading)?.is_some() {
                    places.push(Matcher::place(row).during(reading)?);
                }
            }
            Ok(())
        })?;
        if left < 0 {
            return Ok(None);
        }
    }
    Ok(Some(places))
}

/// All places of a condition.
type Places = HashSet<EventPlace>;

/// A month's file at one instant.
struct Sought<'f> {
    file: &'f Connection,
    parts: Vec<i64>,
    limits: Limits,
}

impl Sought<'_> {
    /// `stretch` begins behind what was shown, whatever happens.
    fn search(
        &self,
        wanted: &Wanted,
        tail: &[EventPlace],
        stretch: &mut Stretch,
        show: &mut impl FnMut(&[EventPlace]) -> Result<bool, StoreError>,
    ) -> Result<Searched, StoreError> {
        let (rarest, others) = self.rarest(wanted, stretch)?;
        let mut size = self.limits.first;
        loop {
            let (mut places, horizon) = self.next(rarest, stretch, size)?;
            places.retain(|place| others.iter().all(|other| other.contains(place)));
            places.extend(tail.iter().copied().filter(|place| stretch.holds(*place)));
            stretch.sort(&mut places);
            if let Some(horizon) = horizon {
                // Behind it, some key may have places that were not read.
                let newest_first = stretch.newest_first;
                places.retain(|place| if newest_first { *place >= horizon } else { *place <= horizon });
            }
            match show(&places) {
                Ok(true) => {}
                Ok(false) => return Ok(Searched::Whole),
                Err(error) => return Ok(Searched::Failed(error)),
            }
            let Some(horizon) = horizon else { return Ok(Searched::Whole) };
            stretch.at = horizon;
            size = (size * 2).min(self.limits.most);
        }
    }

    /// Of the conditions that which the fewest events meet, and the places of others that are so few that it costs less
    /// to read them than to read events for nothing.
    fn rarest<'w>(
        &self,
        Wanted(wanted): &'w Wanted,
        stretch: &Stretch,
    ) -> Result<(&'w [i64], Vec<Places>), StoreError> {
        let [first, others @ ..] = wanted.as_slice() else { return Ok((&[], Vec::new())) };
        // One alone needs no comparison.
        if others.is_empty() {
            return Ok((first, Vec::new()));
        }
        let most = self.limits.counted;
        let mut counts = Vec::with_capacity(wanted.len());
        for keys in wanted {
            let mut count = 0;
            for (part, key) in self.places_of(keys) {
                count += self.count_of(part, key, stretch, most - count)?;
                if count >= most {
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
            if count < most && count <= least.saturating_mul(WORTH) {
                few.push(self.next(keys, stretch, most)?.0.into_iter().collect());
            }
        }
        Ok((rarest, few))
    }

    /// Every key in every part.
    fn places_of<'k>(&'k self, keys: &'k [i64]) -> impl Iterator<Item = (i64, i64)> + 'k {
        self.parts.iter().flat_map(move |part| keys.iter().map(move |key| (*part, *key)))
    }

    fn count_of(&self, part: i64, key: i64, stretch: &Stretch, most: i64) -> Result<i64, StoreError> {
        let (from, to) = stretch.times();
        self.file
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM lookup
                     WHERE part = ?1 AND hash = ?2 AND time_ms BETWEEN ?3 AND ?4 LIMIT ?5)",
            )
            .and_then(|mut statement| statement.query_row([part, key, from, to, most], |row| row.get(0)))
            .during("count in an index of events")
    }

    /// The next places of every key, at most `size` of each in each part. Behind the horizon, if there is one, more may
    /// follow.
    fn next(
        &self,
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
        let mut statement = self.file.prepare_cached(sql).during("search an index of events")?;
        let (mut places, mut horizon) = (Vec::new(), None::<EventPlace>);
        for (part, key) in self.places_of(keys) {
            let values = params![part, key, stretch.at.time_ms, stretch.at.id, stretch.end_ms, size];
            let found: Vec<EventPlace> = statement
                .query_map(values, |row| Ok(EventPlace { time_ms: row.get(0)?, id: row.get(1)? }))
                .and_then(Iterator::collect)
                .during("search an index of events")?;
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
}
