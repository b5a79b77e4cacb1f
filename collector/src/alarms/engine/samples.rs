//! Numbers of the last while, for rules about how quickly they change.

use std::collections::{HashMap, VecDeque};

use kouan_protocol::Value;

use crate::alarms::judge::Rise;
use crate::state::DeviceId;

/// Most numbers that are kept of a point; closer ones are left out.
const MOST: i64 = 256;

struct Numbers {
    /// The time for which they are kept; another rule may look at another time.
    within_ms: i64,
    /// Whether only steps up count: it is a counter, which may begin anew.
    is_counter: bool,
    numbers: VecDeque<(i64, f64)>,
}

/// The numbers of points, by device and name, once for each time that a rule looks at.
#[derive(Default)]
pub(super) struct Samples(HashMap<DeviceId, HashMap<String, Vec<Numbers>>>);

impl Samples {
    /// Takes a number that was read at `time_ms`; what is older than `within_ms` before `now_ms` is forgotten.
    pub(super) fn take(
        &mut self,
        device: &DeviceId,
        point: &str,
        value: &Value,
        (time_ms, now_ms, within_ms): (i64, i64, i64),
    ) {
        let Some(number) = value.as_f64() else { return };
        let of_device = self.0.entry(device.clone()).or_default();
        if !of_device.contains_key(point) {
            of_device.insert(point.to_owned(), Vec::new());
        }
        let Some(of_point) = of_device.get_mut(point) else { return };
        if !of_point.iter().any(|known| known.within_ms == within_ms) {
            let is_counter = matches!(value, Value::Integer(_));
            of_point.push(Numbers { within_ms, is_counter, numbers: VecDeque::new() });
        }
        let Some(known) = of_point.iter_mut().find(|known| known.within_ms == within_ms) else { return };
        let last = known.numbers.back().copied();
        if last.is_some_and(|(last, _)| time_ms <= last) {
            return;
        }
        // The last one gives way if it was close to the one before it, so that those that stay lie apart.
        let before_last = known.numbers.len().checked_sub(2).and_then(|at| known.numbers.get(at)).copied();
        if let (Some((before_ms, _)), Some((last_ms, _))) = (before_last, last)
            && last_ms - before_ms < within_ms / MOST
        {
            known.numbers.pop_back();
        }
        known.numbers.push_back((time_ms, number));
        while known.numbers.get(1).is_some_and(|(second, _)| *second <= now_ms.saturating_sub(within_ms)) {
            known.numbers.pop_front();
        }
    }

    /// Forgets a device: nobody knows what happened meanwhile.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }

    /// What the number did since `from_ms`, which is `within_ms` ago.
    pub(super) fn rise(&self, device: &DeviceId, point: &str, from_ms: i64, within_ms: i64) -> Option<Rise> {
        let known = self.0.get(device)?.get(point)?.iter().find(|known| known.within_ms == within_ms)?;
        let passed = known.numbers.partition_point(|(time, _)| *time <= from_ms);
        let begin = passed.saturating_sub(1);
        let is_whole = known.numbers.front().is_some_and(|(time, _)| *time <= from_ms);
        let within: Vec<f64> = known.numbers.range(begin..).map(|(_, number)| *number).collect();
        let rise = if known.is_counter {
            within.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0)).sum()
        } else {
            within.last()? - within.first()?
        };
        let next_ms = known.numbers.get(passed).map(|(time, _)| time.saturating_add(within_ms));
        Some(Rise { by: rise, is_whole, next_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risen(values: &[(i64, Value)], from: i64) -> Option<(f64, bool)> {
        let (mut samples, device) = (Samples::default(), DeviceId::new("d-1"));
        for (time, value) in values {
            samples.take(&device, "p", value, (*time, *time, 1_000));
        }
        samples.rise(&device, "p", from, 1_000).map(|rise| (rise.by, rise.is_whole))
    }

    #[test]
    fn what_holds_at_the_beginning_of_the_time_counts() {
        let numbers = [(0, Value::Number(20.0)), (500, Value::Number(24.0)), (900, Value::Number(22.0))];
        assert_eq!(risen(&numbers, 100), Some((2.0, true)));
        assert_eq!(risen(&numbers, 500), Some((-2.0, true)));
        assert_eq!(risen(&numbers, -1), Some((2.0, false)));
    }

    #[test]
    fn a_counter_that_begins_anew_has_not_fallen() {
        let numbers = [(0, 7), (300, 9), (600, 1), (900, 4)].map(|(time, number)| (time, Value::Integer(number)));
        assert_eq!(risen(&numbers, 0), Some((5.0, true)));
    }

    #[test]
    fn a_short_time_and_a_long_one_do_not_disturb_each_other() {
        let (mut samples, device) = (Samples::default(), DeviceId::new("d-1"));
        for time in (0..=20_000).step_by(10) {
            for within in [100, 10_000] {
                samples.take(&device, "p", &Value::Number(f64::from(time)), (time.into(), time.into(), within));
            }
        }
        let next_ms = Some(20_010);
        assert_eq!(samples.rise(&device, "p", 19_900, 100), Some(Rise { by: 100.0, is_whole: true, next_ms }));
        let rise = samples.rise(&device, "p", 10_000, 10_000).unwrap();
        assert!(rise.is_whole && (rise.by - 10_000.0).abs() < 100.0, "{rise:?}");
    }

    #[test]
    fn many_numbers_stay_few() {
        let (mut samples, device) = (Samples::default(), DeviceId::new("d-1"));
        for time in 0..100_000 {
            samples.take(&device, "p", &Value::Number(time as f64), (time, time, 10_000));
        }
        let kept = samples.0[&device]["p"][0].numbers.len();
        assert!(kept <= 2 * MOST as usize, "{kept}");
        let rise = samples.rise(&device, "p", 90_000, 10_000).unwrap();
        assert!(rise.is_whole && (rise.by - 9_999.0).abs() < 100.0, "{rise:?}");
    }
}
