//! How long what is kept.

use std::collections::BTreeMap;

/// How long each level is kept, in days; `None` is for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Readings.
    pub days: Option<i64>,
    /// Events; as long as readings without it.
    pub events: Option<i64>,
    /// Sums over minutes; they go when the whole month is old enough.
    pub minutes: Option<i64>,
    /// Sums over hours; they go when the whole year is old enough.
    pub hours: Option<i64>,
    /// Changes of health and when agents recorded something, which availability is told by.
    pub health: Option<i64>,
    /// What differs for classes of devices.
    pub classes: BTreeMap<String, KeepClass>,
}

/// How long what a class of devices brings is kept, in days; `None` is as for all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepClass {
    /// Readings.
    pub days: Option<i64>,
    /// Sums over minutes.
    pub minutes: Option<i64>,
    /// Sums over hours.
    pub hours: Option<i64>,
}

/// A level that is kept by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Level {
    Readings,
    Minutes,
    Hours,
}

impl Retention {
    /// Whether anything is ever deleted.
    pub(in crate::telemetry) fn is_for_ever(&self) -> bool {
        *self == Self::default()
    }

    fn of(&self, level: Level) -> Option<i64> {
        match level {
            Level::Readings => self.days,
            Level::Minutes => self.minutes,
            Level::Hours => self.hours,
        }
    }

    /// How many days that level of the class is kept.
    pub(in crate::telemetry) fn of_class(&self, level: Level, class: &str) -> Option<i64> {
        let own = self.classes.get(class).and_then(|class| match level {
            Level::Readings => class.days,
            Level::Minutes => class.minutes,
            Level::Hours => class.hours,
        });
        own.or(self.of(level))
    }

    /// How many days events are kept.
    pub(super) fn of_events(&self) -> Option<i64> {
        self.events.or(self.days)
    }

    /// How many days any class of the level is kept at most.
    pub(super) fn longest(&self, level: Level) -> Option<i64> {
        let classes = self.classes.keys().map(|class| self.of_class(level, class));
        classes.chain([self.of(level)]).collect::<Option<Vec<i64>>>()?.into_iter().max()
    }

    /// How many days anything of the level is kept at least: what is younger need not be looked at.
    pub(in crate::telemetry) fn shortest(&self, level: Level) -> Option<i64> {
        let classes = self.classes.keys().map(|class| self.of_class(level, class));
        classes.chain([self.of(level)]).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_kept_as_its_own_line_says_or_as_all_others() {
        let camera = KeepClass { days: Some(30), hours: Some(9_000), ..KeepClass::default() };
        let keep = Retention {
            days: Some(400),
            hours: Some(3_660),
            classes: [("camera".to_owned(), camera)].into(),
            ..Retention::default()
        };
        assert_eq!(keep.of_class(Level::Readings, "camera"), Some(30));
        assert_eq!(keep.of_class(Level::Readings, "ups"), Some(400));
        assert_eq!(keep.of_class(Level::Minutes, "camera"), None);
        assert_eq!((keep.shortest(Level::Readings), keep.longest(Level::Readings)), (Some(30), Some(400)));
        assert_eq!((keep.shortest(Level::Minutes), keep.longest(Level::Minutes)), (None, None));
        assert_eq!(keep.longest(Level::Hours), Some(9_000));
        assert_eq!(keep.of_events(), Some(400));
        let only_camera = Retention { days: None, ..keep };
        assert_eq!(only_camera.longest(Level::Readings), None, "everything else is kept for ever");
        assert_eq!(only_camera.shortest(Level::Readings), Some(30));
    }
}
