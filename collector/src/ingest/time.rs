//! When something happened, judged once, as it arrives.

use kouan_protocol::{Anchor, Timestamp};

use crate::store::log::{Correction, EARLIEST, FUTURE_MS, TimeStatus};

/// A clock that differs by less is taken as right; it is about the latency of a bad line.
const TOLERANCE_MS: u64 = 2_000;
/// A time service slews a clock by at most one part in 2000 (adjtimex(2)); by more it was set.
const DRIFT: i128 = 2_000;

/// What must be added to the wall times of a batch with that anchor, when the agent's clocks showed `sent` as the
/// upload left and it arrived at `received`, `delay_ms` later than the quickest would have.
///
/// The boot clock ties the batch to the moment of sending, if the machine has not been started again in between;
/// then even records of a clock that was never set get a right time.
#[must_use]
pub fn correct(received: Timestamp, delay_ms: u64, sent: &Anchor, batch: &Anchor) -> Correction {
    let arrived = received.0.saturating_sub_unsigned(delay_ms);
    if batch.boot == sent.boot {
        let age = i128::from(sent.boot_time.0) - i128::from(batch.boot_time.0);
        let shift = i128::from(arrived) - (i128::from(batch.wall.0) + age);
        let shift_ms = shift.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        // The wall clock as the batch was made counts, not as it was sent: it may have been set in between.
        let tolerance = i128::from(TOLERANCE_MS) + age.max(0) / DRIFT;
        if !batch.trusted || i128::from(shift_ms).abs() > tolerance {
            return believable(Correction { received, shift_ms, status: TimeStatus::Corrected }, batch);
        }
    }
    let status = if batch.trusted { TimeStatus::Trusted } else { TimeStatus::Uncertain };
    let correction = Correction { received, shift_ms: 0, status };
    if batch.boot == sent.boot {
        return believable(correction, batch);
    }
    // It was made before the machine started, which is the latest that is certain.
    let latest = Timestamp(arrived.saturating_sub_unsigned(sent.boot_time.0));
    let time = batch.wall;
    if is_believable(time, received) && (batch.trusted || time <= latest) {
        return correction;
    }
    Correction { received, shift_ms: latest.0.saturating_sub(time.0), status: TimeStatus::Uncertain }
}

/// A time past belief is placed where the batch arrived and marked; both times can still be told from the shift.
fn believable(correction: Correction, batch: &Anchor) -> Correction {
    let Correction { received, shift_ms, .. } = correction;
    if is_believable(batch.wall.plus_ms(shift_ms), received) {
        return correction;
    }
    let shift_ms = received.0.saturating_sub(batch.wall.0);
    Correction { received, shift_ms, status: TimeStatus::Uncertain }
}

fn is_believable(time: Timestamp, received: Timestamp) -> bool {
    time >= EARLIEST && time <= received.plus_ms(FUTURE_MS)
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{BootId, BootTime};
    use rstest::rstest;

    use super::*;

    const NOW: i64 = 1_795_000_000_000;
    const YEAR: i64 = 365 * 24 * 3600 * 1000;
    const WEEK: u64 = 7 * 24 * 3600 * 1000;

    fn anchor(boot: u64, boot_ms: u64, wall: i64, trusted: bool) -> Anchor {
        Anchor { boot: BootId(boot), boot_time: BootTime(boot_ms), wall: Timestamp(wall), trusted }
    }

    #[rstest]
    #[case::right_clock(anchor(1, 90_000, NOW - 50, true), anchor(1, 80_000, NOW - 10_050, true), 0, "trusted")]
    #[case::never_set(anchor(1, 90_000, 90_000, false), anchor(1, 80_000, 80_000, false), NOW - 90_000, "corrected")]
    #[case::set_in_between(anchor(1, 90_000, NOW, true), anchor(1, 80_000, 80_000, false), NOW - 90_000, "corrected")]
    #[case::wrong_by_an_hour(
        anchor(1, 90_000, NOW - 3_600_000, true), anchor(1, 80_000, NOW - 3_610_000, true), 3_600_000, "corrected")]
    #[case::set_back_by_a_year_in_between(
        anchor(1, 90_000, NOW - YEAR, true), anchor(1, 80_000, NOW - 10_000, true), 0, "trusted")]
    #[case::set_right_in_between(
        anchor(1, 90_000, NOW, true), anchor(1, 80_000, NOW - 10_000 + YEAR, true), -YEAR, "corrected")]
    #[case::slewed_over_a_week(
        anchor(1, 90_000 + WEEK, NOW, true), anchor(1, 90_000, NOW - WEEK as i64 + 60_000, true), 0, "trusted")]
    #[case::before_a_reboot(
        anchor(2, 9_000, NOW, true), anchor(1, 80_000, NOW - 600_000, false), 0, "uncertain")]
    #[case::trusted_before_a_reboot(
        anchor(2, 9_000, NOW, true), anchor(1, 80_000, NOW - 600_000, true), 0, "trusted")]
    #[case::never_set_before_a_reboot(
        anchor(2, 9_000, NOW, true), anchor(1, 80_000, 80_000, false), NOW - 9_000 - 80_000, "uncertain")]
    #[case::ahead_of_the_reboot(
        anchor(2, 9_000, NOW, true), anchor(1, 80_000, NOW + 600_000, false), -609_000, "uncertain")]
    #[case::years_ahead(
        anchor(2, 9_000, NOW, true), anchor(1, 80_000, NOW * 2, true), -NOW - 9_000, "uncertain")]
    fn the_table(#[case] sent: Anchor, #[case] batch: Anchor, #[case] shift_ms: i64, #[case] status: &str) {
        let correction = correct(Timestamp(NOW), 0, &sent, &batch);
        assert_eq!((correction.shift_ms, correction.status.as_str()), (shift_ms, status));
    }

    #[test]
    fn what_the_line_held_back_keeps_its_time() {
        let batch = anchor(1, 80_000, 80_000, false);
        let quick = correct(Timestamp(NOW), 0, &anchor(1, 90_000, 90_000, false), &batch);
        let slow = correct(Timestamp(NOW + 2_500), 1_500, &anchor(1, 91_000, 91_000, false), &batch);
        assert_eq!((quick.shift_ms, slow.shift_ms), (NOW - 90_000, NOW - 90_000));
        assert_eq!(slow.received, Timestamp(NOW + 2_500));
    }

    #[test]
    fn no_record_leaves_the_time_that_can_be_believed() {
        let batch = anchor(1, 80_000, NOW, true);
        let correction = correct(Timestamp(NOW), 0, &batch, &batch);
        assert_eq!(correction.time_of(&batch, BootTime(u64::MAX)), Timestamp(NOW + FUTURE_MS));
        assert_eq!(correction.time_of(&batch, BootTime(79_000)), Timestamp(NOW - 1_000));
    }
}
