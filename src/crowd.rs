//! Those who wait for their sockets: clients between two turns, and the doors that newcomers come through.
//!
//! A guest waits here until its socket can do what it waits for, or its time has come, whichever is first; it costs no
//! thread meanwhile. Workers take whoever is next ([`Crowd::next`]). Linux tells by `epoll(7)` whose socket is ready;
//! elsewhere (`elsewhere`) a worker waits with each guest.

use std::time::Duration;

use rustix::event::Timespec;

#[cfg(any(test, not(target_os = "linux")))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod epoll;
#[cfg(test)]
mod tests;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Crowd;
#[cfg(target_os = "linux")]
pub use epoll::Crowd;

/// The longest sleep: the system counts some in milliseconds, in 32 bits. Whoever wakes too early goes to sleep again.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 3600);

/// A sleep as the system wants it.
fn timespec(sleep: Duration) -> Timespec {
    let sleep = sleep.min(LONGEST_SLEEP);
    Timespec { tv_sec: sleep.as_secs().cast_signed(), tv_nsec: sleep.subsec_nanos().into() }
}

/// What a guest waits for, besides its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Something to receive, or to accept.
    Read,
    /// Room to send.
    Write,
    /// Nothing else.
    Time,
}
