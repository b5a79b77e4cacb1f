//! Windows that come again: by day, week or month, by the clock on the wall at the site.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tally::Stretch;

/// The zone of a site that says none.
const DEFAULT_ZONE: &str = "Asia/Shanghai";
/// No more days than these are looked at: ten years.
const MOST_DAYS: usize = 3_660;

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RepeatKind {
    /// Each day.
    Daily,
    /// On some days of the week: 1 is Monday.
    Weekly,
    /// On some days of the month.
    Monthly,
}

/// When a window comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How often.
    pub kind: RepeatKind,
    /// Days of the week (1 to 7) or of the month (1 to 31).
    #[serde(default)]
    pub days: Vec<i8>,
    /// When it begins, `HH:MM`.
    pub from: String,
    /// When it ends; on the next day if that is not after the beginning.
    pub to: String,
}

/// A time of the day as `HH:MM`; `24:00` is not one.
#[must_use]
pub fn time_of_day(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()
}

/// The zone of that name; the usual one if it is not known here.
#[must_use]
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).or_else(|_| TimeZone::get(DEFAULT_ZONE)).unwrap_or(TimeZone::UTC)
}

impl Repeat {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let most = match self.kind {
            RepeatKind::Daily => 0,
            RepeatKind::Weekly => 7,
            RepeatKind::Monthly => 31,
        };
        if most == 0 && !self.days.is_empty() {
            problems.push("a daily window has no days".to_owned());
        }
        if most > 0
            && (self.days.is_empty() || self.days.len() > 31 || self.days.iter().any(|day| !(1..=most).contains(day)))
        {
            problems.push(format!("repeat.days must list days from 1 to {most}"));
        }
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if time_of_day(text).is_none() {
                problems.push(format!("repeat.{name} must be a time of the day such as 08:30"));
            }
        }
        problems
    }

    fn falls_on(&self, date: Date) -> bool {
        match self.kind {
            RepeatKind::Daily => true,
            RepeatKind::Weekly => self.days.contains(&date.weekday().to_monday_one_offset()),
            RepeatKind::Monthly => self.days.contains(&date.day()),
        }
    }

    /// The times of it that touch the stretch.
    pub(crate) fn within(&self, zone: &TimeZone, (from_ms, to_ms): Stretch) -> Vec<Stretch> {
        let (Some(from), Some(to)) = (time_of_day(&self.from), time_of_day(&self.to)) else { return Vec::new() };
        let Ok(first) = Timestamp::from_millisecond(from_ms) else { return Vec::new() };
        let begin = first.to_zoned(zone.clone()).date().checked_sub(Span::new().days(1));
        let at = |date: Date, time: Time| date.to_datetime(time).to_zoned(zone.clone()).ok();
        let mut found = Vec::new();
        let Ok(mut date) = begin else { return found };
        for _ in 0..MOST_DAYS {
            let Ok(next) = date.tomorrow() else { break };
            let end_date = if to > from { date } else { next };
            let (Some(begins), Some(ends)) = (at(date, from), at(end_date, to)) else { break };
            let stretch = (begins.timestamp().as_millisecond(), ends.timestamp().as_millisecond());
            if stretch.0 >= to_ms {
                break;
            }
            if self.falls_on(date) && stretch.1 > from_ms {
                found.push(stretch);
            }
            date = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(repeat: &Repeat, zone_name: &str, from: &str, to: &str) -> Vec<String> {
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let zone = zone(zone_name);
        let show =
            |ms: i64| Timestamp::from_millisecond(ms).unwrap().to_zoned(zone.clone()).strftime("%d %H:%M").to_string();
        let found = repeat.within(&zone, (ms(from), ms(to)));
        found.into_iter().map(|(from, to)| format!("{} - {}", show(from), show(to))).collect()
    }

    fn repeat(kind: RepeatKind, days: &[i8], from: &str, to: &str) -> Repeat {
        Repeat { kind, days: days.to_vec(), from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn windows_come_again_by_the_clock_of_the_site() {
        let nights = repeat(RepeatKind::Daily, &[], "23:00", "01:30");
        let found = times(&nights, "Asia/Shanghai", "2026-11-22T00:00:00+08:00", "2026-11-24T00:00:00+08:00");
        assert_eq!(found, ["21 23:00 - 22 01:30", "22 23:00 - 23 01:30", "23 23:00 - 24 01:30"]);
        let sundays = repeat(RepeatKind::Weekly, &[7], "08:00", "12:00");
        let found = times(&sundays, "Asia/Shanghai", "2026-11-16T00:00:00Z", "2026-11-30T00:00:00Z");
        assert_eq!(found, ["22 08:00 - 22 12:00", "29 08:00 - 29 12:00"]);
        let months = repeat(RepeatKind::Monthly, &[1, 31], "00:00", "06:00");
        let found = times(&months, "Asia/Shanghai", "2026-11-02T00:00:00Z", "2027-01-05T00:00:00Z");
        assert_eq!(found, ["01 00:00 - 01 06:00", "31 00:00 - 31 06:00", "01 00:00 - 01 06:00"]);
    }

    #[test]
    fn a_window_keeps_its_time_on_the_wall_when_the_clocks_change() {
        let daily = repeat(RepeatKind::Daily, &[], "08:00", "09:00");
        let found = times(&daily, "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T20:00:00Z");
        assert_eq!(found, ["24 08:00 - 24 09:00", "25 08:00 - 25 09:00", "26 08:00 - 26 09:00"]);
    }

    #[test]
    fn a_time_that_the_clocks_skip_or_show_twice_makes_no_window_vanish() {
        let hours = |from: &str, to: &str, day: &str| -> Vec<f64> {
            let (begin, end) = (format!("{day}T00:00:00+01:00"), format!("{day}T12:00:00+01:00"));
            let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
            let found = repeat(RepeatKind::Daily, &[], from, to).within(&zone("Europe/Berlin"), (ms(&begin), ms(&end)));
            found.into_iter().map(|(from, to)| (to - from) as f64 / 3_600_000.0).collect()
        };
        // On 29 March 03:00 follows 02:00; on 25 October 02:00 comes twice.
        assert_eq!(hours("01:00", "04:00", "2026-03-29"), [2.0]);
        assert_eq!(hours("02:30", "04:00", "2026-03-29"), [0.5]);
        assert_eq!(hours("23:00", "02:30", "2026-03-29"), [3.5]);
        assert_eq!(hours("01:00", "04:00", "2026-10-25"), [4.0]);
        assert_eq!(hours("02:30", "03:30", "2026-10-25"), [2.0]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(repeat(RepeatKind::Weekly, &[8], "8:00", "24:00").problems().len(), 3);
        assert!(repeat(RepeatKind::Monthly, &[], "08:00", "09:00").problems()[0].contains("1 to 31"));
        assert!(repeat(RepeatKind::Daily, &[], "08:00", "09:00").problems().is_empty());
    }
}
