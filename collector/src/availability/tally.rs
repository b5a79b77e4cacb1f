//! From evidence to milliseconds of each kind.

use kouan_protocol::HealthLevel;

use super::Evidence;

/// A change of a device's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Since when, in milliseconds.
    pub time_ms: i64,
    /// When it was last said to be so still.
    pub said_ms: i64,
    /// How the device was from then on.
    pub level: HealthLevel,
}

/// A stretch of time, in milliseconds; the end does not belong to it.
pub(super) type Stretch = (i64, i64);

/// How much of a range was what. The parts add up to the range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// It answered everything.
    pub working_ms: i64,
    /// It answered, but not everything.
    pub answering_ms: i64,
    /// Nobody answered, or nothing valid.
    pub down_ms: i64,
    /// Nothing is known.
    pub not_observed_ms: i64,
    /// It was being worked on: that does not count.
    pub maintenance_ms: i64,
    /// It was out of service on purpose: that does not count.
    pub disabled_ms: i64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.working_ms += other.working_ms;
        self.answering_ms += other.answering_ms;
        self.down_ms += other.down_ms;
        self.not_observed_ms += other.not_observed_ms;
        self.maintenance_ms += other.maintenance_ms;
        self.disabled_ms += other.disabled_ms;
    }

    /// The share of the time that counts in which it worked; `None` if no time counts.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        self.share(self.working_ms)
    }

    /// The same with the time in which it answered, but not everything.
    #[must_use]
    pub fn reachability(&self) -> Option<f64> {
        self.share(self.working_ms + self.answering_ms)
    }

    fn share(&self, part: i64) -> Option<f64> {
        let counts = self.working_ms + self.answering_ms + self.down_ms;
        (counts > 0).then(|| part as f64 / counts as f64)
    }

    fn part(&mut self, kind: Kind) -> &mut i64 {
        match kind {
            Kind::Working => &mut self.working_ms,
            Kind::Answering => &mut self.answering_ms,
            Kind::Down => &mut self.down_ms,
            Kind::NotObserved => &mut self.not_observed_ms,
            Kind::Maintenance => &mut self.maintenance_ms,
            Kind::Disabled => &mut self.disabled_ms,
        }
    }
}

enum Kind {
    Working,
    Answering,
    Down,
    NotObserved,
    Maintenance,
    Disabled,
}

/// What the range from `from_ms` to before `to_ms` consists of. The steps must be in the order of time.
#[must_use]
pub fn tally(evidence: &Evidence, from_ms: i64, to_ms: i64) -> Tally {
    let mut tally = Tally::default();
    if from_ms >= to_ms {
        return tally;
    }
    let unknown: Vec<Stretch> = evidence.lost.iter().map(|lost| unknown_after(&evidence.steps, *lost)).collect();
    let (unknown, recorded, maintenance) =
        (union(unknown), union(evidence.recorded.clone()), union(evidence.maintenance.clone()));
    let ends = |stretches: &[Stretch]| stretches.iter().flat_map(|(from, to)| [*from, *to]).collect::<Vec<_>>();
    let mut bounds = vec![from_ms, to_ms];
    for more in [ends(&unknown), ends(&recorded), ends(&maintenance)] {
        bounds.extend(more);
    }
    bounds.extend(evidence.steps.iter().map(|step| step.time_ms));
    bounds.retain(|bound| (from_ms..=to_ms).contains(bound));
    bounds.sort_unstable();
    bounds.dedup();
    for pair in bounds.windows(2) {
        let at = pair[0];
        let known = covers(&recorded, at) && !covers(&unknown, at);
        let step = evidence.steps.partition_point(|step| step.time_ms <= at).checked_sub(1);
        let level = step.and_then(|place| evidence.steps.get(place)).map(|step| step.level);
        let kind = match level {
            _ if covers(&maintenance, at) => Kind::Maintenance,
            Some(level) if known => match level {
                HealthLevel::Working => Kind::Working,
                HealthLevel::Answering => Kind::Answering,
                HealthLevel::Reachable | HealthLevel::Unreachable => Kind::Down,
                HealthLevel::Maintenance => Kind::Maintenance,
                HealthLevel::Disabled => Kind::Disabled,
            },
            _ => Kind::NotObserved,
        };
        *tally.part(kind) += pair[1] - at;
    }
    tally
}

/// From the beginning of a loss on nobody knows the health, until it was told again: the first that was said after the
/// loss holds since the time that it names, which may lie before its end or even before its beginning.
fn unknown_after(steps: &[Step], (from, to): Stretch) -> Stretch {
    let told = steps.iter().filter(|step| step.said_ms >= to).map(|step| step.time_ms).min();
    (from, told.unwrap_or(i64::MAX).max(from))
}

/// The same stretches, in order and without overlaps.
pub(super) fn union(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.retain(|(from, to)| from < to);
    stretches.sort_unstable();
    let mut union: Vec<Stretch> = Vec::new();
    for (from, to) in stretches {
        match union.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => union.push((from, to)),
        }
    }
    union
}

/// Whether one of the ordered stretches covers the instant.
fn covers(stretches: &[Stretch], at: i64) -> bool {
    let place = stretches.partition_point(|(from, _)| *from <= at);
    place.checked_sub(1).and_then(|place| stretches.get(place)).is_some_and(|(_, to)| at < *to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn step(hour: i64, level: HealthLevel) -> Step {
        Step { time_ms: hour * HOUR, said_ms: hour * HOUR, level }
    }

    fn hours(tally: &Tally) -> [i64; 6] {
        let Tally { working_ms, answering_ms, down_ms, not_observed_ms, maintenance_ms, disabled_ms } = *tally;
        [working_ms, answering_ms, down_ms, not_observed_ms, maintenance_ms, disabled_ms].map(|ms| ms / HOUR)
    }

    /// The worked example of `docs/availability.md`.
    #[test]
    fn a_day_of_a_gate() {
        let evidence = Evidence {
            steps: vec![
                step(-5, HealthLevel::Working),
                step(3, HealthLevel::Unreachable),
                step(4, HealthLevel::Working),
                step(12, HealthLevel::Working),
                step(15, HealthLevel::Unreachable),
                step(18, HealthLevel::Answering),
                step(19, HealthLevel::Working),
            ],
            recorded: vec![(-10 * HOUR, 8 * HOUR), (12 * HOUR, 24 * HOUR)],
            lost: vec![(8 * HOUR, 12 * HOUR)],
            maintenance: vec![(14 * HOUR, 17 * HOUR)],
        };
        let tally = tally(&evidence, 0, 24 * HOUR);
        assert_eq!(hours(&tally), [14, 1, 2, 4, 3, 0]);
        assert_eq!(tally.availability(), Some(14.0 / 17.0));
        assert_eq!(tally.reachability(), Some(15.0 / 17.0));
    }

    #[test]
    fn after_a_loss_nothing_is_known_until_it_is_told_again() {
        let told =
            |said: i64, time: i64| Step { time_ms: time * HOUR, said_ms: said * HOUR, level: HealthLevel::Working };
        let of = |steps: Vec<Step>| {
            let evidence = Evidence {
                steps,
                recorded: vec![(0, 10 * HOUR)],
                lost: vec![(2 * HOUR, 4 * HOUR)],
                maintenance: vec![],
            };
            hours(&tally(&evidence, 0, 10 * HOUR))
        };
        assert_eq!(of(vec![told(0, 0)]), [2, 0, 0, 8, 0, 0], "never again");
        assert_eq!(of(vec![told(0, 0), told(7, 7)]), [5, 0, 0, 5, 0, 0], "at the next change");
        assert_eq!(of(vec![told(5, 0)]), [10, 0, 0, 0, 0, 0], "a snapshot says that nothing changed");
        assert_eq!(of(vec![told(0, 0), told(6, 3)]), [9, 0, 0, 1, 0, 0], "a snapshot tells what was lost");
    }

    #[test]
    fn what_nobody_heard_of_is_not_down() {
        let evidence = Evidence {
            steps: vec![
                step(1, HealthLevel::Unreachable),
                step(5, HealthLevel::Disabled),
                step(7, HealthLevel::Maintenance),
            ],
            recorded: vec![(0, 2 * HOUR), (4 * HOUR, 9 * HOUR)],
            ..Evidence::default()
        };
        let tally = tally(&evidence, 0, 10 * HOUR);
        assert_eq!(hours(&tally), [0, 0, 2, 4, 2, 2]);
        assert_eq!(super::tally(&Evidence::default(), 0, HOUR).availability(), None);
    }

    proptest! {
        #[test]
        fn the_parts_add_up(
            steps in prop::collection::vec((0_i64..100, 0_i64..100, 1_u32..7), 0..12),
            recorded in prop::collection::vec((0_i64..100, 0_i64..100), 0..6),
            lost in prop::collection::vec((0_i64..100, 0_i64..100), 0..4),
            maintenance in prop::collection::vec((0_i64..100, 0_i64..100), 0..4),
            from in 0_i64..100, length in 0_i64..100,
        ) {
            let mut steps: Vec<Step> = steps.into_iter().map(|(time_ms, said, level)| Step {
                time_ms, said_ms: time_ms.max(said), level: HealthLevel::from_number(level).unwrap(),
            }).collect();
            steps.sort_by_key(|step| step.time_ms);
            let evidence = Evidence { steps, recorded, lost, maintenance };
            let whole = tally(&evidence, from, from + length);
            let sum = |t: &Tally| t.working_ms + t.answering_ms + t.down_ms + t.not_observed_ms + t.maintenance_ms + t.disabled_ms;
            prop_assert_eq!(sum(&whole), length);
            let mut halves = tally(&evidence, from, from + length / 2);
            halves.add(&tally(&evidence, from + length / 2, from + length));
            prop_assert_eq!(halves, whole, "what is counted does not depend on the range");
        }
    }
}
