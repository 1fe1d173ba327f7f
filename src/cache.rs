//! Values that are made once for all callers who want them at the same time, and kept for a second.
//!
//! A value is made by a thread of its own. The callers wait for it, or for its turn, no longer than [`WAIT`]: where a
//! disk hangs, making it takes for ever. Other values still get their turn, since a thread that has run for longer than
//! that no longer counts.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a caller waits: as long as a listing may take, and a second.
const WAIT: Duration = Duration::from_secs(6);

/// How long a value is kept.
const KEEP: Duration = Duration::from_secs(1);

/// Values that are made at once.
const AT_ONCE: usize = 2;

/// Values that are kept, each by its thread, and their bytes. What is more than that is for those alone who wait for
/// it.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// Values that are kept or being made, also by threads that hang.
const MOST: usize = 256;

/// See the module.
pub struct Cache<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    state: Mutex<State<K, V>>,
    changed: Condvar,
    wait: Duration,
    keep: Duration,
}

struct State<K, V> {
    entries: HashMap<K, Arc<Entry<V>>>,
    kept: usize,
    kept_bytes: usize,
}

struct Entry<V> {
    since: Instant,
    /// `None` when making it panicked.
    value: OnceLock<Option<V>>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self::with_times(WAIT, KEEP)
    }
}

impl<K, V> Cache<K, V> {
    fn with_times(wait: Duration, keep: Duration) -> Self {
        let state = State { entries: HashMap::new(), kept: 0, kept_bytes: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), wait, keep }))
    }
}

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The value of `key`: the one that is kept or being made, or else what `make` makes, beside the bytes that it
    /// takes. `None`: it wasn't made in time.
    pub fn get(&self, key: &K, make: impl FnOnce() -> (V, usize) + Send + 'static) -> Option<V> {
        let Shared { changed, wait, .. } = &*self.0;
        let deadline = Instant::now() + *wait;
        let mut state = self.0.lock();
        let mut make = Some(make);
        let mut entry = None;
        loop {
            let now = Instant::now();
            let counted = |entry: &&Arc<Entry<V>>| entry.value.get().is_none() && now < entry.since + *wait;
            entry = entry.or_else(|| state.entries.get(key).cloned());
            if entry.is_none()
                && state.entries.len() < MOST
                && state.entries.values().filter(counted).count() < AT_ONCE
                && let Some(make) = make.take()
            {
                entry = Some(self.0.start(&mut state, key, make)?);
            }
            // It has taken too long for those who asked first, and so it has for this caller.
            let until = entry.as_ref().map_or(deadline, |entry| deadline.min(entry.since + *wait));
            match entry.as_ref().and_then(|entry| entry.value.get()) {
                Some(value) => return value.clone(),
                None if now >= until => return None,
                None => {}
            }
            // A turn also comes when a thread no longer counts.
            let until =
                state.entries.values().filter(counted).map(|entry| entry.since + *wait).fold(until, Instant::min);
            state = changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<K, V> Shared<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Send + Sync + 'static,
{
    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread that makes a value and keeps it. `None`: the system has no thread.
    fn start(
        self: &Arc<Self>,
        state: &mut State<K, V>,
        key: &K,
        make: impl FnOnce() -> (V, usize) + Send + 'static,
    ) -> Option<Arc<Entry<V>>> {
        let entry = Arc::new(Entry { since: Instant::now(), value: OnceLock::new() });
        let (shared, of, made) = (Arc::clone(self), key.clone(), Arc::clone(&entry));
        let run = move || {
            // The panic was reported by its hook; the callers are told that there is no value.
            let (value, bytes) =
                catch_unwind(AssertUnwindSafe(make)).map_or((None, 0), |(value, bytes)| (Some(value), bytes));
            let mut state = shared.lock();
            let _ = made.value.set(value);
            shared.changed.notify_all();
            if state.kept < KEPT && state.kept_bytes + bytes <= KEPT_BYTES {
                state.kept += 1;
                state.kept_bytes += bytes;
                drop(state);
                thread::sleep(shared.keep);
                state = shared.lock();
                state.kept -= 1;
                state.kept_bytes -= bytes;
            }
            state.entries.remove(&of);
            // A value is dropped after the lock.
            drop(state);
            drop(made);
        };
        thread::Builder::new().name("listing".into()).stack_size(128 * 1024).spawn(run).ok()?;
        state.entries.insert(key.clone(), Arc::clone(&entry));
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Sender, channel};

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(20);

    type Numbers = Cache<usize, usize>;

    fn kept(cache: &Numbers) -> usize {
        cache.0.lock().entries.len()
    }

    /// Asks for a value whose making hangs until the sender is dropped, and returns once that has begun.
    fn hang(cache: &Arc<Numbers>, key: usize) -> Sender<()> {
        let (begun, has_begun) = channel();
        let (sender, receiver) = channel::<()>();
        let cache = Arc::clone(cache);
        let make = move || {
            begun.send(()).unwrap();
            let _ = receiver.recv();
            (key, 1)
        };
        thread::spawn(move || cache.get(&key, make));
        has_begun.recv().unwrap();
        sender
    }

    #[test]
    fn callers_at_the_same_time_share_one_value() {
        let (cache, start) = (Numbers::default(), Barrier::new(8));
        let made = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let made = Arc::clone(&made);
                    start.wait();
                    assert_eq!(cache.get(&1, move || (made.fetch_add(1, Ordering::Relaxed), 1)), Some(0));
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_value_is_removed_though_nobody_asks_any_more() {
        let cache = Numbers::with_times(LONG, SHORT);
        assert_eq!(cache.get(&1, || (1, 1)), Some(1));
        while kept(&cache) > 0 {
            thread::yield_now();
        }
        let bytes = cache.0.lock().kept_bytes;
        assert_eq!(bytes, 0);
        assert_eq!(cache.get(&1, || (2, 1)), Some(2));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let cache = Numbers::with_times(LONG, LONG);
        // There is no room for the second one.
        for (key, bytes) in [(0, KEPT_BYTES), (1, 1)] {
            assert_eq!(cache.get(&key, move || (key, bytes)), Some(key));
        }
        while kept(&cache) > 1 {
            thread::yield_now();
        }
        for key in 2..100 {
            assert_eq!(cache.get(&key, move || (key, 0)), Some(key));
        }
        while kept(&cache) > KEPT {
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let cache = Numbers::with_times(LONG, Duration::ZERO);
        assert_eq!(cache.get(&1, || panic!("on purpose")), None);
        while kept(&cache) > 0 {
            thread::yield_now();
        }
        assert_eq!(cache.get(&1, || (2, 1)), Some(2));
    }

    #[test]
    fn a_caller_waits_for_its_turn() {
        let cache = Arc::new(Numbers::with_times(LONG, LONG));
        let hanging = [hang(&cache, 1), hang(&cache, 2)];
        thread::scope(|scope| {
            let third = scope.spawn(|| cache.get(&3, || (3, 1)));
            thread::sleep(SHORT);
            assert!(!third.is_finished(), "two are made at once");
            drop(hanging);
            assert_eq!(third.join().unwrap(), Some(3));
        });
    }

    #[test]
    fn what_hangs_holds_up_nobody_for_ever() {
        let cache = Arc::new(Numbers::with_times(SHORT, LONG));
        let hanging: Vec<_> = (0..5).map(|key| hang(&cache, key)).collect();
        assert_eq!(cache.get(&0, || panic!("it is being made")), None);
        assert_eq!(cache.get(&9, || (9, 1)), Some(9), "it has to wait until one of the last two no longer counts");
        drop(hanging);
        while cache.get(&0, || panic!("it is being made")).is_none() {
            thread::yield_now();
        }
    }

    #[test]
    fn threads_that_hang_have_a_bound() {
        let cache = Arc::new(Numbers::with_times(Duration::from_millis(1), LONG));
        let _hanging: Vec<_> = (0..MOST).map(|key| hang(&cache, key)).collect();
        assert_eq!(cache.get(&MOST, || (0, 1)), None);
    }
}
