//! A device that changed its class, and readings that are gone: sums that know more than what is left stay as they are.

use kouan_protocol::PointKind;

use super::engine::{DAY, Engine, Row, Said};
use crate::telemetry::day_ms;
use crate::telemetry::partition_path;
use crate::telemetry::retention::{KeepClass, Retention};
use crate::telemetry::rollup::{Aggregate, Figure};

const HOUR: i64 = 3_600_000;

fn rows(hours: std::ops::Range<i64>) -> Vec<Row> {
    hours.map(|hour| (day_ms(DAY) + hour * HOUR, vec![Some(Some(Said::Count(1 << hour)))])).collect()
}

impl Engine {
    fn bring(&mut self, class: &str, hours: std::ops::Range<i64>) {
        self.seal((class, "counts"), &[("c", PointKind::Counter)], &rows(hours));
    }

    /// Readings of a class go out of the day, as those do that are kept no longer.
    fn take_out(&self, class: &str) {
        let conn = rusqlite::Connection::open(partition_path(self.folder.path(), DAY)).unwrap();
        let taken =
            conn.execute("DELETE FROM chunks WHERE group_id IN (SELECT id FROM groups WHERE class = ?1)", [class]);
        assert!(taken.unwrap() > 0);
    }

    fn total(&self) -> i128 {
        let (levels, windows) = self.windows("c", HOUR, 1);
        assert_eq!(levels, ["1h"]);
        let sum = windows.into_iter().map(|(_, window)| match window {
            Aggregate::Numbers { sum: Figure::Whole(sum), .. } => sum,
            other => panic!("{other:?}"),
        });
        sum.sum()
    }
}

/// Cameras for five days; the tests look at a day ten days ago.
fn few_cameras() -> Retention {
    let camera = KeepClass { days: Some(5), ..KeepClass::default() };
    Retention { classes: [("camera".to_owned(), camera)].into(), ..Retention::default() }
}

const fn bits(hours: std::ops::Range<i64>) -> i128 {
    (1 << hours.end) - (1 << hours.start)
}

#[test]
fn the_day_of_a_change_of_class_keeps_both_halves() {
    for is_configured in [true, false] {
        let mut engine = Engine::new();
        engine.bring("camera", 0..8);
        engine.bring("plate-camera", 8..16);
        engine.sum_up();
        assert_eq!(engine.total(), bits(0..16));
        engine.take_out("camera");
        // What is kept may be configured otherwise since; that the readings are gone says enough.
        let mut engine = engine.again_with(if is_configured { few_cameras() } else { Retention::default() }, vec![]);
        engine.bring("plate-camera", 20..21);
        engine.sum_up();
        assert_eq!(engine.total(), bits(0..16), "the first half of the day is only in the sums");
        // Late readings of the class that went do not stand for all that it brought.
        let mut engine = engine.again_with(few_cameras(), vec![]);
        engine.bring("camera", 22..23);
        engine.bring("plate-camera", 23..24);
        engine.sum_up();
        assert_eq!(engine.total(), bits(0..16));
    }
}

#[test]
fn a_change_of_class_is_summed_up_again_while_the_readings_are_there() {
    let mut engine = Engine::keeping(Retention::default());
    engine.bring("camera", 0..8);
    engine.sum_up();
    engine.bring("plate-camera", 8..16);
    engine.sum_up();
    engine.bring("camera", 16..20);
    engine.sum_up();
    assert_eq!(engine.total(), bits(0..20));
}
