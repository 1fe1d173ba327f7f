//! Rate-limited logging: a flood of clients must not become a flood of log lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Writes a log line at most once per period: `log_limited!(Duration::from_secs(1), |suppressed| log::warn!(…))`.
///
/// The closure gets the number of lines that were suppressed since the last one. The period is a constant. Each place
/// in the code has a limit of its own, which all threads share.
macro_rules! log_limited {
    ($period:expr, $write:expr) => {{
        static LIMITER: $crate::log_limit::LogLimiter = $crate::log_limit::LogLimiter::new($period);
        LIMITER.log(std::time::Instant::now(), $write)
    }};
}
pub(crate) use log_limited;

/// Lets one line through per period, and counts the others.
#[derive(Debug)]
pub struct LogLimiter {
    period: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimiter {
    /// A limit of one line per `period`.
    pub const fn new(period: Duration) -> Self {
        Self { period, state: Mutex::new(State { last: None, suppressed: 0 }) }
    }

    /// Calls `write` with the number of lines that were suppressed since the last one, unless that was less than a
    /// period before `now`.
    pub fn log(&self, now: Instant, write: impl FnOnce(u64)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            state.suppressed += 1;
            return;
        }
        let suppressed = state.suppressed;
        *state = State { last: Some(now), suppressed: 0 };
        // The log may be slow, and the others have only to count.
        drop(state);
        write(suppressed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_written_per_period_and_the_others_are_counted() {
        let limiter = LogLimiter::new(Duration::from_secs(1));
        let start = Instant::now();
        let mut written = Vec::new();
        for milliseconds in [0, 1, 999, 1000, 1500, 3000] {
            let now = start + Duration::from_millis(milliseconds);
            limiter.log(now, |suppressed| written.push((milliseconds, suppressed)));
        }
        assert_eq!(written, [(0, 0), (1000, 2), (3000, 1)]);
    }

    #[test]
    fn each_place_in_the_code_has_a_limit_of_its_own() {
        let mut written = Vec::new();
        for round in 0..3 {
            log_limited!(Duration::from_secs(3600), |_| written.push(("first", round)));
            log_limited!(Duration::from_secs(3600), |_| written.push(("second", round)));
        }
        assert_eq!(written, [("first", 0), ("second", 0)]);
    }
}
