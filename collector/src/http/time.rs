//! Times as the API shows and takes them.

use kouan_protocol::Timestamp;

/// A time as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    // Outside what can be written (years beyond 9999) the number says it as well.
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.3}"))
}

/// Reads RFC 3339, or milliseconds since 1970.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(Timestamp(ms));
    }
    // A '+' that was not escaped in a query arrives as a blank.
    let text = text.replace(' ', "+");
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_out_and_come_back() {
        assert_eq!(rfc3339(1_795_305_600_005), "2026-11-22T00:00:00.005Z");
        for text in ["2026-11-22T00:00:00.005Z", "2026-11-22T08:00:00.005 08:00", "1795305600005"] {
            assert_eq!(parse_time(text), Some(Timestamp(1_795_305_600_005)), "{text}");
        }
        assert_eq!(parse_time("yesterday"), None);
    }
}
