//! What is written is what is read.

use kouan_protocol::{PointKind, Value};

use super::*;
use crate::telemetry::rollup::numbers::{Counts, Figures, Numbers};
use crate::telemetry::rollup::window::{Sums, Windows};

fn windows(kind: PointKind, value: impl Fn(i64) -> Option<Value>) -> Sums {
    let mut windows = Windows::new(60_000);
    (0..3_000).for_each(|at| windows.take(at * 10_007, kind, value(at).as_ref()));
    windows.into_sums()
}

#[test]
fn windows_come_back_as_they_were() {
    let decimal = windows(PointKind::Measurement, |at| Some(Value::Number((2300 + at * 31 % 17) as f64 / 10.0)));
    let odd = windows(PointKind::Measurement, |at| Some(Value::Number((at as f64).sin())));
    let counter = windows(PointKind::Counter, |at| Some(Value::Integer(i64::MAX - at % 7)));
    let word = |at: i64| (at % 40 != 7).then(|| Value::text(["a", "b"][(at / 9 % 2) as usize]));
    let (states, texts) = (windows(PointKind::State, word), windows(PointKind::Text, word));
    let mut changed = decimal.clone();
    changed.extend(states.clone());
    changed.extend(texts.clone());
    let columns = vec![decimal, Sums::default(), odd, counter, states, texts, changed];
    let bytes = encode(&columns);
    for (at, wanted) in columns.iter().enumerate() {
        let told = decode_column(&bytes, at, PointKind::Measurement).unwrap();
        assert_eq!((&told.states, &told.texts), (&wanted.states, &wanted.texts));
        assert_eq!(told.figures.len(), wanted.figures.len());
        for ((start, own), (other, wanted)) in told.figures.iter().zip(&wanted.figures) {
            assert_eq!(start, other);
            match (own, wanted) {
                (Figures::Numbers(own), Figures::Numbers(wanted)) => {
                    let error = (own.total.value() - wanted.total.value()).abs();
                    assert!(error <= f64::EPSILON * 2.0 * wanted.count as f64 * wanted.max.abs().max(wanted.min.abs()));
                    assert_eq!(Figures::Numbers(*own), Figures::Numbers(Numbers { total: own.total, ..*wanted }));
                }
                _ => assert_eq!(own, wanted),
            }
        }
    }
    check(&bytes, columns.len()).unwrap();
    assert!(check(&bytes, columns.len() + 1).is_err());
    for length in (0..bytes.len()).step_by(97) {
        for column in 0..columns.len() {
            let _ = decode_column(&bytes[..length], column, PointKind::State);
        }
    }
}

#[test]
fn a_sum_has_the_decimals_of_its_readings_and_not_those_of_the_extremes() {
    let mut windows = Windows::new(3_600_000);
    for hour in 0..24 {
        for (minute, number) in [(0, 0.0), (10, 0.4), (20, 1.0), (30, 0.0)] {
            let time = (hour * 60 + minute) * 60_000;
            windows.take(time, PointKind::Measurement, Some(&Value::Number(number)));
        }
    }
    let sums = decode_column(&encode(&[windows.into_sums()]), 0, PointKind::Measurement).unwrap();
    assert_eq!(sums.figures.len(), 24);
    for (_, figures) in sums.figures {
        let Figures::Numbers(numbers) = figures else { panic!("numbers") };
        assert_eq!((numbers.max, numbers.total.value()), (1.0, 1.4));
    }
}

#[test]
fn sums_of_counters_are_exact() {
    let small = Counts { count: 2, min: -5, max: 7, sum: 2, first: 7, last: -5 };
    let large = Counts { count: 9, min: i64::MIN, max: i64::MAX, sum: i128::from(i64::MIN) * 9 + 1, first: 0, last: 1 };
    let negative = Counts { sum: -1, ..small };
    for counts in [vec![small], vec![small, large, negative]] {
        let figures: Vec<_> = (0..).zip(counts).map(|(at, counts)| (at * 60_000, Figures::Counts(counts))).collect();
        let sums = Sums { figures, ..Sums::default() };
        assert_eq!(decode_column(&encode(std::slice::from_ref(&sums)), 0, PointKind::Counter).unwrap(), sums);
    }
}

#[test]
fn a_state_that_is_never_the_same_is_summed_up_as_a_text() {
    let word = |length: usize| windows(PointKind::State, move |at| Some(Value::text(&format!("{at:length$}"))));
    let kept = word(9);
    assert_eq!(decode_column(&encode(std::slice::from_ref(&kept)), 0, PointKind::State).unwrap(), kept);
    let told = decode_column(&encode(&[word(500)]), 0, PointKind::State).unwrap();
    assert_eq!((told.states.len(), told.texts.len()), (0, kept.states.len()));
    assert_eq!(told.texts[3].1.count, kept.states[3].1.count);
}
