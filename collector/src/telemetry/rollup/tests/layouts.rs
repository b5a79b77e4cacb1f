//! Every level says what the readings say, whatever layouts brought them and however late they came.

use kouan_protocol::{PointKind, Timestamp};

use super::engine::{DAY, Dice, Engine, Row, Said};
use crate::telemetry::rollup::Aggregate;
use crate::telemetry::{History as _, SeriesQuery, day_ms};

/// A burst of rows of a group: its name, its points, and the times.
pub(super) type Burst<'b> = (&'b str, &'b [&'static str], Vec<i64>);

impl Engine {
    pub(super) fn burst(&mut self, (name, points, times): &Burst<'_>, dice: &mut Dice) {
        let layout: Vec<_> = points.iter().map(|point| (*point, PointKind::Measurement)).collect();
        // Some rows lack a point, and some readings are bad.
        let mut cell = || match (Said::Scaled(dice.below(1_000), 1), dice.below(12)) {
            (_, 0) => Some(None),
            (_, 1) => None,
            (number, _) => Some(Some(number)),
        };
        let rows: Vec<Row> = times.iter().map(|time| (*time, points.iter().map(|_| cell()).collect())).collect();
        self.seal(("sensor", name), &layout, &rows);
    }

    /// Count, sum, least and greatest of all windows of that length.
    fn told(&self, point: &str, resolution: i64) -> (u64, f64, f64, f64) {
        let mut all = (0, 0.0, f64::MAX, f64::MIN);
        for (_, window) in self.windows(point, resolution, 1).1 {
            let Aggregate::Numbers { count, min, max, sum, .. } = window else { panic!("numbers") };
            let [min, max, sum] = [min, max, sum].map(|figure| figure.as_f64());
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

    pub(super) fn check(&self, what: &str) {
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
        let mut dice = Dice::of(seed);
        let mut engine = Engine::new();
        let batch = |dice: &mut Dice| {
            let (name, points) = LAYOUTS[dice.below(LAYOUTS.len() as i64) as usize];
            (name, points, burst(dice))
        };
        for round in 0..4 {
            for _ in 0..=dice.below(3) {
                let batch = batch(&mut dice);
                engine.burst(&batch, &mut dice);
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
    let mut dice = Dice::of(7);
    let mut engine = Engine::new();
    let start = day_ms(DAY) + 3_600_000;
    engine.burst(&("climate", &["p"], (0..16).map(|row| start + row * 1_000).collect()), &mut dice);
    engine.sum_up();
    engine.check("a fast group");
    engine.burst(&("climate", &["p", "q"], (0..5).map(|row| start + 30_000 + row * 10_000).collect()), &mut dice);
    engine.sum_up();
    engine.check("another layout");
    engine.burst(&("climate", &["p"], vec![start + 36_000_000, start + 40_000_000, start + 44_000_000]), &mut dice);
    engine.sum_up();
    engine.check("rows that came late");
}
