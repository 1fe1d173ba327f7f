//! Those who wait for their sockets: clients between two turns, and the doors that newcomers come through.
//!
//! A guest waits here until its socket can do what it waits for, or its time has come, whichever is first; it costs no
//! thread meanwhile. Workers take whoever is next ([`Crowd::next`]). Linux tells by `epoll(7)` whose socket is ready;
//! elsewhere (`elsewhere`) a worker waits with each guest.

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
