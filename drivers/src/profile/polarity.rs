//! Which way round an input is wired: proved at the device, written down with the device.

use std::sync::Arc;

use kouan_settings::{Section, both};

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
    pub(super) fn apply<D: Dialect>(&self, mut profile: Arc<Profile<D>>, device: &Section<'_>) -> Arc<Profile<D>> {
        for (key, patterns) in [("proved", &self.proved), ("inverted", &self.inverted)] {
            for pattern in patterns {
                let points = profile.groups.iter().flat_map(|group| &group.points);
                if !points.into_iter().any(|point| has_polarity(point) && matches(pattern, point)) {
                    device.wrong(
                        key,
                        both!(
                            "\"{pattern}\" is no state with words for 0 and 1",
                            "\"{pattern}\" 不是 0 和 1 都有词的状态"
                        ),
                    );
                }
            }
        }
        let mut points = profile.groups.iter().flat_map(|group| &group.points);
        if self.proved.is_empty() && self.inverted.is_empty() && points.all(|point| point.notes.prove.is_none()) {
            return profile;
        }
        for point in Arc::make_mut(&mut profile).groups.iter_mut().flat_map(|group| &mut group.points) {
            let named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, point));
            let (proved, inverted) = (named(&self.proved), named(&self.inverted));
            if proved && inverted {
                let name = &point.common.spec.name;
                device.wrong(
                    "inverted",
                    both!(
                        "\"{name}\" is also said to be proved as the profile has it",
                        "\"{name}\" 又被写成已按型号文件验证"
                    ),
                );
            }
            if inverted && has_polarity(point) {
                let words = &mut Arc::make_mut(&mut point.common).words;
                for (raw, _) in words.iter_mut().filter(|(raw, _)| (0..=1).contains(raw)) {
                    *raw = 1 - *raw;
                }
                words.sort();
            }
            if point.notes.prove.is_some() && !proved && !inverted {
                let common = Arc::make_mut(&mut point.common);
                if let Some(alarm) = common.tells.as_mut().and_then(|tells| Arc::make_mut(tells).alarm.as_mut())
                    && alarm.unproved
                {
                    alarm.raw = common.words.iter().find(|(_, word)| *word == alarm.word).map(|(raw, _)| *raw);
                }
                common.words.clear();
            }
        }
        profile
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
