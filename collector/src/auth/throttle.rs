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
    /// How long somebody must wait before the next attempt.
    #[must_use]
    pub fn wait(&self, name: &str, address: IpAddr, now: BootTime) -> Option<Duration> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |(who, free): (Who, u32)| {
            let failures = counts.get(&who)?;
            let over = failures.count.checked_sub(free)?;
            let pause = 1_000_u64.checked_shl(over.min(20)).unwrap_or(LONGEST_MS).min(LONGEST_MS);
            pause.checked_sub(now.since_ms(failures.last)).filter(|left| *left > 0)
        };
        all(name, address).into_iter().filter_map(left).max().map(Duration::from_millis)
    }

    /// Somebody gave a wrong password.
    pub fn failed(&self, name: &str, address: IpAddr, now: BootTime) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KEPT {
            counts.retain(|_, failures| now.since_ms(failures.last) < FORGET_MS);
        }
        if counts.len() >= KEPT
            && let Some(middle) = median(counts.values().map(|failures| failures.last))
        {
            counts.retain(|_, failures| failures.last > middle);
        }
        for (who, _) in all(name, address) {
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

    #[test]
    fn guessing_becomes_slow_and_a_right_password_clears_the_slate() {
        let throttle = Throttle::default();
        let home = "192.0.2.1".parse().unwrap();
        for attempt in 0..5 {
            assert_eq!(throttle.wait("li", home, at(0)), None, "attempt {attempt}");
            throttle.failed("Li", home, at(0));
        }
        assert_eq!(throttle.wait("li", home, at(0)), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait("li", home, at(1_000)), None);
        throttle.failed("li", home, at(1_000));
        assert_eq!(throttle.wait("li", home, at(1_500)), Some(Duration::from_millis(1_500)));
        // Another person at another place does not wait.
        assert_eq!(throttle.wait("wang", "192.0.2.2".parse().unwrap(), at(1_500)), None);
        throttle.succeeded("li", home);
        assert_eq!(throttle.wait("li", home, at(1_500)), None);
    }

    #[test]
    fn many_names_from_one_address_are_slow_as_well() {
        let throttle = Throttle::default();
        let address = |end: u32| format!("2001:db8::{end:x}").parse().unwrap();
        for guess in 0..20 {
            throttle.failed(&format!("user{guess}"), address(guess), at(0));
        }
        assert!(throttle.wait("nobody", address(99), at(0)).is_some(), "one network");
        assert!(throttle.wait("nobody", "2001:db8:1::1".parse().unwrap(), at(0)).is_none());
    }

    #[test]
    fn the_wait_has_an_end_and_memory_too() {
        let throttle = Throttle::default();
        let home = "192.0.2.1".parse().unwrap();
        for _ in 0..100 {
            throttle.failed("li", home, at(0));
        }
        assert_eq!(throttle.wait("li", home, at(0)), Some(Duration::from_millis(LONGEST_MS)));
        for guess in 0..50_000_u32 {
            throttle.failed(&format!("u{guess}"), std::net::Ipv4Addr::from_bits(guess).into(), at(u64::from(guess)));
        }
        assert!(throttle.0.lock().unwrap().len() < KEPT + 3);
    }
}
