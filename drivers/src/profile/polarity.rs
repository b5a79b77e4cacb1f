//! Which way round an input is wired: proved at the device, written down with the device.

use kouan_settings::Section;

use super::read::{Dialect, Point, Profile};

/// The keys `proved` and `inverted` of a device.
///
/// A point whose profile says `prove = "…"` has no words until its name stands in one of them: its readings are then
/// the raw 0 or 1, marked uncertain, no interlock accepts them, and an action that they should confirm stays unknown.
#[derive(Debug)]
pub(super) struct Polarity {
    proved: Vec<String>,
    inverted: Vec<String>,
}

impl Polarity {
    pub(super) fn read(device: &mut Section<'_>) -> Self {
        Self { proved: device.strings("proved"), inverted: device.strings("inverted") }
    }

    /// Settles the words of every point of a device.
    pub(super) fn apply<D: Dialect>(&self, profile: &mut Profile<D>, device: &Section<'_>) {
        for (key, patterns) in [("proved", &self.proved), ("inverted", &self.inverted)] {
            for pattern in patterns {
                let points = profile.groups.iter().flat_map(|group| &group.points);
                if !points.into_iter().any(|point| has_polarity(point) && matches(pattern, point)) {
                    device.problem(key, format!("\"{pattern}\" is no state with words for 0 and 1"));
                }
            }
        }
        for point in profile.groups.iter_mut().flat_map(|group| &mut group.points) {
            let named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, point));
            let (proved, inverted) = (named(&self.proved), named(&self.inverted));
            if proved && inverted {
                let name = &point.common.spec.name;
                device.problem("inverted", format!("\"{name}\" is also said to be proved as the profile has it"));
            }
            if inverted && has_polarity(point) {
                for (raw, _) in point.common.words.iter_mut().filter(|(raw, _)| (0..=1).contains(raw)) {
                    *raw = 1 - *raw;
                }
                point.common.words.sort();
            }
            if point.notes.prove.is_some() && !proved && !inverted {
                point.common.words.clear();
            }
        }
    }
}

fn has_polarity<D: Dialect>(point: &Point<D>) -> bool {
    [0, 1].iter().all(|raw| point.common.words.iter().any(|(known, _)| known == raw))
}

fn matches<D: Dialect>(pattern: &str, point: &Point<D>) -> bool {
    let name = point.common.spec.name.as_str();
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
