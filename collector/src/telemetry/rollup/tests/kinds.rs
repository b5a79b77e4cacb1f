//! Every level says what a plain count of the readings says, whatever kinds of points there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use kouan_protocol::{PointKind, Timestamp};

use super::engine::{DAY, Dice, Engine, Layout, NOW, Row, Said, burst};
use crate::telemetry::rollup::{Aggregate, Figure, Resolution, WindowsQuery};
use crate::telemetry::{History as _, day_ms};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// What was said of a point, by time.
type Readings = BTreeMap<i64, (PointKind, Option<Said>)>;

const LAYOUTS: [(&str, &Layout); 8] = [
    ("climate", &[("p", PointKind::Measurement), ("s", PointKind::State)]),
    ("climate", &[("s", PointKind::State), ("c", PointKind::Counter), ("p", PointKind::Measurement)]),
    ("power", &[("c", PointKind::Counter), ("p", PointKind::Measurement)]),
    ("log", &[("t", PointKind::Text)]),
    ("odd", &[("k", PointKind::Measurement)]),
    ("odd", &[("k", PointKind::State)]),
    ("odd", &[("k", PointKind::Counter)]),
    ("odd", &[("k", PointKind::Text)]),
];
const POINTS: [&str; 5] = ["p", "s", "c", "t", "k"];

/// A device that says anything.
struct Source {
    dice: Dice,
    used: HashSet<i64>,
    counter: i64,
    said: BTreeMap<&'static str, Readings>,
}

impl Source {
    fn of(seed: u64) -> Self {
        // Counters of more digits than a floating-point number has.
        let counter = if seed.is_multiple_of(2) { i64::MAX - 9_000 } else { (1 << 53) - 9_000 };
        Self { dice: Dice::of(seed), used: HashSet::new(), counter, said: BTreeMap::new() }
    }

    fn value(&mut self, kind: PointKind, is_calm: bool) -> Said {
        let dice = &mut self.dice;
        match kind {
            // At rest between whole numbers, with parts on the way, or anything.
            PointKind::Measurement if is_calm => {
                [Said::Scaled(0, 0), Said::Scaled(4, 1), Said::Scaled(1, 0)][(dice.below(3)) as usize].clone()
            }
            PointKind::Measurement => match dice.below(3) {
                0 => Said::Double(dice.below(1_000) as f64 / 3.0),
                _ => Said::Scaled(dice.below(100_000) - 50_000, dice.below(5) as u8),
            },
            PointKind::Counter => {
                let is_reset = dice.below(20) == 0;
                self.counter = self.counter.checked_add(dice.below(1_000)).filter(|_| !is_reset).unwrap_or(0);
                Said::Count(self.counter)
            }
            PointKind::State => Said::Word(["mains", "battery", "bypass"][dice.below(3) as usize].into()),
            PointKind::Text => Said::Word(format!("note {}", dice.below(1_000_000)).into()),
        }
    }

    /// Rows of some group, some of them bad, some without a point; now and then nothing but bad ones.
    fn rows(&mut self) -> (&'static str, &'static Layout, Vec<Row>) {
        let (name, layout) = LAYOUTS[self.dice.below(LAYOUTS.len() as i64) as usize];
        let (is_dead, is_calm) = (self.dice.below(4) == 0, self.dice.below(2) == 0);
        let times = burst(&mut self.dice, &mut self.used);
        let mut rows = Vec::new();
        for time in times {
            let mut cells = Vec::new();
            for (point, kind) in layout {
                if self.dice.below(10) == 0 {
                    cells.push(None);
                    continue;
                }
                let is_bad = is_dead || self.dice.below(8) == 0;
                let value = (!is_bad).then(|| self.value(*kind, is_calm));
                self.said.entry(point).or_default().insert(time, (*kind, value.clone()));
                cells.push(Some(value));
            }
            rows.push((time, cells));
        }
        (name, layout, rows)
    }
}

fn number(said: &Said) -> f64 {
    match said {
        Said::Scaled(integer, decimals) => kouan_protocol::unscale(*integer, *decimals),
        Said::Double(number) => *number,
        Said::Count(count) => *count as f64,
        Said::Word(_) => panic!("a word"),
    }
}

/// The windows as a plain count tells them: states, then figures, then texts of each time.
fn counted(readings: &Readings, step: i64) -> Vec<(i64, Aggregate)> {
    let start = |time: i64| time.div_euclid(step) * step;
    let of = |wanted: &[PointKind]| -> Vec<(i64, Option<Said>)> {
        let found = readings.iter().filter(|(_, (kind, _))| wanted.contains(kind));
        found.map(|(time, (_, said))| (*time, said.clone())).collect()
    };
    let word = |said: &Option<Said>| -> Option<String> {
        match said {
            Some(Said::Word(word)) => Some(word.to_string()),
            _ => None,
        }
    };
    let words = |kind| -> Vec<(i64, Option<String>)> {
        of(&[kind]).into_iter().map(|(time, said)| (time, word(&said))).collect()
    };
    let (states, texts) = (words(PointKind::State), words(PointKind::Text));
    let numbers: Vec<(i64, Said)> = of(&[PointKind::Measurement, PointKind::Counter])
        .into_iter()
        .filter_map(|(time, said)| Some((time, said?)))
        .collect();
    let starts = |times: &mut dyn Iterator<Item = i64>| -> BTreeSet<i64> { times.map(start).collect() };
    let mut windows = Vec::new();
    let summary = |list: &[(i64, Option<String>)], at: i64| {
        let own: Vec<_> = list.iter().filter(|(time, _)| start(*time) == at).map(|(_, word)| word).collect();
        let count = own.iter().filter(|word| word.is_some()).count() as u64;
        let changes = own.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64;
        (count, changes, own[0].clone(), own[own.len() - 1].clone())
    };
    for at in starts(&mut states.iter().map(|(time, _)| *time)) {
        let (count, changes, first, last) = summary(&states, at);
        let mut spent: BTreeMap<Option<String>, i64> = BTreeMap::new();
        for (place, (time, word)) in states.iter().enumerate() {
            let end = states.get(place + 1).map_or(NOW, |(next, _)| *next);
            let ms = end.min(at + step) - (*time).max(at);
            if ms > 0 {
                *spent.entry(word.clone()).or_default() += ms;
            }
        }
        windows.push((at, Aggregate::Words { count, changes, first, last, spent_ms: spent.into_iter().collect() }));
    }
    for at in starts(&mut numbers.iter().map(|(time, _)| *time)) {
        let own: Vec<_> = numbers.iter().filter(|(time, _)| start(*time) == at).map(|(_, said)| said).collect();
        let counts: Option<Vec<i128>> = own
            .iter()
            .map(|said| if let Said::Count(count) = said { Some(i128::from(*count)) } else { None })
            .collect();
        let figures = match counts {
            Some(all) => [all.iter().min().copied(), all.iter().max().copied(), Some(all.iter().sum())]
                .map(|whole| Figure::Whole(whole.unwrap()))
                .into_iter()
                .chain([Figure::Whole(all[0]), Figure::Whole(all[all.len() - 1])])
                .collect::<Vec<_>>(),
            None => {
                let all: Vec<f64> = own.iter().map(|said| number(said)).collect();
                let (least, most) = (f64::min, f64::max);
                let fold = |pick: fn(f64, f64) -> f64| all.iter().copied().reduce(pick).unwrap();
                [fold(least), fold(most), all.iter().sum(), all[0], all[all.len() - 1]].map(Figure::Number).to_vec()
            }
        };
        let [min, max, sum, first, last] = figures[..] else { panic!("five figures") };
        windows.push((at, Aggregate::Numbers { count: own.len() as u64, min, max, sum, first, last }));
    }
    for at in starts(&mut texts.iter().map(|(time, _)| *time)) {
        let (count, changes, first, last) = summary(&texts, at);
        windows.push((at, Aggregate::Texts { count, changes, first, last }));
    }
    windows.sort_by_key(|(at, _)| *at);
    windows
}

/// Sums of many numbers differ by what adding rounds off; all else is exact.
fn is_same(told: &(i64, Aggregate), counted: &(i64, Aggregate)) -> bool {
    let (
        (at, Aggregate::Numbers { count, min, max, sum: Figure::Number(sum), first, last }),
        (
            other,
            Aggregate::Numbers { sum: Figure::Number(wanted), min: low, max: high, first: begin, last: end, count: n },
        ),
    ) = (told, counted)
    else {
        return told == counted;
    };
    let size = *n as f64 * (low.as_f64().abs() + high.as_f64().abs());
    (at, count, min, max, first, last) == (other, n, low, high, begin, end)
        && (sum - wanted).abs() <= 4.0 * *n as f64 * f64::EPSILON * size
}

fn check(engine: &Engine, source: &Source, steps: &[i64], what: &str) {
    for (point, readings) in &source.said {
        for step in steps {
            let (_, told) = engine.windows(point, *step, 2);
            let wanted = counted(readings, *step);
            let are_same =
                told.len() == wanted.len() && told.iter().zip(&wanted).all(|(own, wanted)| is_same(own, wanted));
            assert!(are_same, "{what}: {point} at {step} ms is\n{told:?}\nand not\n{wanted:?}");
        }
    }
}

#[test]
fn every_level_says_what_the_readings_say_of_every_kind_over_midnight() {
    let steps = [7_000, MINUTE, HOUR, 24 * HOUR, 48 * HOUR];
    for seed in 1..=12_u64 {
        let (mut source, mut engine) = (Source::of(seed), Engine::new());
        for round in 0..3 {
            for _ in 0..=source.dice.below(4) {
                let (name, layout, rows) = source.rows();
                engine.seal(("sensor", name), layout, &rows);
            }
            check(&engine, &source, &steps, &format!("seed {seed}, round {round}, as it came"));
            engine.sum_up();
            check(&engine, &source, &steps, &format!("seed {seed}, round {round}, summed up"));
        }
        for point in POINTS {
            let (levels, windows) = engine.windows(point, HOUR, 2);
            assert!(windows.is_empty() || levels == ["1h"], "seed {seed}: {point} is made of {levels:?}");
        }
        // The hours hold all of it also when the readings are gone.
        engine.files.partitions.remove(DAY);
        engine.files.partitions.remove(DAY + 1);
        check(&engine, &source, &[HOUR, 24 * HOUR, 48 * HOUR], &format!("seed {seed}, readings gone"));
    }
}

#[test]
fn a_range_of_nothing_but_bad_readings_is_told_as_bad_by_all_levels() {
    let mut engine = Engine::new();
    let (start, kind) = (day_ms(DAY), PointKind::State);
    let row =
        |minute: i64, word: Option<&str>| (start + minute * MINUTE, vec![Some(word.map(|it| Said::Word(it.into())))]);
    let mut rows = vec![row(9 * 60, Some("mains")), row(9 * 60 + 50, Some("battery"))];
    rows.extend((1..600).map(|at| row(10 * 60 + at * 5, None)));
    engine.seal(("sensor", "ups"), &[("mode", kind)], &rows);
    let asked = |engine: &Engine, from: i64, to: i64| {
        let (from, to) = (Timestamp(start + from * HOUR), Timestamp(start + to * HOUR));
        let (spans, point, now) = (vec![Engine::span()], "mode".parse().unwrap(), Timestamp(NOW));
        let query = WindowsQuery { spans, point, from, to, resolution: Resolution(HOUR), now };
        engine.files.windows(&query).unwrap().windows
    };
    let questions = [(10, 11), (8, 12), (24, 36), (0, 48)];
    let raw = questions.map(|(from, to)| asked(&engine, from, to));
    let [(_, Aggregate::Words { count: 0, first: None, spent_ms, .. })] = &raw[0][..] else { panic!("{:?}", raw[0]) };
    assert_eq!(spent_ms, &[(None, 55 * MINUTE)]);
    engine.sum_up();
    assert_eq!(questions.map(|(from, to)| asked(&engine, from, to)), raw);
    // The day after the failure is not one on battery.
    let spent = raw[3].iter().filter(|(at, _)| *at >= day_ms(DAY + 1)).map(|(_, window)| window);
    for window in spent {
        let Aggregate::Words { spent_ms, .. } = window else { panic!("states") };
        assert!(spent_ms.iter().all(|(word, _)| word.is_none()), "{spent_ms:?}");
    }
}

#[test]
fn what_is_said_again_of_a_time_is_counted_once_wherever_it_stands() {
    let mut engine = Engine::new();
    for value in [1, 2, 1, 2, 3] {
        let row = (day_ms(DAY), vec![Some(Some(Said::Count(value)))]);
        engine.seal(("sensor", "counts"), &[("c", PointKind::Counter)], &[row]);
    }
    let raw = engine.windows("c", HOUR, 1).1;
    engine.sum_up();
    let (levels, windows) = engine.windows("c", HOUR, 1);
    assert_eq!((levels, &windows), (vec!["1h"], &raw));
    let Aggregate::Numbers { count: 3, sum: Figure::Whole(6), .. } = windows[0].1 else { panic!("{windows:?}") };
}

#[test]
fn a_sum_between_whole_extremes_keeps_its_parts() {
    let mut engine = Engine::new();
    let values = [Said::Scaled(0, 0), Said::Scaled(4, 1), Said::Scaled(1, 0), Said::Scaled(0, 0)];
    let row = |at: i64, value: &Said| (day_ms(DAY) + at * 15 * MINUTE, vec![Some(Some(value.clone()))]);
    let rows: Vec<Row> = (0..96).zip(values.iter().cycle()).map(|(at, value)| row(at, value)).collect();
    engine.seal(("sensor", "valve"), &[("position", PointKind::Measurement)], &rows);
    engine.sum_up();
    let (levels, windows) = engine.windows("position", HOUR, 1);
    assert_eq!((levels, windows.len()), (vec!["1h"], 24));
    for (_, window) in windows {
        let Aggregate::Numbers { sum, .. } = window else { panic!("numbers") };
        assert_eq!(sum, Figure::Number(1.4));
    }
}

#[test]
fn sums_of_texts_are_small_however_many_texts_there_are() {
    let mut engine = Engine::new();
    let text = |at: i64| -> Arc<str> { format!("{at}: {}", "something else ".repeat((at % 7) as usize)).into() };
    let rows: Vec<Row> =
        (0..10_000).map(|at| (day_ms(DAY) + at * 2_000, vec![Some(Some(Said::Word(text(at))))])).collect();
    engine.seal(("sensor", "log"), &[("line", PointKind::Text)], &rows);
    let raw = engine.windows("line", HOUR, 1).1;
    engine.sum_up();
    let (levels, windows) = engine.windows("line", HOUR, 1);
    assert_eq!((levels, &windows), (vec!["1h"], &raw));
    let wanted = Aggregate::Texts {
        count: 1_800,
        changes: 1_799,
        first: Some(text(1_800).to_string()),
        last: Some(text(3_599).to_string()),
    };
    assert_eq!(windows[1].1, wanted);
    let path = crate::telemetry::rollup::levels::LevelFile::Hours.path(engine.folder.path(), DAY);
    let conn = rusqlite::Connection::open(path).unwrap();
    let bytes: i64 = conn.query_row("SELECT sum(length(body)) FROM windows", [], |row| row.get(0)).unwrap();
    assert!(bytes < 1_000, "{bytes} bytes for six hours");
}
