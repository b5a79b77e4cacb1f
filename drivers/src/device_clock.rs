//! How far a device's clock is ahead, where the device tells local time without saying of which zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kouan_protocol::Clock;

use kouan_settings::{Section, both};

/// The zone that a device's clock is set to.
#[derive(Debug, Clone)]
pub(crate) struct DeviceZone(TimeZone);

impl DeviceZone {
    /// Reads `time_zone`, such as `time_zone = "Asia/Shanghai"`; that of this machine where it is absent.
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let Some(name) = section.string("time_zone") else { return Self(TimeZone::system()) };
        match TimeZone::get(&name) {
            Ok(zone) => Self(zone),
            Err(error) => {
                section.wrong(
                    "time_zone",
                    both!(
                        "{error}; write a name such as \"Asia/Shanghai\"",
                        "{error}；请写时区名称，如 \"Asia/Shanghai\""
                    ),
                );
                Self(TimeZone::UTC)
            }
        }
    }

    /// The time that the device should show.
    pub(crate) fn local(&self, clock: &dyn Clock) -> Option<DateTime> {
        let here = Timestamp::from_millisecond(clock.wall().0).ok()?;
        Some(self.0.to_datetime(here))
    }

    /// The zone of no summer time and no offset.
    #[cfg(test)]
    pub(crate) fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Seconds that the device is ahead of `clock`; `None` if its time does not exist.
    pub(crate) fn ahead(&self, device: DateTime, clock: &dyn Clock) -> Option<f64> {
        let device = self.0.to_timestamp(device).ok()?;
        let here = Timestamp::from_millisecond(clock.wall().0).ok()?;
        Some((device.as_millisecond() - here.as_millisecond()) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::ManualClock;

    use super::*;

    #[test]
    fn a_device_in_another_zone_is_compared_rightly() {
        let zone = DeviceZone(TimeZone::get("Asia/Shanghai").unwrap());
        let device = jiff::civil::date(2026, 3, 1).at(8, 0, 5, 0);
        let here: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let clock = ManualClock::at(0);
        let off = here.as_millisecond() - clock.wall().0;
        let ahead = zone.ahead(device, &clock).unwrap();
        assert_eq!(ahead, off as f64 / 1000.0 + 5.0);
    }
}
