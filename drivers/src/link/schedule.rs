//! Who is next on a link. Pure: time and chance are arguments.
//!
//! Among the groups that are due, the one that waits longest is next. A device that does not answer is *suspect*: it
//! is asked only when its back-off says so, and while others wait, all suspects together get at most one fifth of
//! the time. So a dead device costs its neighbours no more than that (`ARCHITECTURE.md`, invariant 8). A group that
//! stays silent while the rest of its device answers has a back-off of its own.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{Backoff, BackoffSettings};

/// For each time that suspects took, so many times that time belongs to the others.
const OTHERS_SHARE: u32 = 4;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Poll this group now.
    Poll {
        /// Index of the device on its link.
        device: usize,
        /// Index of the group in its device.
        group: usize,
    },
    /// Nothing is due before this instant.
    At(Instant),
    /// Nothing will ever be due.
    Never,
}

/// The polls of one link.
#[derive(Debug)]
pub struct Schedule {
    devices: Vec<Device>,
    suspects_from: Instant,
}

#[derive(Debug)]
struct Device {
    groups: Vec<Group>,
    backoff: Backoff,
    not_before: Option<Instant>,
    /// The one group that is asked while the device is suspect.
    probe: usize,
}

#[derive(Debug)]
struct Group {
    every: Duration,
    due: Instant,
    backoff: Backoff,
}

impl Schedule {
    /// Every group is due at `now`. `every` holds the intervals by device and group; a group of interval zero is
    /// never due.
    #[must_use]
    pub fn new(every: &[Vec<Duration>], backoff: BackoffSettings, now: Instant) -> Self {
        let group = |every: &Duration| Group { every: *every, due: now, backoff: Backoff::new(backoff) };
        let device = |groups: &Vec<Duration>| Device {
            groups: groups.iter().map(group).collect(),
            backoff: Backoff::new(backoff),
            not_before: None,
            probe: 0,
        };
        Self { devices: every.iter().map(device).collect(), suspects_from: now }
    }

    /// What to do at `now`.
    #[must_use]
    pub fn next(&self, now: Instant) -> Next {
        let (healthy, suspect) = (self.earliest(false), self.earliest(true));
        let due = |candidate: Option<(Instant, usize, usize)>| candidate.filter(|(due, ..)| *due <= now);
        let (healthy_due, suspect_due) = (due(healthy), due(suspect));
        let chosen = match (healthy_due, suspect_due) {
            (Some(healthy), Some(suspect)) => {
                Some(if now >= self.suspects_from && suspect.0 < healthy.0 { suspect } else { healthy })
            }
            (healthy, suspect) => healthy.or(suspect),
        };
        if let Some((_, device, group)) = chosen {
            return Next::Poll { device, group };
        }
        match healthy.into_iter().chain(suspect).map(|(due, ..)| due).min() {
            Some(due) => Next::At(due),
            None => Next::Never,
        }
    }

    /// The earliest poll of a suspect, or of anybody else.
    fn earliest(&self, suspect: bool) -> Option<(Instant, usize, usize)> {
        let devices = self.devices.iter().enumerate();
        let candidates = devices.flat_map(|(at, device)| {
            let groups = device.groups.iter().enumerate().filter(|(_, group)| !group.every.is_zero());
            groups.filter_map(move |(index, group)| {
                let due = match device.backoff.until() {
                    Some(_) if device.probe != index => return None,
                    Some(until) => until,
                    None => group.backoff.until().map_or(group.due, |until| group.due.max(until)),
                };
                let fails = device.backoff.failures() > 0 || group.backoff.failures() > 0;
                let due = device.not_before.map_or(due, |not_before| due.max(not_before));
                (fails == suspect).then_some((due, at, index))
            })
        });
        candidates.min()
    }

    /// Whether the device's or the group's last poll failed.
    #[must_use]
    pub fn is_suspect(&self, device: usize, group: usize) -> bool {
        let device = &self.devices[device];
        device.backoff.failures() > 0 || device.groups[group].backoff.failures() > 0
    }

    /// The group was read at `now`.
    pub fn succeeded(&mut self, device: usize, group: usize, now: Instant) {
        let device = &mut self.devices[device];
        device.backoff.succeeded();
        device.not_before = None;
        let group = &mut device.groups[group];
        group.backoff.succeeded();
        group.move_on(now);
    }

    /// The group got no valid answer; that took from `started` to `now`.
    pub fn failed(&mut self, device: usize, group: usize, started: Instant, now: Instant, chance: f64) {
        let cost = now.saturating_duration_since(started);
        let device = &mut self.devices[device];
        // It stays due, and its back-off says when: a group that is read once an hour must not miss the whole hour.
        device.groups[group].backoff.failed(now, chance);
        device.backoff.failed(now, chance);
        device.probe = group;
        if device.groups[group].backoff.failures() > 1 {
            // Perhaps only this group is silent: ask another one.
            let count = device.groups.len();
            let others = (1..count).map(|step| (group + step) % count);
            device.probe = others.into_iter().find(|other| !device.groups[*other].every.is_zero()).unwrap_or(group);
        }
        self.suspects_from = now + cost * OTHERS_SHARE;
    }

    /// The device must not be asked before `until`.
    pub fn hold(&mut self, device: usize, until: Instant) {
        self.devices[device].not_before = Some(until);
    }

    /// Everything is due at `now` and no device is suspect: the link came back.
    pub fn start_over(&mut self, now: Instant) {
        for device in &mut self.devices {
            device.backoff.succeeded();
            device.not_before = None;
            for group in &mut device.groups {
                group.backoff.succeeded();
                group.due = now;
            }
        }
    }
}

impl Group {
    /// Moves to the next instant of the group's own grid after `now`. Turns that were missed are left out.
    fn move_on(&mut self, now: Instant) {
        if self.every.is_zero() {
            return;
        }
        let late = now.saturating_duration_since(self.due);
        let turns = late.as_nanos() / self.every.as_nanos() + 1;
        let ahead = u32::try_from(turns).ok().and_then(|turns| self.every.checked_mul(turns));
        self.due = ahead.map_or(now + self.every, |ahead| self.due + ahead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs a line for `minutes`: a poll of a live device costs `live_cost`, of a dead one `dead_cost`.
    struct Run {
        polls: Vec<Vec<u32>>,
        dead_time: Duration,
        worst_wait: Duration,
    }

    fn run(every: &[Vec<Duration>], dead: &[bool], live_cost: Duration, dead_cost: Duration, length: Duration) -> Run {
        let start = Instant::now();
        let mut now = start;
        let mut schedule = Schedule::new(every, BackoffSettings::DEVICE, now);
        let mut run = Run {
            polls: every.iter().map(|groups| vec![0; groups.len()]).collect(),
            dead_time: Duration::ZERO,
            worst_wait: Duration::ZERO,
        };
        let mut last: Vec<Vec<Instant>> = every.iter().map(|groups| vec![now; groups.len()]).collect();
        while now - start < length {
            match schedule.next(now) {
                Next::At(due) => now = due,
                Next::Never => break,
                Next::Poll { device, group } if dead[device] => {
                    schedule.failed(device, group, now, now + dead_cost, 1.0);
                    run.dead_time += dead_cost;
                    now += dead_cost;
                }
                Next::Poll { device, group } => {
                    now += live_cost;
                    schedule.succeeded(device, group, now);
                    run.polls[device][group] += 1;
                    run.worst_wait = run.worst_wait.max(now - last[device][group]);
                    last[device][group] = now;
                }
            }
        }
        run
    }

    #[test]
    fn polls_keep_their_own_grid() {
        let start = Instant::now();
        let mut schedule = Schedule::new(&[vec![SECOND]], BackoffSettings::DEVICE, start);
        assert_eq!(schedule.next(start), Next::Poll { device: 0, group: 0 });
        schedule.succeeded(0, 0, start + SECOND / 4);
        assert_eq!(schedule.next(start + SECOND / 2), Next::At(start + SECOND));
        // Two turns were missed; they are not made up for.
        schedule.succeeded(0, 0, start + SECOND * 7 / 2);
        assert_eq!(schedule.next(start + SECOND * 7 / 2), Next::At(start + SECOND * 4));
    }

    #[test]
    fn a_device_that_speaks_by_itself_is_never_due() {
        let now = Instant::now();
        let schedule = Schedule::new(&[vec![Duration::ZERO]], BackoffSettings::DEVICE, now);
        assert_eq!(schedule.next(now), Next::Never);
    }

    #[test]
    fn a_suspect_is_probed_with_the_group_that_failed_and_welcomed_back() {
        let start = Instant::now();
        let mut schedule = Schedule::new(&[vec![SECOND, SECOND]], BackoffSettings::DEVICE, start);
        schedule.succeeded(0, 0, start);
        assert_eq!(schedule.next(start), Next::Poll { device: 0, group: 1 });
        schedule.failed(0, 1, start, start + SECOND, 1.0);
        assert!(schedule.is_suspect(0, 1));
        assert_eq!(schedule.next(start + SECOND), Next::At(start + SECOND * 2));
        assert_eq!(schedule.next(start + SECOND * 2), Next::Poll { device: 0, group: 1 });
        schedule.succeeded(0, 1, start + SECOND * 2);
        assert_eq!(schedule.next(start + SECOND * 2), Next::Poll { device: 0, group: 0 });
    }

    #[test]
    fn a_slow_group_that_failed_is_read_again_when_its_device_is_back() {
        let mut now = Instant::now();
        let start = now;
        let mut schedule = Schedule::new(&[vec![SECOND, SECOND * 3600]], BackoffSettings::DEVICE, now);
        let outage = start..start + SECOND * 100;
        let mut slow_read = None;
        while now < start + SECOND * 600 && slow_read.is_none() {
            match schedule.next(now) {
                Next::At(due) => now = due,
                Next::Never => unreachable!("both groups have an interval"),
                Next::Poll { device, group } if outage.contains(&now) => {
                    schedule.failed(device, group, now, now + SECOND, 1.0);
                    now += SECOND;
                }
                Next::Poll { device, group } => {
                    schedule.succeeded(device, group, now);
                    slow_read = (group == 1).then_some(now);
                }
            }
        }
        let waited = slow_read.expect("the slow group is read again") - outage.end;
        assert!(waited <= SECOND * 121, "{waited:?}");
    }

    #[test]
    fn a_silent_group_does_not_silence_its_device() {
        let mut now = Instant::now();
        let end = now + SECOND * 600;
        let mut schedule = Schedule::new(&[vec![SECOND, SECOND]], BackoffSettings::DEVICE, now);
        let mut polls = [0, 0];
        while now < end {
            match schedule.next(now) {
                Next::At(due) => now = due,
                Next::Never => unreachable!("both groups have an interval"),
                Next::Poll { device, group } => {
                    polls[group] += 1;
                    if group == 1 {
                        schedule.failed(device, group, now, now + SECOND, 1.0);
                        now += SECOND;
                    } else {
                        schedule.succeeded(device, group, now);
                    }
                }
            }
        }
        assert!(polls[0] > 500 && polls[1] < 20, "{polls:?}");
    }

    #[test]
    fn thirty_dead_devices_leave_the_live_one_four_fifths_of_the_line() {
        let every = vec![vec![SECOND]; 31];
        let dead: Vec<bool> = (0..31).map(|device| device != 30).collect();
        let run = run(&every, &dead, SECOND / 50, SECOND, SECOND * 600);
        // The first round of all devices must find out who is dead; then the live one waits for one probe at most.
        assert!(run.polls[30][0] >= 350, "{}", run.polls[30][0]);
    }

    proptest! {
        #[test]
        fn a_dead_device_costs_no_more_than_its_back_off(
            live in 1_usize..8, every_ms in 200_u64..5_000, timeout_ms in 100_u64..3_000,
        ) {
            let mut every = vec![vec![Duration::from_millis(every_ms)]; live];
            every.push(vec![Duration::from_millis(every_ms); 2]);
            let mut dead = vec![false; live];
            dead.push(true);
            let timeout = Duration::from_millis(timeout_ms);
            let length = SECOND * 600;
            let run = run(&every, &dead, Duration::from_millis(5), timeout, length);
            // 1 + 2 + 4 + … + 32 s, then every 60 s: at most 7 tries to reach the cap and one a minute after that.
            let tries = 7 + 600 / 60 + 1;
            prop_assert!(run.dead_time <= timeout * tries, "{:?}", run.dead_time);
            // A live device is late by at most one probe and the turns of its neighbours.
            let bound = Duration::from_millis(every_ms) + timeout + Duration::from_millis(5) * (live as u32 + 1);
            prop_assert!(run.worst_wait <= bound, "{:?} > {bound:?}", run.worst_wait);
        }

        #[test]
        fn an_overloaded_line_serves_everybody(devices in 2_usize..20, cost_ms in 50_u64..500) {
            let every: Vec<_> = (0..devices).map(|at| vec![Duration::from_millis(100 * (1 + at as u64 % 5))]).collect();
            let run = run(&every, &vec![false; devices], Duration::from_millis(cost_ms), SECOND, SECOND * 120);
            let counts: Vec<u32> = run.polls.iter().flatten().copied().collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            // Intervals differ by 5; nobody falls further behind than that.
            prop_assert!(*least * 6 + 6 >= *most, "{counts:?}");
        }
    }
}
