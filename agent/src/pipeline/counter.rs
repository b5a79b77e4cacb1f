//! How far a counter went, through wraps and resets.

/// What a new raw value says about a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It went on by so many steps.
    Forward(u64),
    /// It began again at zero and has made so many steps since.
    Reset(u64),
}

/// Compares two readings of a counter that starts again at `wraps_at`, if it does.
///
/// A smaller value is a wrap only when both values are near the turn; otherwise the device was reset.
pub(super) fn step(previous: i64, now: i64, wraps_at: Option<u64>) -> Step {
    if now >= previous {
        return Step::Forward(now.abs_diff(previous));
    }
    let since_zero = u64::try_from(now).unwrap_or(0);
    if let Some(wraps_at) = wraps_at {
        let margin = wraps_at / 8;
        let before = u64::try_from(previous).unwrap_or(0);
        if before < wraps_at && wraps_at - before <= margin && since_zero <= margin {
            return Step::Forward(wraps_at - before + since_zero);
        }
    }
    Step::Reset(since_zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_wraps_and_is_reset() {
        assert_eq!(step(5, 5, None), Step::Forward(0));
        assert_eq!(step(5, 9, None), Step::Forward(4));
        assert_eq!(step(65_534, 1, Some(65_536)), Step::Forward(3));
        assert_eq!(step(30_000, 2, Some(65_536)), Step::Reset(2));
        assert_eq!(step(30_000, 2, None), Step::Reset(2));
    }
}
