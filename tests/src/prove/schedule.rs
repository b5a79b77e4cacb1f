//! What breaks when, drawn from a seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::line::Damage;

/// A file of the agent's data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentFile {
    /// The lanes `urgent` and `events`.
    Urgent,
    /// The lane `readings`.
    Readings,
    /// The command journal.
    Journal,
}

impl AgentFile {
    /// Its name in the data folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent.db",
            Self::Readings => "readings.db",
            Self::Journal => "journal.db",
        }
    }
}

/// What the disk under the agent's data folder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// Files cannot grow.
    Full,
    /// Nothing can be changed.
    ReadOnly,
    /// Syncs fail.
    SyncsFail,
    /// Syncs take long.
    Slow,
}

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
    /// The agent gets SIGKILL, sectors of this file are overwritten, and it is started again.
    DamageDead(AgentFile),
    /// Sectors of this file are overwritten while the agent runs.
    DamageLive(AgentFile),
    /// The line misbehaves.
    Line(Damage),
    /// The disk under the agent misbehaves.
    Disk(DiskTrouble),
    /// The agent's wall clock jumps and is now ahead by so many seconds.
    AgentClock(i64),
    /// The collector's wall clock jumps and is now ahead by so many seconds.
    CollectorClock(i64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillAgent => f.write_str("agent killed"),
            Self::KillCollector => f.write_str("collector killed"),
            Self::KillBoth => f.write_str("both killed"),
            Self::StopAgent => f.write_str("agent stopped"),
            Self::StopCollector => f.write_str("collector stopped"),
            Self::DamageDead(file) => write!(f, "agent killed and {} damaged", file.name()),
            Self::DamageLive(file) => write!(f, "{} damaged under the running agent", file.name()),
            Self::Line(damage) => damage.fmt(f),
            Self::Disk(DiskTrouble::Full) => f.write_str("disk full"),
            Self::Disk(DiskTrouble::ReadOnly) => f.write_str("disk read-only"),
            Self::Disk(DiskTrouble::SyncsFail) => f.write_str("disk fails to sync"),
            Self::Disk(DiskTrouble::Slow) => f.write_str("disk slow to sync"),
            Self::AgentClock(ahead) => write!(f, "agent's clock ahead by {ahead} s"),
            Self::CollectorClock(ahead) => write!(f, "collector's clock ahead by {ahead} s"),
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
    /// Faults of the line.
    pub line: Vec<Step>,
    /// Faults of the agent's disk; in every third round.
    pub disk: Vec<Step>,
    /// Jumps of wall clocks; in every other round.
    pub clocks: Vec<Step>,
}

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn draw(seed: u64, length: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let damages = random.random_ratio(1, 3);
        let programs = track(&mut random, length, 200..900, 30..900, |random| program_fault(random, damages));
        let line = track(&mut random, length, 50..700, 200..1500, |random| {
            Fault::Line(Damage::ALL[random.random_range(0..Damage::ALL.len())])
        });
        let (mut disk, mut clocks) = (Vec::new(), Vec::new());
        if random.random_ratio(1, 3) {
            disk = track(&mut random, length, 200..1500, 200..2500, |random| {
                Fault::Disk(match random.random_range(0..5) {
                    0..2 => DiskTrouble::Full,
                    2 => DiskTrouble::ReadOnly,
                    3 => DiskTrouble::SyncsFail,
                    _ => DiskTrouble::Slow,
                })
            });
        }
        if random.random_ratio(1, 2) {
            clocks = track(&mut random, length, 100..1500, 1..1000, |random| {
                let ahead = JUMPS[random.random_range(0..JUMPS.len())];
                if random.random_bool(0.6) {
                    Fault::AgentClock(ahead)
                } else {
                    Fault::CollectorClock(ahead.clamp(-COLLECTOR_JUMP, COLLECTOR_JUMP))
                }
            });
        }
        Self { programs, line, disk, clocks }
    }

    /// Whether bytes of the agent's files are overwritten.
    #[must_use]
    pub fn damages_files(&self) -> bool {
        self.programs.iter().any(|step| matches!(step.fault, Fault::DamageDead(_) | Fault::DamageLive(_)))
    }

    /// All steps in order of time.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = [&self.programs[..], &self.line, &self.disk, &self.clocks].concat();
        steps.sort_by_key(|step| step.at);
        steps
    }
}

/// By how many seconds a clock that jumped is ahead: a year, a day, an hour, some seconds.
const JUMPS: [i64; 9] = [31_536_000, 86_400, 3_600, 7, 0, -7, -3_600, -86_400, -31_536_000];

/// Twenty days: the collector's log, which the proof reads in the end, is kept for thirty.
const COLLECTOR_JUMP: i64 = 1_728_000;

/// Kills of the agent are the hardest and come most often.
fn program_fault(random: &mut StdRng, damages: bool) -> Fault {
    if damages && random.random_ratio(1, 4) {
        let file = match random.random_range(0..3) {
            0 => AgentFile::Urgent,
            1 => AgentFile::Readings,
            _ => AgentFile::Journal,
        };
        return if random.random_bool(0.6) { Fault::DamageDead(file) } else { Fault::DamageLive(file) };
    }
    match random.random_range(0..10) {
        0..4 => Fault::KillAgent,
        4..6 => Fault::KillCollector,
        6..8 => Fault::KillBoth,
        8 => Fault::StopAgent,
        _ => Fault::StopCollector,
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
