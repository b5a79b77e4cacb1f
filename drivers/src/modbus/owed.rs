//! Answers that may still come.
//!
//! An RTU answer does not say which request it belongs to. A device that did not answer in time may do so later, and
//! an answer to "registers 0 and 1" looks exactly like one to "registers 8 and 9". So after a time-out the unit is
//! asked nothing that its late answer could be taken for, until the answer can no longer be expected. Only a retry of the
//! same request may go out at once: both answers tell what was asked now.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::codec::Request;

/// How many answer time-outs after a request its answer is no longer expected. A device that takes longer needs a
/// longer `answer_timeout` in its profile.
const LATE_WINDOW: u32 = 3;
/// Slack for a device whose delay varies.
const SLACK: f64 = 1.25;

/// The late answers of all units of a line.
#[derive(Debug, Default)]
pub(super) struct Owed {
    units: HashMap<u8, Debt>,
}

#[derive(Debug)]
struct Debt {
    request: Request,
    /// When the first request was sent whose answer may still come.
    first_sent: Instant,
    /// When none can be expected any more.
    until: Instant,
}

impl Owed {
    /// The request that was sent at `sent` was not answered within `timeout`.
    pub(super) fn timed_out(&mut self, unit: u8, request: &Request, sent: Instant, timeout: Duration) {
        let until = sent + timeout * LATE_WINDOW;
        let earlier = self.units.get(&unit).filter(|debt| debt.request == *request && debt.until > sent);
        let first_sent = earlier.map_or(sent, |debt| debt.first_sent);
        let until = self.units.get(&unit).map_or(until, |debt| debt.until.max(until));
        self.units.insert(unit, Debt { request: request.clone(), first_sent, until });
    }

    /// The request that was sent at `sent` was answered at `now`. If an earlier copy of it is unanswered, this may
    /// have been the earlier one's answer, and the next answer follows as much later as the copies were sent apart.
    pub(super) fn answered(&mut self, unit: u8, request: &Request, sent: Instant, now: Instant) {
        if let Some(debt) = self.units.get_mut(&unit)
            && debt.request == *request
        {
            let apart = sent.saturating_duration_since(debt.first_sent);
            debt.until = now + apart.mul_f64(SLACK);
        }
        self.units.retain(|_, debt| debt.until > now);
    }

    /// Until when a new request must wait, because an answer to an earlier one of the same function may still come.
    pub(super) fn hold(&self, unit: u8, request: &Request, now: Instant) -> Option<Instant> {
        let debt = self.units.get(&unit).filter(|debt| debt.request.code() == request.code())?;
        (debt.until > now).then_some(debt.until)
    }

    /// Until when any answer of the unit may come, if one may.
    pub(super) fn until(&self, unit: u8, now: Instant) -> Option<Instant> {
        self.units.get(&unit).map(|debt| debt.until).filter(|until| *until > now)
    }

    /// Until when an unconfirmed write may still be answered.
    pub(super) fn write_until(&self, unit: u8, now: Instant) -> Option<Instant> {
        let debt = self.units.get(&unit).filter(|debt| !debt.request.is_read())?;
        Some(debt.until).filter(|until| *until > now)
    }

    /// Whether anybody owes an answer.
    pub(super) fn any(&self, now: Instant) -> bool {
        self.units.values().any(|debt| debt.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::codec::ReadFunction::{Coils, HoldingRegisters};

    const SECOND: Duration = Duration::from_secs(1);

    fn read(address: u16) -> Request {
        Request::Read { function: HoldingRegisters, address, count: 2 }
    }

    #[test]
    fn only_a_request_that_could_be_confused_waits() {
        let start = Instant::now();
        let mut owed = Owed::default();
        owed.timed_out(1, &read(0), start, SECOND);
        let now = start + SECOND;
        assert_eq!(owed.hold(1, &read(8), now), Some(start + SECOND * 3));
        assert_eq!(owed.hold(1, &read(0), now), Some(start + SECOND * 3));
        assert_eq!(owed.hold(2, &read(8), now), None);
        let coils = Request::Read { function: Coils, address: 8, count: 2 };
        assert_eq!(owed.hold(1, &coils, now), None);
        assert_eq!(owed.hold(1, &read(8), start + SECOND * 3), None);
    }

    #[test]
    fn an_answer_to_a_repeated_request_leaves_one_on_its_way() {
        let start = Instant::now();
        let mut owed = Owed::default();
        owed.timed_out(1, &read(0), start, SECOND);
        // Repeated after one second and answered half a second later: it may be one and a half seconds late.
        owed.answered(1, &read(0), start + SECOND, start + SECOND * 3 / 2);
        assert_eq!(owed.hold(1, &read(8), start + SECOND * 2), Some(start + SECOND * 11 / 4));
        assert!(!owed.any(start + SECOND * 3));
    }
}
