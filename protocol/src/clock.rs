//! Time: the wall clock that people read, and the boot clock that cannot be set.

use std::fmt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::ids::BootId;

/// Wall time in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time moved by `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Milliseconds since boot, suspended time included (`CLOCK_BOOTTIME`). Comparable only within one [`BootId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Milliseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// The same instant on both clocks. It ties the boot times of a batch to wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Which boot the boot clock counts from.
    pub boot: BootId,
    /// The boot clock.
    pub boot_time: BootTime,
    /// The wall clock.
    pub wall: Timestamp,
    /// Whether the kernel says that the wall clock is synchronised.
    pub trusted: bool,
}

impl Anchor {
    /// What the wall clock showed at `boot_time` of the same boot, by this anchor.
    #[must_use]
    pub fn wall_at(&self, boot_time: BootTime) -> Timestamp {
        let ahead = i128::from(boot_time.0) - i128::from(self.boot_time.0);
        let wall = i128::from(self.wall.0) + ahead;
        Timestamp(wall.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

/// Where a program gets its time from. Production uses [`SystemClock`], tests [`ManualClock`].
pub trait Clock: Send + Sync + fmt::Debug {
    /// Both clocks, read together.
    fn anchor(&self) -> Anchor;

    /// Wall time.
    fn wall(&self) -> Timestamp {
        self.anchor().wall
    }

    /// Boot time.
    fn boot_time(&self) -> BootTime {
        self.anchor().boot_time
    }
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot: BootId,
}

impl SystemClock {
    /// Reads the kernel's boot id.
    ///
    /// # Errors
    /// When `/proc/sys/kernel/random/boot_id` cannot be read or is not a UUID.
    pub fn new() -> std::io::Result<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        let boot = digits.parse().map_err(|error| {
            let message = format!("the kernel's boot id \"{}\" is not a UUID: {error}", text.trim());
            std::io::Error::new(std::io::ErrorKind::InvalidData, message)
        })?;
        Ok(Self { boot })
    }
}

impl Clock for SystemClock {
    fn anchor(&self) -> Anchor {
        Anchor {
            boot: self.boot,
            boot_time: self.boot_time(),
            wall: self.wall(),
            trusted: kernel_clock_is_synchronised(),
        }
    }

    fn boot_time(&self) -> BootTime {
        BootTime(milliseconds(libc::CLOCK_BOOTTIME).max(0).unsigned_abs())
    }

    fn wall(&self) -> Timestamp {
        Timestamp(milliseconds(libc::CLOCK_REALTIME))
    }
}

/// A clock by the C library's `clock_gettime`, so that a preloaded library (libfaketime) can turn it in tests.
#[allow(unsafe_code)]
#[allow(clippy::useless_conversion, reason = "the fields are narrower on some machines")]
fn milliseconds(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call. Both clocks exist on every supported kernel, so that it cannot fail.
    unsafe {
        libc::clock_gettime(clock, &raw mut time);
    }
    i64::from(time.tv_sec).saturating_mul(1000).saturating_add(i64::from(time.tv_nsec) / 1_000_000)
}

/// Whether the kernel's clock discipline reports synchronisation (`adjtimex(2)`, flag `STA_UNSYNC` clear).
#[allow(unsafe_code)]
fn kernel_clock_is_synchronised() -> bool {
    // SAFETY: an all-zero `timex` is valid, `modes = 0` only reads, and the pointer lives for the call.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut timex);
        (state, timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

/// A clock that moves only when told.
#[derive(Debug)]
pub struct ManualClock(Mutex<Anchor>);

impl ManualClock {
    /// A clock that stands at `anchor`.
    #[must_use]
    pub fn new(anchor: Anchor) -> Self {
        Self(Mutex::new(anchor))
    }

    /// A trusted clock at `wall_ms`, one hour after boot 1.
    #[must_use]
    pub fn at(wall_ms: i64) -> Self {
        let boot_time = BootTime(3_600_000);
        Self::new(Anchor { boot: BootId(1), boot_time, wall: Timestamp(wall_ms), trusted: true })
    }

    /// Lets both clocks run on by `ms`.
    pub fn advance_ms(&self, ms: u64) {
        self.change(|anchor| {
            anchor.boot_time = anchor.boot_time.plus_ms(ms);
            anchor.wall = anchor.wall.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        });
    }

    /// Changes the clocks in any other way: sets the wall clock, reboots.
    pub fn change(&self, change: impl FnOnce(&mut Anchor)) {
        let mut anchor = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut anchor);
    }
}

impl Clock for ManualClock {
    fn anchor(&self) -> Anchor {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_and_the_boot_id_is_kept() {
        let clock = SystemClock::new().unwrap();
        let first = clock.anchor();
        let second = clock.anchor();
        assert!(second.boot_time >= first.boot_time);
        assert_eq!(first.boot, SystemClock::new().unwrap().anchor().boot);
    }

    #[test]
    fn an_anchor_places_boot_times_on_the_wall() {
        let anchor = ManualClock::at(10_000).anchor();
        assert_eq!(anchor.wall_at(BootTime(anchor.boot_time.0 - 250)), Timestamp(9_750));
        assert_eq!(anchor.wall_at(BootTime(u64::MAX)), Timestamp(i64::MAX));
    }
}
