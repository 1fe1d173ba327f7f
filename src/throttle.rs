//! Rate-limited logging: a flood of clients must not become a flood of log lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one event through per period and counts the others.
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    pub const fn new(period: Duration) -> Self {
        Self { period, state: Mutex::new((None, 0)) }
    }

    /// An event: calls `say` with the number of events held back before it, unless it is held back too.
    pub fn pass(&self, say: impl FnOnce(u64)) {
        self.pass_at(Instant::now(), say);
    }

    fn pass_at(&self, now: Instant, say: impl FnOnce(u64)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, held_back) = *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            state.1 += 1;
            return;
        }
        *state = (Some(now), 0);
        drop(state);
        say(held_back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_passes_per_period_and_the_others_are_counted() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let start = Instant::now();
        let mut said = Vec::new();
        for milliseconds in [0, 1, 999, 1000, 1500, 3000] {
            throttle
                .pass_at(start + Duration::from_millis(milliseconds), |held_back| said.push((milliseconds, held_back)));
        }
        assert_eq!(said, [(0, 0), (1000, 2), (3000, 1)]);
    }
}
