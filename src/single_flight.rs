//! Values that are made once for all callers who ask for them at the same time, and kept for a moment.
//!
//! The first caller makes the value on its own thread, and the others wait for it. A caller who makes a value that hangs
//! hangs with it; those who wait give up after [`WAIT`], and one who comes later tries again.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::sync::lock;

/// How long a caller waits for a value that another one makes: a disk may have to spin up.
const WAIT: Duration = Duration::from_secs(30);

/// How long a value is kept at least. One that took longer to make is kept for as long as it took.
const KEEP: Duration = Duration::from_secs(1);

/// The values by their keys, which are being made or kept.
pub struct SingleFlight<K, T, E> {
    entries: Mutex<HashMap<K, Arc<Entry<T, E>>>>,
    /// A value was made.
    made: Condvar,
    wait: Duration,
    keep: Duration,
}

struct Entry<T, E> {
    begun: Instant,
    outcome: OnceLock<Outcome<T, E>>,
}

struct Outcome<T, E> {
    /// `None` if making the value panicked.
    result: Option<Result<T, E>>,
    keep_until: Instant,
}

impl<T, E> Entry<T, E> {
    /// Whether it is no longer for new callers: it was kept for long enough, or it hangs.
    fn is_over(&self, now: Instant, wait: Duration) -> bool {
        match self.outcome.get() {
            Some(outcome) => now >= outcome.keep_until,
            None => now >= self.begun + wait,
        }
    }
}

impl<K, T, E> Default for SingleFlight<K, T, E> {
    fn default() -> Self {
        Self { entries: Mutex::default(), made: Condvar::new(), wait: WAIT, keep: KEEP }
    }
}

impl<K, T, E> fmt::Debug for SingleFlight<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash, T: Clone, E: Clone> SingleFlight<K, T, E> {
    /// The value of `key`: the one that is kept, or that another caller is making, or else what `make` returns. Errors
    /// go to those who wait for them, and are not kept. `None`: it was not made in time, or making it panicked.
    pub fn get(&self, key: &K, make: impl FnOnce() -> Result<T, E>) -> Option<Result<T, E>> {
        let now = Instant::now();
        let mut entries = lock(&self.entries);
        let over: Vec<_> = entries.extract_if(|_, entry| entry.is_over(now, self.wait)).collect();
        let known = entries.get(key).cloned();
        let entry = known.clone().unwrap_or_else(|| {
            let entry = Arc::new(Entry { begun: now, outcome: OnceLock::new() });
            entries.insert(key.clone(), Arc::clone(&entry));
            entry
        });
        drop(entries);
        // After the lock: dropping a large value takes a while.
        drop(over);
        match known {
            Some(entry) => self.wait_for(&entry, now + self.wait),
            None => self.make(key, &entry, make),
        }
    }

    fn wait_for(&self, entry: &Entry<T, E>, deadline: Instant) -> Option<Result<T, E>> {
        let mut entries = lock(&self.entries);
        loop {
            if let Some(outcome) = entry.outcome.get() {
                return outcome.result.clone();
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            entries = self.made.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn make(&self, key: &K, entry: &Arc<Entry<T, E>>, make: impl FnOnce() -> Result<T, E>) -> Option<Result<T, E>> {
        // The panic was reported by its hook.
        let result = catch_unwind(AssertUnwindSafe(make)).ok();
        let now = Instant::now();
        let is_kept = matches!(result, Some(Ok(_)));
        let keep_until = now + self.keep.max(now - entry.begun);
        let mut entries = lock(&self.entries);
        // Nobody else sets it.
        let _ = entry.outcome.set(Outcome { result: result.clone(), keep_until });
        if !is_kept && entries.get(key).is_some_and(|current| Arc::ptr_eq(current, entry)) {
            entries.remove(key);
        }
        drop(entries);
        self.made.notify_all();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    type Numbers = SingleFlight<&'static str, usize, &'static str>;

    const LONG: Duration = Duration::from_secs(60);

    fn numbers(wait: Duration, keep: Duration) -> Numbers {
        SingleFlight { wait, keep, ..SingleFlight::default() }
    }

    #[test]
    fn all_who_ask_at_the_same_time_get_one_value() {
        let numbers = numbers(LONG, LONG);
        let made = AtomicUsize::new(0);
        let values: Vec<_> = thread::scope(|scope| {
            let ask = || {
                numbers.get(&"a", || {
                    thread::sleep(Duration::from_millis(20));
                    Ok(made.fetch_add(1, Ordering::SeqCst))
                })
            };
            let callers: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(values, vec![Some(Ok(0)); 50]);
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_value_is_kept_for_as_long_as_it_took() {
        let numbers = numbers(LONG, Duration::ZERO);
        let slow = Duration::from_millis(300);
        let mut made = Instant::now();
        let first = numbers.get(&"a", || {
            thread::sleep(slow);
            made = Instant::now();
            Ok(1)
        });
        assert_eq!(first, Some(Ok(1)));
        while numbers.get(&"a", || Ok(2)) == Some(Ok(1)) {
            assert!(made.elapsed() < LONG);
        }
        assert!(made.elapsed() >= slow);
    }

    #[test]
    fn an_error_is_for_those_who_wait_and_is_not_kept() {
        let numbers = numbers(LONG, LONG);
        let (begun, has_begun) = channel();
        let (end, ends) = channel::<()>();
        thread::scope(|scope| {
            let maker = scope.spawn(|| {
                numbers.get(&"a", move || {
                    begun.send(()).unwrap();
                    let _ = ends.recv();
                    Err("no such folder")
                })
            });
            has_begun.recv().unwrap();
            let waiter = scope.spawn(|| numbers.get(&"a", || Ok(1)));
            // The map, the one who makes it, and the one who waits.
            while Arc::strong_count(&lock(&numbers.entries)["a"]) < 3 {
                thread::yield_now();
            }
            drop(end);
            assert_eq!(maker.join().unwrap(), Some(Err("no such folder")));
            assert_eq!(waiter.join().unwrap(), Some(Err("no such folder")));
        });
        assert_eq!(numbers.get(&"a", || Ok(2)), Some(Ok(2)));
    }

    #[test]
    fn what_hangs_holds_up_no_other_key_and_is_tried_again() {
        let wait = Duration::from_secs(1);
        let numbers = numbers(wait, LONG);
        let (begun, has_begun) = channel();
        let (end, ends) = channel::<()>();
        thread::scope(|scope| {
            let hanging = scope.spawn(|| {
                numbers.get(&"a", move || {
                    begun.send(()).unwrap();
                    let _ = ends.recv();
                    Ok(1)
                })
            });
            has_begun.recv().unwrap();
            assert_eq!(numbers.get(&"b", || Ok(2)), Some(Ok(2)));
            let waited = Instant::now();
            assert_eq!(numbers.get(&"a", || Ok(3)), None, "it waits");
            assert!(waited.elapsed() >= wait);
            assert_eq!(numbers.get(&"a", || Ok(4)), Some(Ok(4)), "it tries again");
            drop(end);
            assert_eq!(hanging.join().unwrap(), Some(Ok(1)));
        });
        assert_eq!(numbers.get(&"a", || Ok(5)), Some(Ok(4)), "the newer value stays");
    }

    #[test]
    fn a_panic_is_no_value_and_is_not_kept() {
        let numbers = numbers(LONG, LONG);
        assert_eq!(numbers.get(&"a", || panic!("on purpose")), None);
        assert_eq!(numbers.get(&"a", || Ok(1)), Some(Ok(1)));
    }

    #[test]
    fn what_is_no_longer_kept_is_dropped_by_the_next_caller() {
        let numbers = SingleFlight { wait: LONG, keep: Duration::ZERO, ..SingleFlight::<_, _, ()>::default() };
        let value = Arc::new(1);
        let keys = ["a", "b", "c"];
        for key in &keys {
            numbers.get(key, || Ok(Arc::clone(&value)));
        }
        let begun = Instant::now();
        while Arc::strong_count(&value) > 1 {
            assert!(begun.elapsed() < LONG);
            numbers.get(&"d", || Err(()));
        }
    }
}
