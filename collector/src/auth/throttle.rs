//! Slows down whoever guesses passwords.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kouan_protocol::BootTime;

/// Failures that cost nothing: a person at one place, everybody at one address, everybody about one name. A name
/// alone has a high limit, because otherwise anybody could lock a person out.
const FREE: [u32; 3] = [5, 20, 50];
/// The longest wait.
const LONGEST_MS: u64 = 15 * 60_000;
/// Without a failure for so long, what was is forgotten.
const FORGET_MS: u64 = 60 * 60_000;
/// Counts that are kept; beyond, the oldest go.
const KEPT: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Both(String, IpAddr),
    Address(IpAddr),
    Name(String),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: BootTime,
}

/// Counts failed sign-ins, in memory.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Who, Failures>>);

fn all(name: &str, address: IpAddr) -> [(Who, u32); 3] {
    let name: String = name.to_lowercase().chars().take(64).collect();
    let address = network(address);
    let who = [Who::Both(name.clone(), address), Who::Address(address), Who::Name(name)];
    let mut free = FREE.into_iter();
    who.map(|who| (who, free.next().unwrap_or_default()))
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

impl Throttle {
    /// Begins an attempt, or says how long somebody must wait before the next one. It counts against that person at that
    /// place until it [succeeds](Self::succeeded): whoever sends many passwords at once must not have all of them
    /// looked at before the first is found wrong.
    ///
    /// # Errors
    /// How long to wait.
    pub fn begin(&self, name: &str, address: IpAddr, now: BootTime) -> Result<(), Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = Self::left(&counts, name, address, now) {
            return Err(wait);
        }
        let [both, _, _] = all(name, address);
        Self::count(&mut counts, [both], now);
        Ok(())
    }

    fn left(counts: &HashMap<Who, Failures>, name: &str, address: IpAddr, now: BootTime) -> Option<Duration> {
        let left = |(who, free): (Who, u32)| {
            let failures = counts.get(&who)?;
            let over = failures.count.checked_sub(free)?;
            let pause = 1_000_u64.checked_shl(over.min(20)).unwrap_or(LONGEST_MS).min(LONGEST_MS);
            pause.checked_sub(now.since_ms(failures.last)).filter(|left| *left > 0)
        };
        all(name, address).into_iter().filter_map(left).max().map(Duration::from_millis)
    }

    /// An attempt was one with a wrong password.
    pub fn failed(&self, name: &str, address: IpAddr, now: BootTime) {
        let [_, address, name] = all(name, address);
        Self::count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), [address, name], now);
    }

    fn count(counts: &mut HashMap<Who, Failures>, concerned: impl IntoIterator<Item = (Who, u32)>, now: BootTime) {
        if counts.len() >= KEPT {
            counts.retain(|_, failures| now.since_ms(failures.last) < FORGET_MS);
        }
        if counts.len() >= KEPT
            && let Some(middle) = median(counts.values().map(|failures| failures.last))
        {
            counts.retain(|_, failures| failures.last > middle);
        }
        for (who, _) in concerned {
            let failures = counts.entry(who).or_insert(Failures { count: 0, last: now });
            if now.since_ms(failures.last) >= FORGET_MS {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
    }

    /// Somebody gave the right password: that person's own mistakes at that place are forgotten.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [(both, _), _, _] = all(name, address);
        counts.remove(&both);
    }
}

fn median(times: impl Iterator<Item = BootTime>) -> Option<BootTime> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime(ms)
    }

    /// How long somebody would have to wait; nothing is counted.
    fn wait(throttle: &Throttle, name: &str, address: IpAddr, now: BootTime) -> Option<Duration> {
        Throttle::left(&throttle.0.lock().unwrap(), name, address, now)
    }

    /// A wrong password.
    fn guess(throttle: &Throttle, name: &str, address: IpAddr, now: BootTime) {
        let _ = throttle.begin(name, address, now);
        throttle.failed(name, address, now);
    }

    #[test]
    fn guessing_becomes_slow_and_a_right_password_clears_the_slate() {
        let throttle = Throttle::default();
        let home = "192.0.2.1".parse().unwrap();
        for attempt in 0..5 {
            assert_eq!(wait(&throttle, "li", home, at(0)), None, "attempt {attempt}");
            guess(&throttle, "Li", home, at(0));
        }
        assert_eq!(throttle.begin("li", home, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(wait(&throttle, "li", home, at(1_000)), None);
        guess(&throttle, "li", home, at(1_000));
        assert_eq!(wait(&throttle, "li", home, at(1_500)), Some(Duration::from_millis(1_500)));
        // Another person at another place does not wait.
        assert_eq!(wait(&throttle, "wang", "192.0.2.2".parse().unwrap(), at(1_500)), None);
        throttle.succeeded("li", home);
        assert_eq!(wait(&throttle, "li", home, at(1_500)), None);
    }

    #[test]
    fn many_passwords_at_once_are_no_more_than_one_after_the_other() {
        let throttle = Throttle::default();
        let home = "192.0.2.1".parse().unwrap();
        let begun = (0..256).filter(|_| throttle.begin("li", home, at(0)).is_ok()).count();
        assert_eq!(begun, 5, "none of them was looked at yet");
        throttle.succeeded("li", home);
        assert!(throttle.begin("li", home, at(0)).is_ok());
    }

    #[test]
    fn many_names_from_one_address_are_slow_as_well() {
        let throttle = Throttle::default();
        let address = |end: u32| format!("2001:db8::{end:x}").parse().unwrap();
        for number in 0..20 {
            guess(&throttle, &format!("user{number}"), address(number), at(0));
        }
        assert!(wait(&throttle, "nobody", address(99), at(0)).is_some(), "one network");
        assert!(wait(&throttle, "nobody", "2001:db8:1::1".parse().unwrap(), at(0)).is_none());
    }

    #[test]
    fn the_wait_has_an_end_and_memory_too() {
        let throttle = Throttle::default();
        let home = "192.0.2.1".parse().unwrap();
        for _ in 0..100 {
            throttle.failed("li", home, at(0));
        }
        assert_eq!(wait(&throttle, "li", home, at(0)), Some(Duration::from_millis(LONGEST_MS)));
        for number in 0..50_000_u32 {
            guess(
                &throttle,
                &format!("u{number}"),
                std::net::Ipv4Addr::from_bits(number).into(),
                at(u64::from(number)),
            );
        }
        assert!(throttle.0.lock().unwrap().len() < KEPT + 3);
    }
}
