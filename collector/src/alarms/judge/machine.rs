//! From a condition that comes and goes to an alarm that is raised and cleared.

use std::collections::VecDeque;

use crate::alarms::rule::Flap;

/// How long a condition must hold, and must not hold.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// Before it is raised, in milliseconds.
    pub raise_ms: u64,
    /// Before it is cleared.
    pub clear_ms: u64,
    /// When it is held.
    pub flap: Flap,
}

/// What becomes of the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is raised.
    Raise,
    /// It is cleared.
    Clear,
}

/// One condition of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Whether the alarm stands.
    pub raised: bool,
    /// Whether it is held because it comes and goes.
    pub flapping: bool,
    /// Since when the condition is otherwise than the alarm.
    since: Option<u64>,
    raises: VecDeque<u64>,
}

impl Machine {
    /// One that was raised before the start.
    #[must_use]
    pub fn standing(flapping: bool) -> Self {
        Self { raised: true, flapping, ..Self::default() }
    }

    /// Whether nothing would be lost by forgetting it.
    #[must_use]
    pub fn is_idle(&self, now: u64, flap: &Flap) -> bool {
        let past = |raise: &u64| now.saturating_sub(*raise) >= flap.within_ms;
        !self.raised && self.since.is_none() && self.raises.iter().all(past)
    }

    /// Takes what is known of the condition at `now` (`None`: nothing), on a clock that cannot be set. Returns what becomes
    /// of the alarm, and when to look again although nothing changed.
    pub fn step(&mut self, holds: Option<bool>, now: u64, delays: &Delays) -> (Option<Turn>, Option<u64>) {
        let Some(holds) = holds.filter(|holds| *holds != self.raised) else {
            self.since = None;
            return (None, None);
        };
        let since = *self.since.get_or_insert(now);
        let wait = match (holds, self.flapping) {
            (true, _) => delays.raise_ms,
            (false, true) => delays.clear_ms.max(delays.flap.quiet_ms),
            (false, false) => delays.clear_ms,
        };
        if now.saturating_sub(since) < wait {
            return (None, Some(since.saturating_add(wait)));
        }
        self.since = None;
        self.raised = holds;
        if !holds {
            self.flapping = false;
            return (Some(Turn::Clear), None);
        }
        self.raises.push_back(now);
        while self.raises.front().is_some_and(|raise| now.saturating_sub(*raise) >= delays.flap.within_ms) {
            self.raises.pop_front();
        }
        self.flapping = delays.flap.raises > 0 && self.raises.len() >= delays.flap.raises;
        (Some(Turn::Raise), None)
    }

    /// Takes a raise back that has to wait for something else.
    pub fn postpone(&mut self, since: u64) {
        self.raised = false;
        self.flapping = false;
        self.raises.pop_back();
        self.since = Some(since);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delays(raise_ms: u64, clear_ms: u64, raises: usize) -> Delays {
        Delays { raise_ms, clear_ms, flap: Flap { raises, within_ms: 1_000, quiet_ms: 500 } }
    }

    #[test]
    fn delays_count_from_the_change_and_start_anew_when_it_goes_back() {
        let (mut machine, delays) = (Machine::default(), delays(10, 20, 0));
        assert_eq!(machine.step(Some(true), 100, &delays), (None, Some(110)));
        assert_eq!(machine.step(Some(false), 105, &delays), (None, None));
        assert_eq!(machine.step(Some(true), 108, &delays), (None, Some(118)));
        assert_eq!(machine.step(Some(true), 118, &delays), (Some(Turn::Raise), None));
        assert_eq!(machine.step(None, 119, &delays), (None, None), "what is not known changes nothing");
        assert_eq!(machine.step(Some(false), 120, &delays), (None, Some(140)));
        assert_eq!(machine.step(None, 150, &delays), (None, None));
        assert_eq!(machine.step(Some(false), 160, &delays), (None, Some(180)), "and delays start anew behind it");
        assert_eq!(machine.step(Some(false), 180, &delays), (Some(Turn::Clear), None));
    }

    #[test]
    fn what_comes_and_goes_is_held_until_it_is_quiet() {
        let (mut machine, delays) = (Machine::default(), delays(0, 0, 3));
        for at in [0, 10, 20] {
            assert_eq!(machine.step(Some(true), at, &delays).0, Some(Turn::Raise));
            if at < 20 {
                assert_eq!(machine.step(Some(false), at + 5, &delays).0, Some(Turn::Clear));
            }
        }
        assert!(machine.flapping);
        assert_eq!(machine.step(Some(false), 25, &delays), (None, Some(525)));
        assert_eq!(machine.step(Some(true), 30, &delays), (None, None));
        assert_eq!(machine.step(Some(false), 35, &delays), (None, Some(535)));
        assert_eq!(machine.step(Some(false), 535, &delays).0, Some(Turn::Clear));
        assert!(!machine.flapping && !machine.is_idle(900, &delays.flap) && machine.is_idle(1_020, &delays.flap));
    }

    proptest! {
        #[test]
        fn raises_and_clears_take_turns_and_wait_long_enough(
            words in prop::collection::vec((0_u64..30, prop::option::of(any::<bool>())), 1..60),
            raise_ms in 0_u64..40, clear_ms in 0_u64..40, raises in 0_usize..4,
        ) {
            let (mut machine, delays) = (Machine::default(), delays(raise_ms, clear_ms, raises));
            let (mut now, mut raised) = (0, false);
            let mut same: Option<(bool, u64)> = None;
            for (pause, holds) in words {
                now += pause;
                same = match (holds, same) {
                    (Some(holds), Some((before, since))) if holds == before => Some((holds, since)),
                    (Some(holds), _) => Some((holds, now)),
                    (None, _) => None,
                };
                let (turn, due) = machine.step(holds, now, &delays);
                prop_assert!(due.is_none_or(|due| due > now));
                if let Some(turn) = turn {
                    prop_assert_eq!(turn == Turn::Raise, !raised, "they take turns");
                    raised = turn == Turn::Raise;
                    let (told, since) = same.unwrap();
                    prop_assert_eq!(told, raised);
                    let wait = if raised { raise_ms } else { clear_ms };
                    prop_assert!(now - since >= wait);
                }
                prop_assert_eq!(machine.raised, raised);
            }
        }
    }
}
