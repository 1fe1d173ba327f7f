//! The thread pool: a queue of jobs, and the workers that take them.
//!
//! As many workers run as there are processors. One that is in a long response doesn't count, nor does one that a disk
//! or a client holds up: where the queue stands still for a millisecond, as many workers are called as there are jobs
//! in it, up to a bound. Surplus workers end when they have been idle for a while.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::limits::memory_is_left;
use crate::throttle::Throttle;

/// The stack of a worker. It was seen to use 16 KiB of it, 24 KiB in a debug build; a page that is never touched costs
/// no memory.
const STACK_SIZE: usize = 128 * 1024;

/// How long a job is queued before the queue counts as standing still.
const TICK: Duration = Duration::from_millis(1);

/// The same where no thread could be started the last time.
const STARVED_TICK: Duration = Duration::from_millis(50);

/// Ticks that the queue may be long at the rate of the last one. With more, its jobs wait for something other than a
/// processor, and more workers are called.
const TICKS_BEHIND: usize = 4;

/// How long an idle worker stays when there are more threads than run at once.
const IDLE: Duration = Duration::from_secs(10);

/// What is done with a job. What it returns is queued again.
type Work<J> = dyn Fn(J, &mut Worker<J>) -> Option<J> + Send + Sync;

/// See the module.
pub struct Pool<J>(Arc<Shared<J>>);

struct Shared<J> {
    state: Mutex<State<J>>,
    work: Box<Work<J>>,
    /// Workers that run at once as long as none is held up, and threads at most.
    usual: usize,
    most: usize,
    failures: Throttle,
}

struct State<J> {
    queue: VecDeque<(J, Instant)>,
    /// Jobs taken out of the queue since `last_tick`.
    taken: usize,
    /// When the queue was last looked at, or ceased to be empty.
    last_tick: Instant,
    threads: usize,
    /// Those that have no job; the one that had a job last is called first.
    idle: Vec<Arc<Sleeper>>,
    /// Those that were called and have not woken up yet.
    called: usize,
    /// Workers that were called or are at a job, without those that are held up.
    running: usize,
    /// Counts the times that every running worker was found to be held up. Those of an earlier period don't run.
    period: u64,
    /// The last thread that was wanted couldn't be started.
    is_starved: bool,
    is_closed: bool,
}

/// An idle worker's thread.
struct Sleeper {
    thread: Thread,
    is_called: AtomicBool,
}

/// One thread of the pool.
pub struct Worker<J> {
    shared: Arc<Shared<J>>,
    sleeper: Option<Arc<Sleeper>>,
    /// The period in which it counts as running.
    runs_in: Option<u64>,
    is_detached: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool of `most` threads at most (but as many as run at once). It has none until there is a job.
    pub fn new(most: usize, work: impl Fn(J, &mut Worker<J>) -> Option<J> + Send + Sync + 'static) -> Self {
        let usual = thread::available_parallelism().map_or(2, usize::from).max(2);
        let state = State {
            queue: VecDeque::new(),
            taken: 0,
            last_tick: Instant::now(),
            threads: 0,
            idle: Vec::new(),
            called: 0,
            running: 0,
            period: 0,
            is_starved: false,
            is_closed: false,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            work: Box::new(work),
            usual,
            most: most.max(usual),
            failures: Throttle::new(Duration::from_secs(1)),
        }))
    }

    /// Queues a job.
    pub fn submit(&self, job: J) {
        self.0.submit(job);
    }

    /// When [`Self::tick`] is due; `None` while the queue is empty.
    pub fn next_tick(&self) -> Option<Instant> {
        let state = self.0.lock();
        (!state.queue.is_empty()).then(|| state.next_tick())
    }

    /// Calls more workers where the queue stands still.
    pub fn tick(&self, now: Instant) {
        let mut state = self.0.lock();
        if state.queue.is_empty() || now < state.next_tick() {
            return;
        }
        let taken = std::mem::take(&mut state.taken);
        state.last_tick = now;
        if taken == 0 {
            state.period += 1;
            state.running = state.called;
        }
        let late = state.queue.len().saturating_sub(taken * TICKS_BEHIND);
        self.0.call(state, late);
    }

    /// Takes a job out of the queue that has been there for `wait`, if no thread can be started for it.
    pub fn take_overdue(&self, now: Instant, wait: Duration) -> Option<J> {
        let mut state = self.0.lock();
        let is_overdue = state.is_starved && state.queue.front().is_some_and(|(_, queued)| now >= *queued + wait);
        is_overdue.then(|| state.queue.pop_front())?.map(|(job, _)| job)
    }

    /// Ends the idle workers now and the others after their jobs. Waits for none of them.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.called += state.idle.len();
        state.running += state.idle.len();
        state.idle.drain(..).for_each(|sleeper| sleeper.call());
    }
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Send + 'static> Shared<J> {
    fn submit(self: &Arc<Self>, job: J) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.taken = 0;
            state.last_tick = now;
        }
        state.queue.push_back((job, now));
        if state.running < self.usual {
            self.call(state, 1);
        }
    }

    /// Calls `number` workers to the queue: idle ones, and then new ones as far as there may be any.
    fn call(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>, number: usize) {
        let idle_left = state.idle.len().saturating_sub(number);
        let sleepers = state.idle.split_off(idle_left);
        let starting = (number - sleepers.len()).min(self.most.saturating_sub(state.threads));
        state.called += sleepers.len();
        state.threads += starting;
        state.running += sleepers.len() + starting;
        if starting > 0 {
            state.is_starved = false;
        }
        let runs_in = Some(state.period);
        drop(state);
        sleepers.iter().for_each(|sleeper| sleeper.call());
        // All of them, so that those that don't start are accounted for where they are dropped.
        let workers: Vec<_> = (0..starting)
            .map(|_| Worker { shared: Arc::clone(self), sleeper: None, runs_in, is_detached: false })
            .collect();
        if let Err(error) = workers.into_iter().try_for_each(Worker::start) {
            self.lock().is_starved = true;
            self.failures.pass(|missed| log::warn!("no thread can be started: {error} ({missed} more such errors)"));
        }
    }
}

impl Sleeper {
    fn call(&self) {
        self.is_called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl<J: Send + 'static> Worker<J> {
    fn start(self) -> io::Result<()> {
        if !memory_is_left() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        thread::Builder::new().name("worker".into()).stack_size(STACK_SIZE).spawn(move || self.run()).map(drop)
    }

    /// A thread's life: one job after the other, until there has been none for a while or one was long.
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        while !self.is_detached
            && let Some(job) = self.next()
        {
            if let Some(again) = (shared.work)(job, &mut self) {
                shared.submit(again);
            }
        }
    }

    /// Waits for the next job. `None`: the thread is to end.
    fn next(&mut self) -> Option<J> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        // It was held up, and counts again if there is room.
        if self.runs_in != Some(state.period) {
            let may_run = state.running < shared.usual;
            state.running += usize::from(may_run);
            self.runs_in = may_run.then_some(state.period);
        }
        loop {
            if state.is_closed {
                return None;
            }
            if self.runs_in.is_some()
                && let Some((job, _)) = state.queue.pop_front()
            {
                state.taken += 1;
                return Some(job);
            }
            state.uncount(self.runs_in.take());
            let new = || Arc::new(Sleeper { thread: thread::current(), is_called: AtomicBool::new(false) });
            let sleeper = self.sleeper.get_or_insert_with(new);
            state.idle.push(Arc::clone(sleeper));
            drop(state);
            state = shared.sleep(sleeper)?;
            self.runs_in = Some(state.period);
        }
    }

    /// The job turns out to be a long one: from here on the thread has a lower priority, and another worker may run in
    /// its place. It ends with the job, since an ordinary user may not raise a priority again (setpriority(2)).
    pub fn detach(&mut self) {
        if std::mem::replace(&mut self.is_detached, true) {
            return;
        }
        lower_priority();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.uncount(self.runs_in.take());
        if !state.queue.is_empty() && state.running < shared.usual {
            shared.call(state, 1);
        }
    }

    /// A worker of `pool` without a thread of its own.
    #[cfg(test)]
    pub fn of(pool: &Pool<J>) -> Self {
        pool.0.lock().threads += 1;
        Self { shared: Arc::clone(&pool.0), sleeper: None, runs_in: None, is_detached: false }
    }

    /// Whether [`Self::detach`] was called.
    pub fn is_detached(&self) -> bool {
        self.is_detached
    }
}

impl<J> Shared<J> {
    /// Waits until `sleeper` is called. `None`: it was idle for too long, or the pool is closed.
    fn sleep(&self, sleeper: &Arc<Sleeper>) -> Option<MutexGuard<'_, State<J>>> {
        let mut until = Instant::now() + IDLE;
        loop {
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
            if sleeper.is_called.swap(false, Ordering::Acquire) {
                let mut state = self.lock();
                state.called -= 1;
                return Some(state);
            }
            if Instant::now() >= until {
                let mut state = self.lock();
                let place = state.idle.iter().position(|idle| Arc::ptr_eq(idle, sleeper));
                match place {
                    Some(place) if state.threads > self.usual => {
                        state.idle.remove(place);
                        return None;
                    }
                    // It has just been called, or it is one of the usual ones.
                    _ => until = Instant::now() + IDLE,
                }
            }
        }
    }
}

impl<J> State<J> {
    fn next_tick(&self) -> Instant {
        self.last_tick + if self.is_starved { STARVED_TICK } else { TICK }
    }

    /// A worker that counted in the period `runs_in` runs no longer.
    fn uncount(&mut self, runs_in: Option<u64>) {
        if runs_in == Some(self.period) {
            self.running -= 1;
        }
    }
}

impl<J> Drop for Worker<J> {
    /// The thread ends, or it couldn't be started.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.threads -= 1;
        state.uncount(self.runs_in);
    }
}

/// Lets threads with short work go first. On Linux a priority is a thread's own (nice(2), "C library/kernel differences").
#[cfg(target_os = "linux")]
fn lower_priority() {
    // Where it fails, a seek waits a little longer.
    let _ = rustix::process::nice(10);
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests;
