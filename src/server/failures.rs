//! A slow-down for addresses that keep sending wrong passwords. Right ones are never delayed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;

/// Wrong passwords that cost no time, for a person who mistypes.
const FREE: u32 = 10;

/// The time between two responses to wrong passwords from one address, on whatever connections, and the longest that
/// one of them waits: on more than ten connections, they come faster.
const INTERVAL: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// An address that has sent no wrong password for this long is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// Addresses that are remembered.
const MOST: usize = 1024;

/// The mask of an IPv6 network of 64 bits. One host can use any address in it (RFC 7421 §1).
const NETWORK: u128 = !0 << 64;

#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Failing>>);

#[derive(Debug)]
struct Failing {
    count: u32,
    last: Instant,
    /// When the last response that was delayed is due.
    due: Instant,
}

impl Failures {
    /// Counts a wrong password from `client`, and says how long its response is delayed. An IPv6 network counts as one
    /// address. This delays nobody who has the password.
    pub fn delay(&self, client: IpAddr, now: Instant) -> Duration {
        let client = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        };
        let mut all = lock(&self.0);
        if all.len() >= MOST && !all.contains_key(&client) {
            let longest_ago = all.iter().min_by_key(|(_, failing)| failing.last).map(|(client, _)| *client);
            longest_ago.and_then(|client| all.remove(&client));
        }
        let new = Failing { count: 0, last: now, due: now };
        let failing = all.entry(client).and_modify(|failing| {
            if now >= failing.last + FORGET {
                failing.count = 0;
            }
        });
        let failing = failing.or_insert(new);
        failing.count = failing.count.saturating_add(1);
        failing.last = now;
        if failing.count <= FREE {
            return Duration::ZERO;
        }
        failing.due = (failing.due.max(now) + INTERVAL).min(now + LONGEST);
        failing.due - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn who_keeps_failing_is_slowed_down_within_a_bound_and_nobody_else() {
        let (failures, now) = (Failures::default(), Instant::now());
        assert!((0..FREE).all(|_| failures.delay(address(1), now).is_zero()));
        let delays: Vec<_> = (0..20).map(|_| failures.delay(address(1), now).as_millis()).collect();
        assert_eq!(delays[..3], [100, 200, 300]);
        assert!(delays[9..].iter().all(|delay| *delay == LONGEST.as_millis()), "{delays:?}");
        assert!(failures.delay(address(2), now).is_zero());
        // One who waits for each response gets ten a second.
        assert_eq!(failures.delay(address(1), now + 2 * LONGEST), INTERVAL);
        assert!(failures.delay(address(1), now + 2 * LONGEST + FORGET).is_zero());
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_slowed_down_together() {
        let (failures, now) = (Failures::default(), Instant::now());
        let of = |network: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host).into();
        assert!((0..FREE as u16).all(|host| failures.delay(of(1, host), now).is_zero()));
        assert_eq!(failures.delay(of(1, 10), now), INTERVAL);
        assert!(failures.delay(of(2, 10), now).is_zero());
    }

    #[test]
    fn the_addresses_that_are_remembered_have_a_bound() {
        let (failures, now) = (Failures::default(), Instant::now());
        for number in 0..3 * MOST as u32 {
            failures.delay(address(number), now + Duration::from_millis(number.into()));
        }
        let known = lock(&failures.0);
        assert!(known.len() == MOST && known.contains_key(&address(3 * MOST as u32 - 1)));
    }
}
