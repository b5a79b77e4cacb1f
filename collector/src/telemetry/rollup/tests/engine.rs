//! The engine without the log.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kouan_protocol::{PointKind, RawValue, Timestamp};
use rusqlite::Connection;

use crate::store::{File, open_writable};
use crate::telemetry::head::{Group, Head};
use crate::telemetry::lookup::Lookup;
use crate::telemetry::partition::open_file;
use crate::telemetry::partitions::{Partitions, WriteMark};
use crate::telemetry::retention::Retention;
use crate::telemetry::rollup::{Aggregate, Levels, Maker, Resolution, WindowsQuery};
use crate::telemetry::rows::{Column, Origin};
use crate::telemetry::seal::seal_day;
use crate::telemetry::{History as _, HistoryFiles, Span, day_ms, day_of, partition_path};

pub(super) const DAY: i64 = 20_000;
/// Long after that day.
pub(super) const NOW: i64 = (DAY + 10) * 24 * 3_600_000;

/// Numbers that look thrown.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(88_172_645_463_325_252) | 1)
    }

    pub(super) fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.unsigned_abs()) as i64
    }
}

/// What stands in a cell; `None` is a bad reading.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Scaled(i64, u8),
    Double(f64),
    Count(i64),
    Word(Arc<str>),
}

impl Said {
    fn raw(&self) -> RawValue<'_> {
        match self {
            Self::Scaled(integer, decimals) => RawValue::Scaled(*integer, *decimals),
            Self::Double(number) => RawValue::Double(*number),
            Self::Count(count) => RawValue::Integer(*count),
            Self::Word(word) => RawValue::Text(word),
        }
    }
}

/// Points of a layout by their kind.
pub(super) type Layout = [(&'static str, PointKind)];
/// A row: its time, and what is in each column: nothing, a bad reading, or a value.
pub(super) type Row = (i64, Vec<Option<Option<Said>>>);

/// The device's groups, sealed, summed up and asked.
pub(super) struct Engine {
    pub(super) folder: tempfile::TempDir,
    pub(super) index: Connection,
    pub(super) maker: Maker,
    pub(super) files: HistoryFiles,
    entry: i64,
}

impl Engine {
    pub(super) fn new() -> Self {
        Self::keeping(Retention::default())
    }

    pub(super) fn keeping(retention: Retention) -> Self {
        Self::on(tempfile::tempdir().unwrap(), 0, retention, vec![])
    }

    fn on(folder: tempfile::TempDir, entry: i64, retention: Retention, frozen: Vec<i64>) -> Self {
        let index = open_writable(&folder.path().join("index.db"), File::HistoryIndex).unwrap();
        let partitions = Arc::new(Partitions::open(folder.path()).unwrap());
        let days = partitions.within(i64::MIN, i64::MAX).into_iter().collect();
        let frozen = frozen.into_iter().collect();
        let levels = Arc::new(Levels::open(folder.path(), &index, &days, frozen).unwrap());
        let maker = Maker::new(Arc::clone(&levels), Arc::clone(&partitions), retention, NOW);
        let lookup = Arc::new(Lookup::new(folder.path(), []));
        let files = HistoryFiles { head: Arc::default(), partitions, levels, lookup };
        Self { folder, index, maker, files, entry }
    }

    /// Starts again on the same files.
    pub(super) fn again(self) -> Self {
        self.again_with(Retention::default(), vec![])
    }

    /// Starts again on the same files, keeping other readings, with days that were damaged.
    pub(super) fn again_with(self, retention: Retention, frozen: Vec<i64>) -> Self {
        let Self { folder, entry, .. } = self;
        Self::on(folder, entry, retention, frozen)
    }

    /// Seals rows of a group of a device of that class, each on its day.
    pub(super) fn seal(&mut self, (class, name): (&str, &str), layout: &Layout, rows: &[Row]) {
        self.entry += 1;
        let head = Head::default();
        let column =
            |(name, kind): &(&str, PointKind)| Column { name: name.parse().unwrap(), kind: *kind, decimals: 1 };
        let group = Arc::new(Group {
            agent: "hall-1".to_owned(),
            key: "lab".to_owned(),
            name: name.to_owned(),
            site: "hall".to_owned(),
            class: class.to_owned(),
            layout: layout.iter().map(column).collect(),
        });
        let mut by_day: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_day.entry(day_of(Timestamp(row.0))).or_default().push(row);
        }
        for (day, rows) in &by_day {
            let group = head.group(*day, 0, &group);
            let mut arrived = group.lock();
            for (at, (time, cells)) in rows.iter().enumerate() {
                arrived.rows.times.push(*time);
                arrived.rows.origins.push(Origin { delay_s: 0, shift_ms: 0, status: 0 });
                for (column, cell) in arrived.rows.columns.iter_mut().zip(cells) {
                    match cell {
                        None => {}
                        Some(None) => column.push(at as u32, None, 2),
                        Some(Some(said)) => column.push(at as u32, Some(said.raw()), 0),
                    }
                }
            }
            let (rows, entry) = (arrived.rows.len(), self.entry);
            arrived.entries.resize(rows, entry);
        }
        head.account(Default::default(), 1, self.entry);
        let generation = head.begin_seal();
        self.maker.before_seal(&mut self.index, &generation).unwrap();
        for (day, rows) in &generation.days {
            let _mark = WriteMark::new(&self.files.partitions, *day);
            let mut conn = open_file(&partition_path(self.folder.path(), *day), File::Partition).unwrap();
            self.files.partitions.add(*day);
            seal_day(&mut conn, rows, generation.through).unwrap();
        }
    }

    pub(super) fn sum_up(&mut self) {
        while self.maker.step(&self.index, NOW).unwrap() {}
    }

    pub(super) fn span() -> Span {
        let (agent, key) = ("hall-1".parse().unwrap(), "lab".parse().unwrap());
        Span { device: "d-1".to_owned(), agent, key, from_ms: 0, to_ms: i64::MAX }
    }

    /// All windows of that length within so many days from the first on, and what they were made of.
    pub(super) fn windows(&self, point: &str, step_ms: i64, days: i64) -> (Vec<&'static str>, Vec<(i64, Aggregate)>) {
        let (from, to) = (Timestamp(day_ms(DAY)), Timestamp(day_ms(DAY + days)));
        let (point, now) = (point.parse().unwrap(), Timestamp(NOW));
        let resolution = Resolution(step_ms);
        let query = WindowsQuery { spans: vec![Self::span()], point, from, to, resolution, now };
        let answer = self.files.windows(&query).unwrap();
        (answer.levels, answer.windows)
    }
}

/// Times of a burst of rows, close together or far apart, none of which was before; some go on over midnight.
pub(super) fn burst(dice: &mut Dice, used: &mut HashSet<i64>) -> Vec<i64> {
    let interval = [1_000, 2_000, 10_000, 60_000, 600_000][dice.below(5) as usize];
    let rows = 1 + dice.below(40);
    let start = match dice.below(4) {
        0 => day_ms(DAY + 1) - dice.below(rows) * interval - dice.below(interval),
        _ => day_ms(DAY) + dice.below(2 * 86_400_000 - interval * rows),
    };
    let times = (0..rows).map(|row| start + row * interval);
    times
        .map(|mut time| {
            while !used.insert(time) {
                time += 1;
            }
            time
        })
        .collect()
}
