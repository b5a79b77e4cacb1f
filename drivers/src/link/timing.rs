//! Pauses, time-outs and retries.

use std::time::Duration;

use kouan_settings::Section;

/// How a device on a link is given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Silence kept before each request, counted from the last byte that was seen.
    pub gap: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// How often a read that got no valid answer is asked again at once. An action is never repeated.
    pub retries: u32,
}

/// The keys that were written down in one place: a profile, a link, a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimingKeys {
    /// `gap`
    pub gap: Option<Duration>,
    /// `answer_timeout`
    pub answer_timeout: Option<Duration>,
    /// `retries`
    pub retries: Option<u32>,
}

impl TimingKeys {
    /// Reads `gap`, `answer_timeout` and `retries`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let within = |section: &mut Section<'_>, key: &str, low: Duration, high: Duration| {
            section.has(key).then(|| section.duration_within(key, low..=high, high))
        };
        Self {
            gap: within(section, "gap", Duration::ZERO, Duration::from_secs(10)),
            answer_timeout: within(section, "answer_timeout", Duration::from_millis(10), Duration::from_secs(60)),
            retries: section.integer("retries", 0..=5).and_then(|retries| u32::try_from(retries).ok()),
        }
    }

    /// These keys, and `other`'s where a key is absent here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            gap: self.gap.or(other.gap),
            answer_timeout: self.answer_timeout.or(other.answer_timeout),
            retries: self.retries.or(other.retries),
        }
    }

    /// Complete settings, with `default` for what nobody wrote down.
    ///
    /// What the site says beats what the profile says: `device.or(link).or(profile).complete(default)`.
    #[must_use]
    pub fn complete(self, default: Timing) -> Timing {
        Timing {
            gap: self.gap.unwrap_or(default.gap),
            answer_timeout: self.answer_timeout.unwrap_or(default.answer_timeout),
            retries: self.retries.unwrap_or(default.retries),
        }
    }
}

impl Timing {
    /// Usual values on a serial line.
    pub const SERIAL: Self =
        Self { gap: Duration::from_millis(10), answer_timeout: Duration::from_millis(1000), retries: 1 };
    /// Usual values of Modbus on a serial port of that speed: its silence of three and a half characters of eleven bits
    /// between frames (Modbus over Serial Line V1.02, 2.5.1.1), and never less than cheap boards need to let go of the line.
    #[must_use]
    pub fn modbus_serial(baud: u32) -> Self {
        let silence = Duration::from_secs_f64(3.5 * 11.0 / f64::from(baud.max(1)));
        Self { gap: silence.max(Duration::from_millis(5)), ..Self::SERIAL }
    }

    /// Usual values over TCP.
    pub const TCP: Self = Self { gap: Duration::ZERO, answer_timeout: Duration::from_millis(2000), retries: 1 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_given_longer_gaps() {
        let gaps = [1200, 2400, 9600, 115_200].map(|baud| Timing::modbus_serial(baud).gap.as_secs_f64() * 1000.0);
        let rounded = gaps.map(|gap| (gap * 10.0).round() / 10.0);
        assert_eq!(rounded, [32.1, 16.0, 5.0, 5.0]);
    }
}
