//! Hours in which what matters less is not told.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use kouan_protocol::Severity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alarm::severity;

/// Quiet hours, in the time of the alarm's site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// Their beginning, `22:00`.
    pub from: String,
    /// Their end, `07:00`; of the next day if it is not after the beginning.
    pub to: String,
    /// What is less severe than this waits: `warning`, `major` or `critical`.
    pub below_severity: String,
    /// The days on which they begin, 1 (Monday) to 7 (Sunday); every day if it is empty.
    #[serde(default)]
    pub days: Vec<u8>,
}

fn clock_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let fits = hour.len() == 2 && minute.len() == 2;
    if fits { Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok() } else { None }
}

impl Quiet {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if clock_time(text).is_none() {
                problems.push(format!("quiet.{name} is a time such as 22:00"));
            }
        }
        if severity(&self.below_severity).is_none_or(|severity| severity <= Severity::Info) {
            problems.push("quiet.below_severity must be warning, major or critical".to_owned());
        }
        if self.days.len() > 7 || self.days.iter().any(|day| !(1..=7).contains(day)) {
            problems.push("quiet.days are numbers from 1 (Monday) to 7 (Sunday)".to_owned());
        }
        problems
    }

    /// Until when something of that severity waits; `None` if it is told now.
    #[must_use]
    pub fn holds(&self, of: Severity, now: i64, zone: &TimeZone) -> Option<i64> {
        if severity(&self.below_severity).is_none_or(|least| of >= least) {
            return None;
        }
        let (from, to) = (clock_time(&self.from)?, clock_time(&self.to)?);
        let now = Timestamp::from_millisecond(now).ok()?.to_zoned(zone.clone());
        // Those that began yesterday may not be over.
        let began = [now.date().yesterday().ok()?, now.date()];
        began.into_iter().filter(|day| self.begins_on(day.weekday())).find_map(|day| {
            let last = if from < to { day } else { day.checked_add(1.day()).ok()? };
            let at = |day: jiff::civil::Date, time: Time| -> Option<Zoned> {
                day.to_datetime(time).to_zoned(zone.clone()).ok()
            };
            let (begin, end) = (at(day, from)?, at(last, to)?);
            (begin <= now && now < end).then(|| end.timestamp().as_millisecond())
        })
    }

    fn begins_on(&self, day: Weekday) -> bool {
        self.days.is_empty() || self.days.iter().any(|known| i8::try_from(*known) == Ok(day.to_monday_one_offset()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn nights_go_over_midnight_in_the_sites_zone() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let quiet =
            Quiet { from: "22:00".into(), to: "07:00".into(), below_severity: "critical".into(), days: Vec::new() };
        let held = |severity, time: &str| quiet.holds(severity, ms(time), &zone);
        // 2026-11-22 is a Sunday.
        assert_eq!(held(Severity::Major, "2026-11-22T21:59:59+08:00"), None);
        let end = Some(ms("2026-11-23T07:00:00+08:00"));
        assert_eq!(held(Severity::Major, "2026-11-22T22:00:00+08:00"), end);
        assert_eq!(held(Severity::Warning, "2026-11-23T06:59:59+08:00"), end);
        assert_eq!(held(Severity::Major, "2026-11-23T07:00:00+08:00"), None);
        assert_eq!(held(Severity::Critical, "2026-11-23T03:00:00+08:00"), None);
    }

    #[test]
    fn days_are_those_on_which_they_begin() {
        let zone = TimeZone::UTC;
        let quiet = Quiet { from: "22:00".into(), to: "07:00".into(), below_severity: "major".into(), days: vec![7] };
        let held = |time: &str| quiet.holds(Severity::Warning, ms(time), &zone).is_some();
        assert!(held("2026-11-22T23:00:00Z") && held("2026-11-23T06:00:00Z"), "Sunday's night");
        assert!(!held("2026-11-22T06:00:00Z") && !held("2026-11-23T23:00:00Z"), "Saturday's and Monday's");
    }

    #[test]
    fn whole_days_are_possible_and_nonsense_is_told() {
        let all = Quiet { from: "00:00".into(), to: "00:00".into(), below_severity: "critical".into(), days: vec![6] };
        assert_eq!(all.problems(), Vec::<String>::new());
        let end = all.holds(Severity::Info, ms("2026-11-21T12:00:00Z"), &TimeZone::UTC);
        assert_eq!(end, Some(ms("2026-11-22T00:00:00Z")));
        let wrong = Quiet { from: "7".into(), to: "25:00".into(), below_severity: "info".into(), days: vec![0] };
        assert_eq!(wrong.problems().len(), 4);
    }
}
