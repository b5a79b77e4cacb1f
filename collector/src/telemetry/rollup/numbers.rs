//! What the numbers of a window come to.

use kouan_protocol::Value;

use super::window::Window;

/// A sum that keeps what each addition rounds off (Neumaier's), so that it is the same in whatever parts it is made.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct Total {
    sum: f64,
    rest: f64,
}

impl Total {
    pub(in crate::telemetry) fn of(number: f64) -> Self {
        Self { sum: number, rest: 0.0 }
    }

    fn add(&mut self, more: &Self) {
        let sum = self.sum + more.sum;
        let (large, small) = if self.sum.abs() >= more.sum.abs() { (self.sum, more.sum) } else { (more.sum, self.sum) };
        self.rest += (large - sum) + small + more.rest;
        self.sum = sum;
    }

    /// The sum, rounded once.
    pub(in crate::telemetry) fn value(self) -> f64 {
        let sum = self.sum + self.rest;
        // Beyond what an `f64` holds there is no rest.
        if sum.is_nan() { self.sum } else { sum }
    }
}

/// Two are the same when they say the same.
impl PartialEq for Total {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

/// Measurements of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::telemetry) struct Numbers {
    pub(in crate::telemetry) count: u64,
    pub(in crate::telemetry) min: f64,
    pub(in crate::telemetry) max: f64,
    pub(in crate::telemetry) total: Total,
    pub(in crate::telemetry) first: f64,
    pub(in crate::telemetry) last: f64,
}

impl Numbers {
    fn one(number: f64) -> Self {
        Self { count: 1, min: number, max: number, total: Total::of(number), first: number, last: number }
    }

    fn take(&mut self, more: &Self) {
        self.count = self.count.saturating_add(more.count);
        self.min = self.min.min(more.min);
        self.max = self.max.max(more.max);
        self.total.add(&more.total);
        self.last = more.last;
    }
}

/// What a counter said in a window. Counters have more digits than an `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) struct Counts {
    pub(in crate::telemetry) count: u64,
    pub(in crate::telemetry) min: i64,
    pub(in crate::telemetry) max: i64,
    pub(in crate::telemetry) sum: i128,
    pub(in crate::telemetry) first: i64,
    pub(in crate::telemetry) last: i64,
}

impl Counts {
    fn one(number: i64) -> Self {
        Self { count: 1, min: number, max: number, sum: number.into(), first: number, last: number }
    }

    fn take(&mut self, more: &Self) {
        self.count = self.count.saturating_add(more.count);
        self.min = self.min.min(more.min);
        self.max = self.max.max(more.max);
        self.sum = self.sum.saturating_add(more.sum);
        self.last = more.last;
    }
}

/// Numbers of a window, exact where all of them were whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::telemetry) enum Figures {
    Numbers(Numbers),
    Counts(Counts),
}

impl Figures {
    /// A window of one reading; `None` if it is no number.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(integer) => Some(Self::Counts(Counts::one(*integer))),
            Value::Number(number) => Some(Self::Numbers(Numbers::one(*number))),
            Value::Text(_) => None,
        }
    }

    fn numbers(&self) -> Numbers {
        match self {
            Self::Numbers(numbers) => *numbers,
            Self::Counts(Counts { count, min, max, sum, first, last }) => Numbers {
                count: *count,
                min: *min as f64,
                max: *max as f64,
                total: Total::of(*sum as f64),
                first: *first as f64,
                last: *last as f64,
            },
        }
    }
}

impl Window for Figures {
    fn join(&mut self, _after_ms: i64, later: Self) {
        if let (Self::Counts(own), Self::Counts(more)) = (&mut *self, &later) {
            own.take(more);
            return;
        }
        // A point that was a counter and a measurement within one window.
        let mut numbers = self.numbers();
        numbers.take(&later.numbers());
        *self = Self::Numbers(numbers);
    }

    fn moved(self, _by_ms: i64) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(numbers: impl IntoIterator<Item = f64>) -> f64 {
        let mut total = Total::of(0.0);
        numbers.into_iter().for_each(|number| total.add(&Total::of(number)));
        total.value()
    }

    #[test]
    fn additions_round_nothing_off() {
        assert_eq!(total(std::iter::repeat_n(0.1, 1_000_000)), 100_000.0);
        assert_eq!(total([1e16, 1.0, -1e16, 1.0]), 2.0);
        assert_eq!(total([f64::MAX, f64::MAX]), f64::INFINITY);
        let mut parts = Total::of(1e16);
        let mut later = Total::of(1.0);
        later.add(&Total::of(-1e16));
        parts.add(&later);
        assert_eq!(parts.value(), 1.0);
    }

    #[test]
    fn counters_are_exact_until_a_measurement_comes_among_them() {
        let mut window = Figures::of(&Value::Integer(i64::MAX)).unwrap();
        for number in [i64::MAX - 1, 3] {
            window.join(0, Figures::of(&Value::Integer(number)).unwrap());
        }
        let sum = 2 * i128::from(i64::MAX) + 2;
        let wanted = Counts { count: 3, min: 3, max: i64::MAX, sum, first: i64::MAX, last: 3 };
        assert_eq!(window, Figures::Counts(wanted));
        window.join(0, Figures::of(&Value::Number(0.5)).unwrap());
        let Figures::Numbers(numbers) = window else { panic!("numbers") };
        assert_eq!((numbers.count, numbers.min, numbers.last), (4, 0.5, 0.5));
        assert_eq!(numbers.total.value(), sum as f64);
    }
}
