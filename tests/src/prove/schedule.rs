//! What breaks when, drawn from a seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::line::Damage;

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The agent gets SIGKILL and is started again.
    KillAgent,
    /// The collector gets SIGKILL and is started again.
    KillCollector,
    /// Both get SIGKILL at once and are started again, the agent first.
    KillBoth,
    /// The agent is stopped for a while with SIGSTOP.
    StopAgent,
    /// The collector is stopped for a while with SIGSTOP.
    StopCollector,
    /// The line misbehaves.
    Line(Damage),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillAgent => f.write_str("agent killed"),
            Self::KillCollector => f.write_str("collector killed"),
            Self::KillBoth => f.write_str("both killed"),
            Self::StopAgent => f.write_str("agent stopped"),
            Self::StopCollector => f.write_str("collector stopped"),
            Self::Line(damage) => damage.fmt(f),
        }
    }
}

/// One fault in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When it begins, counted from the start of the round.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What breaks.
    pub fault: Fault,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f64(), self.lasts.as_secs_f64());
        write!(f, "{at:6.2} s  {} for {lasts:.2} s", self.fault)
    }
}

/// What breaks in one round. The tracks run side by side, so that faults of different kinds meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Faults of the two programs, one after another.
    pub programs: Vec<Step>,
    /// Faults of the line, one after another.
    pub line: Vec<Step>,
}

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn draw(seed: u64, length: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let programs = track(&mut random, length, 200..900, 30..900, |random| {
            // Kills of the agent are the hardest and come most often.
            match random.random_range(0..10) {
                0..4 => Fault::KillAgent,
                4..6 => Fault::KillCollector,
                6..8 => Fault::KillBoth,
                8 => Fault::StopAgent,
                _ => Fault::StopCollector,
            }
        });
        let line = track(&mut random, length, 50..700, 200..1500, |random| {
            Fault::Line(Damage::ALL[random.random_range(0..Damage::ALL.len())])
        });
        Self { programs, line }
    }

    /// All steps in order of time.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<_> = self.programs.iter().chain(&self.line).copied().collect();
        steps.sort_by_key(|step| step.at);
        steps
    }
}

/// Faults one after another for `length`, with pauses and durations from ranges in milliseconds.
fn track(
    random: &mut StdRng,
    length: Duration,
    pauses: std::ops::Range<u64>,
    lasting: std::ops::Range<u64>,
    mut fault: impl FnMut(&mut StdRng) -> Fault,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = Duration::from_millis(random.random_range(pauses.clone()));
    while at < length {
        let lasts = Duration::from_millis(random.random_range(lasting.clone()));
        steps.push(Step { at, lasts, fault: fault(random) });
        at += lasts + Duration::from_millis(random.random_range(pauses.clone()));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another() {
        let length = Duration::from_secs(10);
        assert_eq!(Schedule::draw(7, length), Schedule::draw(7, length));
        assert_ne!(Schedule::draw(7, length), Schedule::draw(8, length));
        assert!(Schedule::draw(7, length).steps().is_sorted_by_key(|step| step.at));
    }
}
