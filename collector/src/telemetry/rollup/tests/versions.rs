//! Sums that an earlier version made.

use kouan_protocol::PointKind;

use super::engine::{DAY, Dice, Engine, Said};
use crate::telemetry::integers::{self, put_part, put_varint};
use crate::telemetry::retention::Retention;
use crate::telemetry::rollup::levels::{LevelFile, VERSION};
use crate::telemetry::rollup::{Aggregate, Figure};
use crate::telemetry::{check, day_ms};

const HOUR: i64 = 3_600_000;

#[test]
fn days_that_were_summed_up_in_an_earlier_way_are_summed_up_again() {
    let mut dice = Dice::of(9);
    let mut engine = Engine::new();
    let start = day_ms(DAY);
    engine.burst(&("climate", &["p"], (0..600).map(|row| start + row * 1_000).collect()), &mut dice);
    engine.sum_up();
    // As an earlier version left it: minutes that lack what came in another layout.
    engine.burst(&("climate", &["p", "q"], (0..9).map(|row| start + row * 3_600_000).collect()), &mut dice);
    engine.index.execute_batch("DELETE FROM dirty; UPDATE rolled SET version = 0").unwrap();
    let mut engine = engine.again();
    engine.check("before");
    engine.sum_up();
    engine.check("after");
    let version: i64 = engine.index.query_row("SELECT version FROM rolled", [], |row| row.get(0)).unwrap();
    assert_eq!(version, VERSION);
}

/// One hour of 0, 0.4, 1, 0 as the first version wrote it: the sum has the decimals of the extremes.
fn rounded() -> Vec<u8> {
    let mut column = vec![1, 0];
    put_varint(&mut column, 1);
    for field in [day_ms(DAY), 4, 0, 1, 0, 0] {
        put_part(&mut column, &integers::encode(&[field]));
    }
    column.push(1);
    put_part(&mut column, &integers::encode(&[1]));
    let mut out = vec![1];
    put_varint(&mut out, 1);
    put_part(&mut out, &column);
    out
}

/// A day as the first version left it.
fn of_the_first_version() -> Engine {
    let mut engine = Engine::new();
    let values = [Said::Scaled(0, 0), Said::Scaled(4, 1), Said::Scaled(1, 0), Said::Scaled(0, 0)];
    let rows: Vec<_> =
        (0..).zip(values).map(|(at, said)| (day_ms(DAY) + at * 60_000, vec![Some(Some(said))])).collect();
    engine.seal(("sensor", "valve"), &[("position", PointKind::Measurement)], &rows);
    engine.sum_up();
    let path = LevelFile::Hours.path(engine.folder.path(), DAY);
    let conn = rusqlite::Connection::open(path).unwrap();
    let body = rounded();
    conn.execute("UPDATE windows SET body = ?1, checksum = ?2", rusqlite::params![body, crc32fast::hash(&body)])
        .unwrap();
    engine.index.execute_batch("UPDATE rolled SET version = 1").unwrap();
    engine
}

fn sum(engine: &Engine) -> (Vec<&'static str>, f64) {
    let (levels, windows) = engine.windows("position", HOUR, 1);
    let [(_, Aggregate::Numbers { count: 4, sum: Figure::Number(sum), .. })] = windows[..] else {
        panic!("{windows:?}")
    };
    (levels, sum)
}

#[test]
fn rounded_sums_are_made_again_of_readings_that_are_there() {
    let mut engine = of_the_first_version().again();
    assert_eq!(sum(&engine), (vec!["raw"], 1.4));
    engine.sum_up();
    assert_eq!(sum(&engine), (vec!["1h"], 1.4));
}

#[test]
fn rounded_sums_of_readings_that_are_gone_are_told_as_they_are() {
    let engine = of_the_first_version();
    engine.files.partitions.remove(DAY);
    std::fs::remove_file(crate::telemetry::partition_path(engine.folder.path(), DAY)).unwrap();
    let mut engine = engine.again();
    engine.sum_up();
    assert_eq!(sum(&engine), (vec!["1h"], 1.0));
    let report = check(engine.folder.path()).unwrap();
    assert!(report.problems.is_empty() && report.sums > 0, "{:?}", report.problems);
}

#[test]
fn rounded_sums_of_a_damaged_day_are_told_and_not_what_is_left_of_it() {
    let engine = of_the_first_version();
    let conn = rusqlite::Connection::open(crate::telemetry::partition_path(engine.folder.path(), DAY)).unwrap();
    conn.execute("DELETE FROM chunks", []).unwrap();
    let mut engine = engine.again_with(Retention::default(), vec![DAY]);
    engine.sum_up();
    assert_eq!(sum(&engine), (vec!["1h"], 1.0));
}
