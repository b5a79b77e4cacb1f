//! The words for how much an alarm matters, and the names of alarms.

use kouan_protocol::Severity;

/// Every severity's word, the least first.
pub const SEVERITIES: [&str; 4] = ["info", "warning", "major", "critical"];

/// The word for a severity.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

/// The severity's number, 1 for `info` to 4 for `critical`.
#[must_use]
pub fn rank(name: &str) -> Option<i64> {
    SEVERITIES.iter().position(|known| *known == name).map(|at| at as i64 + 1)
}

/// A new name of an alarm.
pub(crate) fn random_id() -> String {
    format!("a-{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_go_together() {
        for severity in [Severity::Info, Severity::Warning, Severity::Major, Severity::Critical] {
            assert_eq!(rank(severity_name(severity)), Some(i64::from(severity.number())));
        }
        assert_eq!(rank("terrible"), None);
    }
}
