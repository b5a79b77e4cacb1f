//! When a rule applies.

use jiff::tz::TimeZone;

use crate::availability::Repeat;

/// How far the next opening is looked for: a week and a day.
const AHEAD_MS: i64 = 8 * 24 * 3_600_000;

/// What the calendar says of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Since when the rule applies; `None`: it does not now.
    pub since_ms: Option<i64>,
    /// When that changes, if that is known.
    pub until_ms: Option<i64>,
}

impl Opening {
    /// What no calendar says.
    pub const ALWAYS: Self = Self { since_ms: Some(i64::MIN), until_ms: None };
}

/// What the calendar says of `at_ms`.
#[must_use]
pub fn opening(during: &[Repeat], zone: &TimeZone, at_ms: i64) -> Opening {
    if during.is_empty() {
        return Opening::ALWAYS;
    }
    let now = during.iter().flat_map(|times| times.within(zone, (at_ms, at_ms.saturating_add(1))));
    let now = now.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    match now {
        Some((since_ms, until_ms)) => Opening { since_ms: Some(since_ms), until_ms: Some(until_ms) },
        None => {
            let ahead = (at_ms, at_ms.saturating_add(AHEAD_MS));
            let next = during.iter().flat_map(|times| times.within(zone, ahead)).map(|(from, _)| from).min();
            Opening { since_ms: None, until_ms: next }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::availability::{RepeatKind, zone};

    #[test]
    fn opening_hours_begin_and_end_by_the_clock_of_the_site() {
        let hours = |days: &[i8], from: &str, to: &str| Repeat {
            kind: RepeatKind::Weekly,
            days: days.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let during = [hours(&[1, 2, 3, 4, 5], "08:30", "12:00"), hours(&[1, 2, 3, 4, 5], "13:30", "17:30")];
        let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let at = |text: &str| opening(&during, &zone("Asia/Shanghai"), ms(text));
        let monday = at("2026-11-23T09:00:00+08:00");
        assert_eq!(
            (monday.since_ms, monday.until_ms),
            (Some(ms("2026-11-23T08:30:00+08:00")), Some(ms("2026-11-23T12:00:00+08:00")))
        );
        let noon = at("2026-11-23T12:30:00+08:00");
        assert_eq!((noon.since_ms, noon.until_ms), (None, Some(ms("2026-11-23T13:30:00+08:00"))));
        let friday = at("2026-11-27T18:00:00+08:00");
        assert_eq!(friday.until_ms, Some(ms("2026-11-30T08:30:00+08:00")));
        assert_eq!(opening(&[], &zone(""), 5).since_ms, Some(i64::MIN));
    }
}
