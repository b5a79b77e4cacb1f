//! Whether a condition holds for a device.

use kouan_protocol::{HealthLevel, Value};

use crate::alarms::rule::{Is, Pattern, Test};

/// The latest reading of a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The value; `None` where there is none that may be acted upon.
    pub value: Option<Value>,
    /// When it was read, in milliseconds.
    pub time_ms: i64,
}

/// What a number did in a time up to now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// By how much it rose; of a counter only steps up count.
    pub by: f64,
    /// Whether it is known for the whole time.
    pub is_whole: bool,
    /// When that changes although nothing more is read, in milliseconds: what was read falls out of the time.
    pub next_ms: Option<i64>,
}

/// What a judge can see of a device.
pub trait View {
    /// Now, in milliseconds.
    fn now_ms(&self) -> i64;
    /// Since when absence counts: before, nobody looked or nothing was expected.
    fn watched_since_ms(&self) -> i64;
    /// Calls `visit` for each point of the pattern.
    fn points(&self, pattern: &Pattern, visit: &mut dyn FnMut(&str, &Reading));
    /// The unit of a point.
    fn unit(&self, point: &str) -> String;
    /// When one of these points was read last, with a value; of any point for `None`.
    fn last_read_ms(&self, points: Option<&Pattern>) -> Option<i64>;
    /// How the device is, if that is known.
    fn health(&self) -> Option<HealthLevel>;
    /// When something of that kind happened last.
    fn last_event_ms(&self, kind: &str) -> Option<i64>;
    /// What a number did since `from_ms`.
    fn rise(&self, point: &str, from_ms: i64) -> Option<Rise>;
}

/// What made a condition hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cause {
    /// The point; empty for none.
    pub point: String,
    /// Its value.
    pub value: Option<Value>,
    /// Its unit.
    pub unit: String,
}

/// What a judge says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    /// Whether it holds; `None`: that is not known.
    pub holds: Option<bool>,
    /// By what, if it holds.
    pub cause: Cause,
    /// When it may change although nothing happens, in milliseconds.
    pub due_ms: Option<i64>,
}

impl Judged {
    fn of(holds: Option<bool>) -> Self {
        Self { holds, ..Self::default() }
    }

    fn sooner(&mut self, other: Option<i64>) {
        self.due_ms = match (self.due_ms, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Judges `test`. `raised` is whether the alarm stands, for limits that end elsewhere than they begin; `only` is the one
/// point that counts where the pattern of the whole test stands for several.
pub fn judge(test: &Test, view: &dyn View, raised: bool, only: Option<&str>) -> Judged {
    match test {
        Test::Point { name, is } => {
            any_point(view, name, only, |_, reading| Some(fits(is, reading.value.as_ref()?, raised)))
        }
        Test::Health(worst) => Judged::of(view.health().map(|level| match level {
            // What is out of service on purpose, or is worked on, is no fault.
            HealthLevel::Disabled | HealthLevel::Maintenance => false,
            level => level <= *worst,
        })),
        Test::Rises { name, by, within_ms } => {
            let from = view.now_ms().saturating_sub(*within_ms);
            let mut next = Judged::default();
            let mut judged = any_point(view, name, only, |point, _| {
                let rise = view.rise(point, from)?;
                next.sooner(rise.next_ms);
                let holds = if *by < 0.0 { rise.by <= *by } else { rise.by >= *by };
                // Before the whole time was watched nobody knows that it did not.
                (holds || rise.is_whole).then_some(holds)
            });
            judged.sooner(next.due_ms);
            judged
        }
        Test::RisesLess { name, than, within_ms } => {
            let from = view.now_ms().saturating_sub(*within_ms);
            if view.watched_since_ms() > from {
                let due_ms = Some(view.watched_since_ms().saturating_add(*within_ms));
                return Judged { due_ms, ..Judged::default() };
            }
            let mut next = Judged::default();
            let mut judged = any_point(view, name, only, |point, _| {
                let rise = view.rise(point, from)?;
                next.sooner(rise.next_ms);
                let less = rise.by < *than;
                (!less || rise.is_whole).then_some(less)
            });
            judged.sooner(next.due_ms);
            judged
        }
        Test::NoReading { name, for_ms } => absent(view, view.last_read_ms(name.as_ref()), *for_ms),
        Test::NoEvent { kind, for_ms } => absent(view, view.last_event_ms(kind), *for_ms),
        Test::All(tests) => several(tests, view, raised, only, false),
        Test::Any(tests) => several(tests, view, raised, only, true),
        Test::Not(test) => {
            let judged = judge(test, view, raised, only);
            Judged { holds: judged.holds.map(|holds| !holds), cause: Cause::default(), due_ms: judged.due_ms }
        }
    }
}

/// Absence holds once nothing came for so long; it counts from when somebody looked. It is over once something came; as
/// long as nothing did and nobody looked for long enough, that is not known.
fn absent(view: &dyn View, newest: Option<i64>, for_ms: i64) -> Judged {
    let since = newest.map_or(view.watched_since_ms(), |newest| newest.max(view.watched_since_ms()));
    let due = since.saturating_add(for_ms);
    let holds = view.now_ms() >= due;
    let is_over = newest.is_some_and(|newest| newest >= view.watched_since_ms());
    Judged { holds: (holds || is_over).then_some(holds), cause: Cause::default(), due_ms: (!holds).then_some(due) }
}

/// Whether it holds for any of the points; not known if for none of them anything is known.
fn any_point(
    view: &dyn View,
    pattern: &Pattern,
    only: Option<&str>,
    mut holds: impl FnMut(&str, &Reading) -> Option<bool>,
) -> Judged {
    let mut judged = Judged::default();
    view.points(pattern, &mut |name, reading| {
        if only.is_some_and(|only| only != name) || judged.holds == Some(true) {
            return;
        }
        match holds(name, reading) {
            Some(true) => {
                judged.holds = Some(true);
                judged.cause = Cause { point: name.to_owned(), value: reading.value.clone(), unit: view.unit(name) };
            }
            Some(false) => judged.holds = Some(false),
            None => {}
        }
    });
    judged
}

/// Three-valued: one that is known may decide although others are not.
fn several(tests: &[Test], view: &dyn View, raised: bool, only: Option<&str>, any: bool) -> Judged {
    let mut whole = Judged::of(Some(!any));
    for test in tests {
        let judged = judge(test, view, raised, only);
        whole.sooner(judged.due_ms);
        if judged.holds == Some(true) && whole.cause == Cause::default() {
            whole.cause = judged.cause;
        }
        whole.holds = match (whole.holds, judged.holds) {
            (Some(decided), _) if decided == any => Some(any),
            (_, Some(decides)) if decides == any => Some(any),
            (None, _) | (_, None) => None,
            _ => Some(!any),
        };
    }
    whole
}

fn fits(is: &Is, value: &Value, raised: bool) -> bool {
    let number = value.as_f64();
    let at = |limit: f64, clear: f64| if raised { clear } else { limit };
    match is {
        Is::Above { limit, clear } => number.is_some_and(|number| number > at(*limit, *clear)),
        Is::Below { limit, clear } => number.is_some_and(|number| number < at(*limit, *clear)),
        Is::Beyond { limit, clear } => number.is_some_and(|number| number.abs() > at(*limit, *clear)),
        Is::OneOf(words) => words.contains(&value.to_string()),
        Is::NoneOf(words) => !words.contains(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct Seen {
        now: i64,
        since: i64,
        points: BTreeMap<&'static str, Option<Value>>,
        health: Option<HealthLevel>,
        event: Option<i64>,
        rise: Option<(f64, bool)>,
    }

    impl View for Seen {
        fn now_ms(&self) -> i64 {
            self.now
        }
        fn watched_since_ms(&self) -> i64 {
            self.since
        }
        fn points(&self, pattern: &Pattern, visit: &mut dyn FnMut(&str, &Reading)) {
            for (name, value) in self.points.iter().filter(|(name, _)| pattern.place(name).is_some()) {
                visit(name, &Reading { value: value.clone(), time_ms: 0 });
            }
        }
        fn unit(&self, _: &str) -> String {
            "°C".to_owned()
        }
        fn last_read_ms(&self, _: Option<&Pattern>) -> Option<i64> {
            (!self.points.is_empty()).then_some(0)
        }
        fn health(&self) -> Option<HealthLevel> {
            self.health
        }
        fn last_event_ms(&self, _: &str) -> Option<i64> {
            self.event
        }
        fn rise(&self, _: &str, _: i64) -> Option<Rise> {
            self.rise.map(|(by, is_whole)| Rise { by, is_whole, next_ms: None })
        }
    }

    fn above(name: &str) -> Test {
        Test::Point { name: Pattern::new(name), is: Is::Above { limit: 30.0, clear: 28.0 } }
    }

    fn seen(points: &[(&'static str, Option<f64>)]) -> Seen {
        let points = points.iter().map(|(name, value)| (*name, value.map(Value::Number))).collect();
        Seen { points, ..Seen::default() }
    }

    #[test]
    fn a_limit_ends_elsewhere_than_it_begins() {
        let holds = |value: f64, raised: bool| judge(&above("t"), &seen(&[("t", Some(value))]), raised, None).holds;
        assert_eq!([holds(30.0, false), holds(30.1, false)], [Some(false), Some(true)]);
        assert_eq!([holds(28.1, true), holds(28.0, true)], [Some(true), Some(false)]);
    }

    #[test]
    fn what_is_not_known_decides_nothing() {
        let (one, none) = (seen(&[("t.a", None), ("t.b", Some(31.0))]), seen(&[("t.a", None)]));
        let judged = judge(&above("t.*"), &one, false, None);
        assert_eq!((judged.holds, judged.cause.point.as_str()), (Some(true), "t.b"));
        assert_eq!(judge(&above("t.*"), &one, false, Some("t.a")).holds, None);
        assert_eq!(judge(&above("t.*"), &none, true, None).holds, None);
        assert_eq!(judge(&above("other"), &one, false, None).holds, None);
        let both = |any: bool, view: &Seen| {
            let tests = vec![above("t.a"), above("t.b")];
            judge(&if any { Test::Any(tests) } else { Test::All(tests) }, view, false, None).holds
        };
        assert_eq!([both(true, &one), both(false, &one)], [Some(true), None]);
        let cold = seen(&[("t.a", None), ("t.b", Some(1.0))]);
        assert_eq!([both(true, &cold), both(false, &cold)], [None, Some(false)]);
        assert_eq!(judge(&Test::Not(Box::new(above("t.b"))), &cold, false, None).holds, Some(true));
    }

    #[test]
    fn absence_counts_from_when_somebody_looked() {
        let test = Test::NoEvent { kind: "passage".to_owned(), for_ms: 100 };
        let at = |now, since, event| judge(&test, &Seen { now, since, event, ..Seen::default() }, false, None);
        assert_eq!((at(150, 0, Some(60)).holds, at(150, 0, Some(60)).due_ms), (Some(false), Some(160)));
        assert_eq!(at(160, 0, Some(60)).holds, Some(true));
        assert_eq!(at(160, 120, Some(60)).due_ms, Some(220), "opening hours began at 120");
        assert_eq!(at(160, 120, Some(60)).holds, None, "nobody looked for long enough");
        assert_eq!(at(100, 0, None).holds, Some(true));
    }

    #[test]
    fn too_few_in_a_time_needs_the_whole_time_and_too_many_does_not() {
        let name = Pattern::new("count");
        let few = Test::RisesLess { name: name.clone(), than: 1.0, within_ms: 100 };
        let many = Test::Rises { name, by: 5.0, within_ms: 100 };
        let of = |test: &Test, rise| {
            let view = Seen { now: 1_000, rise: Some(rise), ..seen(&[("count", Some(1.0))]) };
            judge(test, &view, false, None).holds
        };
        assert_eq!(
            [of(&few, (0.0, false)), of(&few, (0.0, true)), of(&few, (3.0, false))],
            [None, Some(true), Some(false)]
        );
        assert_eq!(
            [of(&many, (5.0, false)), of(&many, (4.0, true)), of(&many, (4.0, false))],
            [Some(true), Some(false), None]
        );
    }

    #[test]
    fn what_is_out_of_service_on_purpose_is_no_fault() {
        let holds = |level| {
            judge(&Test::Health(HealthLevel::Reachable), &Seen { health: level, ..Seen::default() }, false, None).holds
        };
        use HealthLevel::{Answering, Disabled, Maintenance, Reachable, Unreachable};
        assert_eq!([Unreachable, Reachable].map(|level| holds(Some(level))), [Some(true); 2]);
        assert_eq!([Answering, Disabled, Maintenance].map(|level| holds(Some(level))), [Some(false); 3]);
        assert_eq!(holds(None), None);
    }
}
