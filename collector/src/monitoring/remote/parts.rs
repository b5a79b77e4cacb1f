//! A request that was refused, in parts: a receiver refuses a request as a whole for one sample that it does not want,
//! and the others must not be lost with it.
//!
//! Where the receiver says that samples are too old, one that has everything already would cost a request for each
//! sample: such a request is cut by time, older samples first, and into so many parts at most.

use super::message::Series;

/// Requests that one refused for the age of its samples may become.
const PARTS: usize = 128;
/// The same while all that comes is too old.
const FEW_PARTS: usize = 16;
/// Series that are asked about to find out whether a receiver has a request already.
const PROBES: usize = 8;

/// A part of a request.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) series: Vec<Series>,
    /// So many further parts are for those that come after it.
    kept: usize,
}

/// What is left of a request.
#[derive(Debug)]
pub(super) struct Parts {
    waiting: Vec<Part>,
    /// How many more there may be.
    left: usize,
}

impl Parts {
    /// The parts of a request that was refused; `for_age` if that was because its samples are too old. `all_old`: so was
    /// everything in the one before. And how many samples are given up at once.
    pub(super) fn of(request: Vec<Series>, for_age: bool, all_old: bool) -> (Self, u64) {
        let mut parts = Self { waiting: Vec::new(), left: if all_old { FEW_PARTS } else { PARTS } };
        let given_up = parts.refused(Part { series: request, kept: 0 }, for_age);
        (parts, given_up)
    }

    /// The next part to be sent.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.waiting.pop()
    }

    /// That part was refused. Returns how many samples are given up.
    pub(super) fn refused(&mut self, part: Part, for_age: bool) -> u64 {
        let Part { series, kept } = part;
        let samples = samples_in(&series);
        if samples <= 1 || (for_age && self.left < kept + 2) {
            return samples;
        }
        let (first, second) = if for_age { halves_by_time(series) } else { halves(series) };
        if for_age {
            self.left -= 2;
        }
        let kept_of_first = kept + self.left.saturating_sub(kept) / 4;
        self.waiting.push(Part { series: second, kept });
        self.waiting.push(Part { series: first, kept: kept_of_first });
        0
    }

    /// What was neither taken nor refused, with that part before it.
    pub(super) fn rest(mut self, part: Part) -> impl Iterator<Item = Vec<Series>> {
        self.waiting.push(part);
        self.waiting.into_iter().map(|part| part.series)
    }
}

/// How many samples a request has.
pub(super) fn samples_in(request: &[Series]) -> u64 {
    request.iter().map(|series| series.samples.len() as u64).sum()
}

/// Two halves of a request: of its series, or of the samples of its only one.
fn halves(mut request: Vec<Series>) -> (Vec<Series>, Vec<Series>) {
    if let [only] = request.as_mut_slice() {
        let second = only.samples.split_off(only.samples.len() / 2);
        let second = Series { name: only.name.clone(), samples: second };
        return (request, vec![second]);
    }
    let second = request.split_off(request.len() / 2);
    (request, second)
}

/// The older and the newer half of a request; halves of its series where all samples are of one time.
fn halves_by_time(mut request: Vec<Series>) -> (Vec<Series>, Vec<Series>) {
    let mut times: Vec<i64> = request.iter().flat_map(|series| &series.samples).map(|(time, _)| *time).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    // The newer half begins there; with many samples of the oldest time it begins after them.
    let begins = if middle > times[0] { Some(middle) } else { times.iter().copied().find(|time| *time > middle) };
    let Some(begins) = begins else { return halves(request) };
    let mut newer = Vec::new();
    for series in &mut request {
        let samples = series.samples.split_off(series.samples.partition_point(|(time, _)| *time < begins));
        if !samples.is_empty() {
            newer.push(Series { name: series.name.clone(), samples });
        }
    }
    request.retain(|series| !series.samples.is_empty());
    (request, newer)
}

/// The oldest sample each of some series of a request. A receiver that has the whole request refuses every one of them;
/// one that has not takes what comes first in its series, and nothing is spoiled by that.
pub(super) fn probes(request: &[Series]) -> Vec<Series> {
    // Of a series with one sample the receiver may have just that one, which it takes twice.
    let mut tell: Vec<&Series> = request.iter().filter(|series| series.samples.len() > 1).collect();
    if tell.is_empty() {
        tell = request.iter().collect();
    }
    let step = tell.len().div_ceil(PROBES).max(1);
    let oldest = |series: &&Series| Series { name: series.name.clone(), samples: series.samples[..1].to_vec() };
    tell.iter().step_by(step).map(oldest).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::message::SeriesName;
    use super::*;
    use crate::monitoring::Labels;

    /// A receiver that takes what is newer than what it has, as Prometheus does, and a request only as a whole.
    #[derive(Default)]
    struct Newest {
        newest: HashMap<SeriesName, i64>,
        requests: usize,
        taken: u64,
    }

    impl Newest {
        fn take(&mut self, request: &[Series]) -> bool {
            self.requests += 1;
            let mut newest = self.newest.clone();
            for series in request {
                for (time, _) in &series.samples {
                    if newest.get(&series.name).is_some_and(|newest| time < newest) {
                        return false;
                    }
                    newest.insert(series.name.clone(), *time);
                }
            }
            self.newest = newest;
            self.taken += samples_in(request);
            true
        }

        /// Returns how many samples were given up.
        fn take_in_parts(&mut self, request: Vec<Series>, all_old: bool) -> u64 {
            let (mut parts, mut given_up) = Parts::of(request, true, all_old);
            while let Some(part) = parts.next() {
                if !self.take(&part.series) {
                    given_up += parts.refused(part, true);
                }
            }
            given_up
        }
    }

    fn name(at: usize) -> SeriesName {
        let labels = Labels {
            site: "hall".to_owned(),
            area: String::new(),
            device: format!("d{at}"),
            class: "ups".to_owned(),
            point: "voltage".to_owned(),
        };
        SeriesName { metric: "kouan_point", labels, state: None }
    }

    /// So many series with samples at these times.
    fn request(series: usize, times: std::ops::Range<i64>) -> Vec<Series> {
        let samples: Vec<(i64, f64)> = times.map(|time| (time * 1_000, 1.0)).collect();
        (0..series).map(|at| Series { name: name(at), samples: samples.clone() }).collect()
    }

    #[test]
    fn what_the_receiver_has_already_costs_few_requests() {
        for (series, times) in [(1, 0..2_000), (20, 0..100), (1_000, 0..2), (2_000, 0..1)] {
            let mut receiver = Newest::default();
            let all = request(series, times.clone());
            assert!(receiver.take(&all));
            assert!(receiver.take(&request(series, times.end..times.end + 1)), "and something newer");
            let before = receiver.requests;
            assert_eq!(receiver.take_in_parts(all.clone(), false), 2_000);
            assert!(receiver.requests - before <= PARTS, "{}", receiver.requests - before);
            let before = receiver.requests;
            assert_eq!(receiver.take_in_parts(all.clone(), true), 2_000);
            assert!(receiver.requests - before <= FEW_PARTS);
            let asked = probes(&all);
            assert!((1..=PROBES).contains(&asked.len()), "{}", asked.len());
            assert!(asked.iter().all(|probe| !receiver.take(std::slice::from_ref(probe))), "it has them all");
        }
    }

    #[test]
    fn a_receiver_that_has_a_half_takes_the_other_half() {
        for (series, times, has) in [(1, 0..2_000, 0..700), (20, 0..100, 0..33), (200, 0..10, 0..5)] {
            let mut receiver = Newest::default();
            assert!(receiver.take(&request(series, has.clone())));
            let (all, before) = (request(series, times.clone()), receiver.taken);
            let old = series as u64 * (has.end - has.start).unsigned_abs();
            let given_up = receiver.take_in_parts(all, false);
            // The newest of what it has is taken twice.
            assert!(given_up >= old - series as u64, "{given_up}");
            let lost = 2_000 - old - (receiver.taken - before).min(2_000 - old);
            assert!(lost <= 2_000 / 8, "{lost} lost of {series} series");
        }
    }

    #[test]
    fn one_late_sample_takes_hardly_any_others_with_it() {
        for place in [0, 1, 17, 999, 1_000, 1_998, 1_999] {
            let mut receiver = Newest::default();
            let late = Series { name: name(place), samples: vec![(9_000_000, 1.0)] };
            assert!(receiver.take(&[late]));
            let before = receiver.taken;
            let given_up = receiver.take_in_parts(request(2_000, 10..11), false);
            assert!((1..=2).contains(&given_up), "{given_up} at {place}");
            assert_eq!(receiver.taken - before, 2_000 - given_up);
        }
        // What was not taken at all is not mistaken for what the receiver has.
        let mut receiver = Newest::default();
        assert!(receiver.take(&[Series { name: name(0), samples: vec![(9_000_000, 1.0)] }]));
        let asked = probes(&request(20, 0..100));
        assert!(asked.iter().any(|probe| receiver.take(std::slice::from_ref(probe))));
    }

    #[test]
    fn what_is_refused_for_itself_is_found_whatever_it_costs() {
        let hated = |request: &[Series]| request.iter().any(|series| series.samples.iter().any(|at| at.0 % 2_000 == 0));
        let ((mut parts, mut given_up), mut taken) = (Parts::of(request(2, 0..1_000), false, false), 0);
        while let Some(part) = parts.next() {
            if hated(&part.series) {
                given_up += parts.refused(part, false);
            } else {
                taken += samples_in(&part.series);
            }
        }
        assert_eq!((given_up, taken), (1_000, 1_000));
    }
}
