//! How a simulated device misbehaves.

use std::time::Duration;

use serde::Serialize;

/// Misbehaviour of one simulated device; all off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// It carries out what it is told but answers nothing.
    pub silent: bool,
    /// It answers this much later.
    #[serde(with = "milliseconds")]
    pub late: Duration,
    /// Its checksums are wrong.
    pub bad_checksum: bool,
    /// It answers under another unit's number.
    pub wrong_unit: bool,
}

mod milliseconds {
    use std::time::Duration;

    pub(super) fn serialize<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Faults {
    /// The control lines that [`Faults::control`] takes.
    pub const HELP: &'static str = "silent on|off\nlate 3s|off\nbad-checksum on|off\nwrong-unit on|off\nfaults off";

    /// Carries out a control line about faults. `None`: it is about something else.
    pub fn control(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        let switch = |word: &str| match word {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("\"{other}\" must be on or off")),
        };
        Some(match words {
            ["silent", word] => switch(word).map(|on| self.silent = on),
            ["bad-checksum", word] => switch(word).map(|on| self.bad_checksum = on),
            ["wrong-unit", word] => switch(word).map(|on| self.wrong_unit = on),
            ["late", "off"] => {
                self.late = Duration::ZERO;
                Ok(())
            }
            ["late", word] => humantime::parse_duration(word)
                .map(|late| self.late = late)
                .map_err(|error| format!("\"{word}\" is not a length of time such as 3s: {error}")),
            ["faults", "off"] => {
                *self = Self::default();
                Ok(())
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_switched_by_words() {
        let mut faults = Faults::default();
        assert_eq!(faults.control(&["late", "1500ms"]), Some(Ok(())));
        assert_eq!(faults.control(&["silent", "on"]), Some(Ok(())));
        assert!(faults.control(&["silent", "maybe"]).unwrap().is_err());
        assert_eq!(faults.control(&["pass", "in"]), None);
        assert_eq!(serde_json::to_value(&faults).unwrap()["late"], 1500);
        assert_eq!(faults.control(&["faults", "off"]), Some(Ok(())));
        assert_eq!(faults, Faults::default());
    }
}
