//! Times of which the history lacks something, because a file or a chunk of it is damaged. Whoever asks is told.
//!
//! What is known stands in the index. A question looks before and after it reads, and counts what anybody found broken
//! in between: what is set aside, or filled again, meanwhile is told as well.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError, RwLock};

use kouan_protocol::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Span, day_ms, day_of};
use crate::store::{During as _, StoreError};

/// Stretches of single devices that are kept of a day; with more of them the whole day counts for all devices.
const OF_A_DAY: usize = 256;
/// What was found broken lately and is remembered for the questions that are under way.
const LATELY: usize = 1_024;
/// Broken chunks that wait to be looked at.
const WAITING: usize = 4_096;

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncompleteReason {
    /// It was in a part of the history that is damaged.
    Damaged,
    /// It is being read again from the log, and will be there soon.
    Filling,
    /// The sums are from before readings of the day were damaged or deleted, and lack what arrived since.
    Late,
}

impl IncompleteReason {
    const ALL: [Self; 3] = [Self::Damaged, Self::Filling, Self::Late];

    /// The API's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Filling => "filling",
            Self::Late => "late",
        }
    }
}

/// A time of which an answer may lack something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Incomplete {
    /// From this time on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before this time.
    pub to_ms: i64,
    /// `damaged`: it was in a part of the history that is damaged. `filling`: it is being read again and will be there
    /// soon. `late`: the sums are from before readings of the day were damaged or deleted, and lack what arrived since.
    #[schema(value_type = String)]
    pub reason: IncompleteReason,
}

/// Something that is missing of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) day: i64,
    /// The agent and its name of the device; `None` for every device.
    pub(super) device: Option<(String, String)>,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) reason: IncompleteReason,
    /// Readings may be missing.
    pub(super) readings: bool,
    /// Sums may lack some.
    pub(super) sums: bool,
}

impl Stretch {
    /// Readings of the whole day.
    pub(super) fn of_day(day: i64, reason: IncompleteReason) -> Self {
        let (from_ms, to_ms) = (day_ms(day), day_ms(day + 1));
        Self { day, device: None, from_ms, to_ms, reason, readings: true, sums: false }
    }

    /// Sums of the day, of one device or of all.
    pub(super) fn of_sums(day: i64, device: Option<(String, String)>, reason: IncompleteReason) -> Self {
        Self { device, readings: false, sums: true, ..Self::of_day(day, reason) }
    }

    /// Writes it to the index.
    pub(super) fn write(&self, index: &Connection) -> Result<(), StoreError> {
        let (agent, key) = self.device.as_ref().map_or(("", ""), |(agent, key)| (agent, key));
        index
            .prepare_cached(
                "INSERT INTO missing (day, agent, key, from_ms, to_ms, reason, readings, sums)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET readings = max(readings, excluded.readings), sums = max(sums, excluded.sums)",
            )
            .and_then(|mut statement| {
                let Self { day, from_ms, to_ms, reason, readings, sums, .. } = self;
                statement.execute(params![day, agent, key, from_ms, to_ms, reason.as_str(), readings, sums])
            })
            .during("note what is missing")?;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Marks {
    /// What the index says, by day.
    noted: BTreeMap<i64, Vec<Stretch>>,
    /// Days that are being filled again.
    filling: BTreeSet<i64>,
}

#[derive(Debug, Default)]
struct Found {
    /// How often something was found.
    count: u64,
    lately: VecDeque<(u64, Stretch)>,
    /// Chunks that must be looked at, by day and number.
    chunks: HashMap<(i64, i64), Stretch>,
}

/// Shared by the writer of the history and those who read it.
#[derive(Debug, Default)]
pub(super) struct Missing {
    marks: RwLock<Marks>,
    found: Mutex<Found>,
}

/// A question that looks for what is missing.
#[derive(Debug)]
pub(super) struct Watch<'m> {
    missing: &'m Missing,
    days: (i64, i64),
    before: Vec<Stretch>,
    found_before: u64,
}

impl Missing {
    /// Takes what the index says.
    pub(super) fn load(&self, index: &Connection) -> Result<(), StoreError> {
        let mut noted: BTreeMap<i64, Vec<Stretch>> = BTreeMap::new();
        for stretch in read(index, (i64::MIN, i64::MAX))? {
            noted.entry(stretch.day).or_default().push(stretch);
        }
        self.change(|marks| marks.noted = noted);
        Ok(())
    }

    /// Takes what the index says of a day.
    pub(super) fn load_day(&self, index: &Connection, day: i64) -> Result<(), StoreError> {
        let stretches = read(index, (day, day))?;
        self.change(|marks| match stretches.is_empty() {
            true => drop(marks.noted.remove(&day)),
            false => drop(marks.noted.insert(day, stretches)),
        });
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.marks.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The day is being filled again.
    pub(super) fn begin_filling(&self, day: i64) {
        self.change(|marks| {
            marks.filling.insert(day);
        });
    }

    /// It is filled, as far as it can be.
    pub(super) fn end_filling(&self, day: i64) {
        self.change(|marks| {
            marks.filling.remove(&day);
        });
    }

    /// Whether the day is being filled again.
    pub(super) fn is_filling(&self, day: i64) -> bool {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).filling.contains(&day)
    }

    /// Notes something on disk first, then for the questions to come.
    pub(super) fn note(&self, index: &Connection, stretch: Stretch) -> Result<(), StoreError> {
        let day = stretch.day;
        let of_day = self.marks.read().unwrap_or_else(PoisonError::into_inner).noted.get(&day).map_or(0, Vec::len);
        let stretch = match stretch.device {
            Some(_) if of_day >= OF_A_DAY => {
                let Stretch { readings, sums, reason, .. } = stretch;
                Stretch { readings, sums, ..Stretch::of_day(day, reason) }
            }
            _ => stretch,
        };
        stretch.write(index)?;
        self.load_day(index, day)
    }

    /// Sums of these devices are about to be made out of what readings there are.
    pub(super) fn before_sums(
        &self,
        index: &Connection,
        day: i64,
        devices: &[(String, String)],
    ) -> Result<(), StoreError> {
        let is_touched = |stretch: &Stretch| {
            let of_them = stretch.device.as_ref().is_none_or(|device| devices.contains(device));
            stretch.readings && !stretch.sums && of_them
        };
        let noted = self.marks.read().unwrap_or_else(PoisonError::into_inner).noted.get(&day).cloned();
        let touched: Vec<Stretch> = noted.into_iter().flatten().filter(is_touched).collect();
        for stretch in &touched {
            Stretch { sums: true, ..stretch.clone() }.write(index)?;
        }
        if touched.is_empty() { Ok(()) } else { self.load_day(index, day) }
    }

    /// Forgets that readings before `readings`, or sums before `sums`, are missing: they would not be kept any more.
    pub(super) fn forget(
        &self,
        index: &Connection,
        readings: Option<i64>,
        sums: Option<i64>,
    ) -> Result<(), StoreError> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let is_over = |stretch: &Stretch| {
            (stretch.readings && readings.is_some_and(|day| stretch.day < day))
                || (stretch.sums && sums.is_some_and(|day| stretch.day < day))
        };
        if !marks.noted.values().flatten().any(is_over) {
            return Ok(());
        }
        drop(marks);
        for (column, day) in [("readings", readings), ("sums", sums)] {
            let sql = format!("UPDATE missing SET {column} = 0 WHERE day < ?1");
            index.execute(&sql, [day.unwrap_or(i64::MIN)]).during("forget what is missing")?;
        }
        index.execute("DELETE FROM missing WHERE NOT readings AND NOT sums", []).during("forget what is missing")?;
        self.load(index)
    }

    /// Somebody found that something does not read.
    pub(super) fn find(&self, stretch: Stretch) {
        let mut found = self.found();
        found.count += 1;
        let count = found.count;
        if found.lately.len() >= LATELY {
            found.lately.pop_front();
        }
        found.lately.push_back((count, stretch));
    }

    /// Somebody found that a chunk does not open.
    pub(super) fn find_chunk(&self, chunk: i64, (t_min, t_max): (i64, i64), day: i64, device: (&str, &str)) {
        let whole = Stretch::of_day(day, IncompleteReason::Damaged);
        let (from_ms, to_ms) = match t_min <= t_max && day_of(Timestamp(t_min)) == day && t_max < whole.to_ms {
            true => (t_min, t_max + 1),
            // Its entry is damaged as well.
            false => (whole.from_ms, whole.to_ms),
        };
        let device = Some((device.0.to_owned(), device.1.to_owned()));
        let stretch = Stretch { device, from_ms, to_ms, ..whole };
        self.find(stretch.clone());
        let mut found = self.found();
        if found.chunks.len() < WAITING {
            found.chunks.insert((day, chunk), stretch);
        }
    }

    /// The chunks that must be looked at.
    pub(super) fn take_chunks(&self) -> HashMap<(i64, i64), Stretch> {
        std::mem::take(&mut self.found().chunks)
    }

    /// Begins to look. `first` and `last` are the days that are asked about.
    pub(super) fn watch(&self, first: i64, last: i64) -> Watch<'_> {
        let found_before = self.found().count;
        Watch { missing: self, days: (first, last), before: self.known(first, last), found_before }
    }

    fn known(&self, first: i64, last: i64) -> Vec<Stretch> {
        if first > last {
            return Vec::new();
        }
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let filling = marks.filling.range(first..=last).map(|day| Stretch::of_day(*day, IncompleteReason::Filling));
        // What is being filled again is not lost yet.
        let noted = marks.noted.range(first..=last).flat_map(|(_, stretches)| stretches);
        let noted = noted.filter_map(|stretch| {
            let readings = stretch.readings && !marks.filling.contains(&stretch.day);
            (readings || stretch.sums).then(|| Stretch { readings, ..stretch.clone() })
        });
        noted.chain(filling).collect()
    }
}

impl Watch<'_> {
    /// Everything that may have been missing while it looked.
    pub(super) fn end(self) -> Vec<Stretch> {
        let (first, last) = self.days;
        let mut all = self.before;
        all.extend(self.missing.known(first, last));
        let found = self.missing.found();
        if found.count > self.found_before {
            let within = |stretch: &Stretch| (first..=last).contains(&stretch.day);
            let lately = found.lately.iter().filter(|(count, stretch)| *count > self.found_before && within(stretch));
            all.extend(lately.map(|(_, stretch)| stretch.clone()));
        }
        all
    }
}

/// What is missing of a device within a time, as it is told. `counts` says which stretches do.
pub(super) fn told(
    stretches: &[Stretch],
    spans: &[Span],
    (from_ms, to_ms): (i64, i64),
    counts: impl Fn(&Stretch) -> bool,
) -> Vec<Incomplete> {
    let mut all = Vec::new();
    for stretch in stretches.iter().filter(|stretch| counts(stretch)) {
        for span in spans {
            let is_of = |(agent, key): &(String, String)| *agent == span.agent.as_str() && *key == span.key.as_str();
            let from_ms = stretch.from_ms.max(span.from_ms).max(from_ms);
            let to_ms = stretch.to_ms.min(span.to_ms).min(to_ms);
            if from_ms < to_ms && stretch.device.as_ref().is_none_or(is_of) {
                all.push(Incomplete { from_ms, to_ms, reason: stretch.reason });
            }
        }
    }
    joined(all)
}

/// The same by time, as few as possible.
pub(super) fn joined(mut all: Vec<Incomplete>) -> Vec<Incomplete> {
    all.sort_unstable_by_key(|one| (one.reason, one.from_ms, one.to_ms));
    let mut joined: Vec<Incomplete> = Vec::new();
    for one in all {
        match joined.last_mut() {
            Some(last) if last.reason == one.reason && one.from_ms <= last.to_ms => {
                last.to_ms = last.to_ms.max(one.to_ms);
            }
            _ => joined.push(one),
        }
    }
    joined.sort_unstable();
    joined
}

fn read(index: &Connection, days: (i64, i64)) -> Result<Vec<Stretch>, StoreError> {
    let mut statement = index
        .prepare_cached(
            "SELECT day, agent, key, from_ms, to_ms, reason, readings, sums FROM missing WHERE day BETWEEN ?1 AND ?2",
        )
        .during("read what is missing")?;
    let read = |row: &rusqlite::Row<'_>| {
        let (agent, key, reason): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(5)?);
        let reason = IncompleteReason::ALL.into_iter().find(|known| known.as_str() == reason);
        Ok(Stretch {
            day: row.get(0)?,
            device: (!agent.is_empty()).then_some((agent, key)),
            from_ms: row.get(3)?,
            to_ms: row.get(4)?,
            reason: reason.unwrap_or(IncompleteReason::Damaged),
            readings: row.get(6)?,
            sums: row.get(7)?,
        })
    };
    statement.query_map([days.0, days.1], read).and_then(Iterator::collect).during("read what is missing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    const DAY: i64 = 20_000;

    fn span(key: &str, from_ms: i64, to_ms: i64) -> Span {
        Span { device: "d".to_owned(), agent: "a".parse().unwrap(), key: key.parse().unwrap(), from_ms, to_ms }
    }

    fn index() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let index = open_writable(&folder.path().join("index.db"), File::HistoryIndex).unwrap();
        (folder, index)
    }

    #[test]
    fn what_is_missing_is_told_of_the_device_and_its_time_only() {
        let start = day_ms(DAY);
        let device = Some(("a".to_owned(), "ups".to_owned()));
        let chunk = Stretch { device, from_ms: start + 10, to_ms: start + 20, ..damaged(DAY) };
        let all = [chunk, Stretch::of_day(DAY + 1, IncompleteReason::Filling)];
        let everything = (i64::MIN, i64::MAX);
        let of = |spans: &[Span], range| {
            let told = told(&all, spans, range, |stretch| stretch.readings);
            told.into_iter().map(|one| (one.from_ms - start, one.to_ms - start, one.reason)).collect::<Vec<_>>()
        };
        let day = 86_400_000;
        let filling = (day, 2 * day, IncompleteReason::Filling);
        let ups = span("ups", 0, i64::MAX);
        assert_eq!(of(std::slice::from_ref(&ups), everything), [(10, 20, IncompleteReason::Damaged), filling]);
        assert_eq!(of(&[span("meter", 0, i64::MAX)], everything), [filling]);
        assert_eq!(of(&[span("ups", start + 15, start + 18)], everything), [(15, 18, IncompleteReason::Damaged)]);
        assert_eq!(of(&[ups], (start + 19, start + day)), [(19, 20, IncompleteReason::Damaged)]);
    }

    fn damaged(day: i64) -> Stretch {
        Stretch::of_day(day, IncompleteReason::Damaged)
    }

    #[test]
    fn what_happens_while_a_question_looks_is_told() {
        let (_folder, index) = index();
        let missing = Missing::default();
        // Filled again between the two looks.
        missing.begin_filling(DAY);
        let watch = missing.watch(DAY, DAY);
        missing.end_filling(DAY);
        assert_eq!(watch.end(), [Stretch::of_day(DAY, IncompleteReason::Filling)]);
        // Found broken in between, and sound on the second look.
        let watch = missing.watch(DAY, DAY);
        missing.find_chunk(7, (day_ms(DAY), day_ms(DAY) + 5), DAY, ("a", "ups"));
        assert_eq!(missing.take_chunks().len(), 1);
        assert_eq!(watch.end().len(), 1);
        // Set aside in between.
        let watch = missing.watch(DAY, DAY);
        missing.note(&index, damaged(DAY)).unwrap();
        assert_eq!(watch.end(), [damaged(DAY)]);
        assert_eq!(missing.watch(DAY + 1, DAY + 9).end(), []);
    }

    #[test]
    fn what_is_known_outlives_the_program_and_very_many_parts_count_as_a_whole() {
        let (_folder, index) = index();
        let missing = Missing::default();
        for device in 0..300 {
            let device = Some(("a".to_owned(), format!("device-{device}")));
            missing.note(&index, Stretch { device, ..damaged(DAY) }).unwrap();
        }
        let again = Missing::default();
        again.load(&index).unwrap();
        let known = again.watch(DAY, DAY).end();
        assert!(known.contains(&damaged(DAY)) && known.len() <= 2 * (OF_A_DAY + 1), "{}", known.len());
        again.before_sums(&index, DAY, &[("a".to_owned(), "device-1".to_owned())]).unwrap();
        let flagged = again.watch(DAY, DAY).before.iter().filter(|stretch| stretch.sums).count();
        assert_eq!(flagged, 2, "the device's own and that of all");
        again.forget(&index, Some(DAY + 1), None).unwrap();
        assert_eq!(again.watch(DAY, DAY).before.len(), 2, "sums that lack something are kept longer");
        again.forget(&index, Some(DAY + 1), Some(DAY + 1)).unwrap();
        assert_eq!(again.watch(DAY, DAY).end(), []);
    }
}
