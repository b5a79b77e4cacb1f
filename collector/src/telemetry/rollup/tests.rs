//! Every level says what the readings say, whatever layouts brought them and however late they came.

use std::sync::Arc;

use kouan_protocol::{PointKind, RawValue, Timestamp};
use rusqlite::Connection;

use super::{Aggregate, Levels, Maker, Resolution, WindowsQuery};
use crate::store::{File, open_writable};
use crate::telemetry::head::{Group, Head};
use crate::telemetry::lookup::Lookup;
use crate::telemetry::partition::open_file;
use crate::telemetry::partitions::{Partitions, WriteMark};
use crate::telemetry::retention::Retention;
use crate::telemetry::rows::{Column, Origin};
use crate::telemetry::seal::seal_day;
use crate::telemetry::{History as _, HistoryFiles, SeriesQuery, Span, day_ms, partition_path};

const DAY: i64 = 20_000;
/// Long after that day.
const NOW: i64 = (DAY + 10) * 24 * 3_600_000;

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.unsigned_abs()) as i64
    }
}

/// The engine without the log.
struct Engine {
    folder: tempfile::TempDir,
    index: Connection,
    maker: Maker,
    files: HistoryFiles,
    entry: i64,
}

impl Engine {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap(), 0)
    }

    fn on(folder: tempfile::TempDir, entry: i64) -> Self {
        let index = open_writable(&folder.path().join("index.db"), File::HistoryIndex).unwrap();
        let partitions = Arc::new(Partitions::open(folder.path()).unwrap());
        let days = partitions.within(i64::MIN, i64::MAX).into_iter().collect();
        let levels = Arc::new(Levels::open(folder.path(), &index, &days, Default::default()).unwrap());
        let maker = Maker::new(Arc::clone(&levels), Arc::clone(&partitions), Retention::default(), NOW);
        let lookup = Arc::new(Lookup::new(folder.path(), []));
        let files = HistoryFiles { head: Arc::default(), partitions, levels, lookup };
        Self { folder, index, maker, files, entry }
    }

    fn again(self) -> Self {
        let Self { folder, entry, .. } = self;
        Self::on(folder, entry)
    }

    /// Seals rows of groups: a name, the points of its layout, and its rows' times.
    fn seal(&mut self, batches: &[(&str, &[&str], Vec<i64>)], dice: &mut Dice) {
        self.entry += 1;
        let head = Head::default();
        for (number, (name, points, times)) in batches.iter().enumerate() {
            let column =
                |name: &&str| Column { name: name.parse().unwrap(), kind: PointKind::Measurement, decimals: 1 };
            let group = Group {
                agent: "hall-1".to_owned(),
                key: "lab".to_owned(),
                name: (*name).to_owned(),
                site: "hall".to_owned(),
                class: "sensor".to_owned(),
                layout: points.iter().map(column).collect(),
            };
            let group = head.group(DAY, number as u64, &Arc::new(group));
            let mut arrived = group.lock();
            for (row, time) in times.iter().enumerate() {
                arrived.rows.times.push(*time);
                arrived.rows.origins.push(Origin { delay_s: 0, shift_ms: 0, status: 0 });
                for cells in &mut arrived.rows.columns {
                    // Some rows lack a point, and some readings are bad.
                    let (number, flaw) = (RawValue::Scaled(dice.below(1_000), 1), dice.below(12));
                    if flaw == 0 {
                        cells.push(row as u32, None, 2);
                    } else if flaw > 1 {
                        cells.push(row as u32, Some(number), 0);
                    }
                }
            }
            let (rows, entry) = (arrived.rows.len(), self.entry);
            arrived.entries.resize(rows, entry);
        }
        head.account(Default::default(), 1, self.entry);
        let generation = head.begin_seal();
        self.maker.before_seal(&mut self.index, &generation).unwrap();
        let _mark = WriteMark::new(&self.files.partitions, DAY);
        let mut conn = open_file(&partition_path(self.folder.path(), DAY), File::Partition).unwrap();
        self.files.partitions.add(DAY);
        seal_day(&mut conn, &generation.days[&DAY], generation.through).unwrap();
    }

    fn sum_up(&mut self) {
        while self.maker.step(&self.index, NOW).unwrap() {}
    }

    fn span() -> Span {
        let (agent, key) = ("hall-1".parse().unwrap(), "lab".parse().unwrap());
        Span { device: "d-1".to_owned(), agent, key, from_ms: 0, to_ms: i64::MAX }
    }

    /// Count, sum, least and greatest of all windows of that length.
    fn told(&self, point: &str, resolution: i64) -> (u64, f64, f64, f64) {
        let (from, to) = (Timestamp(day_ms(DAY)), Timestamp(day_ms(DAY + 1)));
        let (point, now) = (point.parse().unwrap(), Timestamp(NOW));
        let resolution = Resolution(resolution);
        let query = WindowsQuery { spans: vec![Self::span()], point, from, to, resolution, now };
        let mut all = (0, 0.0, f64::MAX, f64::MIN);
        for (_, window) in self.files.windows(&query).unwrap().windows {
            let Aggregate::Numbers { count, min, max, sum, .. } = window else { panic!("numbers") };
            all = (all.0 + count, all.1 + sum, all.2.min(min), all.3.max(max));
        }
        all
    }

    /// The same out of the readings themselves.
    fn read(&self, point: &str) -> (u64, f64, f64, f64) {
        let (from, to) = (Timestamp(day_ms(DAY)), Timestamp(day_ms(DAY + 1)));
        let point = point.parse().unwrap();
        let query = SeriesQuery { spans: vec![Self::span()], point, from, to, after: None, limit: usize::MAX };
        let rows = self.files.series(&query).unwrap().rows;
        let numbers = rows.iter().filter_map(|row| row.value.as_ref()?.as_f64());
        numbers.fold((0, 0.0, f64::MAX, f64::MIN), |all, number| {
            (all.0 + 1, all.1 + number, all.2.min(number), all.3.max(number))
        })
    }

    fn check(&self, what: &str) {
        for point in ["p", "q", "r"] {
            let wanted = self.read(point);
            for resolution in [1_000, 7_000, 60_000, 300_000, 3_600_000, 86_400_000] {
                let told = self.told(point, resolution);
                let is_same = told.0 == wanted.0 && (told.1 - wanted.1).abs() < 1e-6;
                let is_same = is_same && (told.2, told.3).eq(&(wanted.2, wanted.3));
                assert!(is_same, "{what}: {point} at {resolution} ms is {told:?} and not {wanted:?}");
            }
        }
    }
}

/// A burst of rows, close together or far apart.
fn burst(dice: &mut Dice) -> Vec<i64> {
    let interval = [1_000, 2_000, 10_000, 60_000, 600_000][dice.below(5) as usize];
    let rows = 1 + dice.below(40);
    let start = day_ms(DAY) + dice.below(86_400_000 - interval * rows);
    (0..rows).map(|row| start + row * interval).collect()
}

const LAYOUTS: [(&str, &[&str]); 6] = [
    ("climate", &["p"]),
    ("climate", &["p", "q"]),
    ("climate", &["q", "p"]),
    ("power", &["r"]),
    ("power", &["r", "q"]),
    ("other", &["p", "r"]),
];

#[test]
fn every_level_says_what_the_readings_say_after_changes_of_layout_and_late_rows() {
    for seed in 1..=60_u64 {
        let mut dice = Dice(seed.wrapping_mul(88_172_645_463_325_252) | 1);
        let mut engine = Engine::new();
        let batch = |dice: &mut Dice| {
            let (name, points) = LAYOUTS[dice.below(LAYOUTS.len() as i64) as usize];
            (name, points, burst(dice))
        };
        for round in 0..4 {
            for _ in 0..=dice.below(3) {
                let batch = batch(&mut dice);
                engine.seal(&[batch], &mut dice);
                engine.check(&format!("seed {seed}, round {round}, not summed up"));
            }
            engine.sum_up();
            engine.check(&format!("seed {seed}, round {round}, summed up"));
            if dice.below(3) == 0 {
                engine = engine.again();
                engine.check(&format!("seed {seed}, round {round}, started again"));
            }
        }
        // The hours hold all of it also when the readings are gone.
        let wanted: Vec<_> = ["p", "q", "r"].map(|point| engine.read(point)).into();
        engine.files.partitions.remove(DAY);
        for (point, wanted) in ["p", "q", "r"].into_iter().zip(wanted) {
            let told = engine.told(point, 3_600_000);
            assert_eq!(
                (told.0, told.2.to_bits(), told.3.to_bits()),
                (wanted.0, wanted.2.to_bits(), wanted.3.to_bits())
            );
            assert!((told.1 - wanted.1).abs() < 1e-6, "seed {seed}: {point}");
        }
    }
}

#[test]
fn a_fast_group_that_gets_a_slow_layout_has_minutes_of_both_or_of_none() {
    let mut dice = Dice(7);
    let mut engine = Engine::new();
    let start = day_ms(DAY) + 3_600_000;
    engine.seal(&[("climate", &["p"], (0..16).map(|row| start + row * 1_000).collect())], &mut dice);
    engine.sum_up();
    engine.check("a fast group");
    engine.seal(&[("climate", &["p", "q"], (0..5).map(|row| start + 30_000 + row * 10_000).collect())], &mut dice);
    engine.sum_up();
    engine.check("another layout");
    engine.seal(&[("climate", &["p"], vec![start + 36_000_000, start + 40_000_000, start + 44_000_000])], &mut dice);
    engine.sum_up();
    engine.check("rows that came late");
}

#[test]
fn days_that_were_summed_up_in_an_earlier_way_are_summed_up_again() {
    let mut dice = Dice(9);
    let mut engine = Engine::new();
    let start = day_ms(DAY);
    engine.seal(&[("climate", &["p"], (0..600).map(|row| start + row * 1_000).collect())], &mut dice);
    engine.sum_up();
    // As an earlier version left it: minutes that lack what came in another layout.
    engine.seal(&[("climate", &["p", "q"], (0..9).map(|row| start + row * 3_600_000).collect())], &mut dice);
    engine.index.execute_batch("DELETE FROM dirty; UPDATE rolled SET version = 0").unwrap();
    let mut engine = engine.again();
    engine.check("before");
    engine.sum_up();
    engine.check("after");
    let version: i64 = engine.index.query_row("SELECT version FROM rolled", [], |row| row.get(0)).unwrap();
    assert_eq!(version, super::levels::VERSION);
}
