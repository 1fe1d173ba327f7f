//! The thread pool: a queue of jobs, and the workers that take them.
//!
//! As many workers run as there are processors, not counting those in a long response or waiting for a disk: if the
//! queue doesn't move for a millisecond, as many workers are woken or started as there are jobs in it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::limits::memory_is_left;
use super::lock;
use crate::throttle::Throttle;

/// A worker was seen to use 16 KiB of its stack, 24 KiB in a debug build; a page that is never touched costs no memory.
const STACK_SIZE: usize = 128 * 1024;

/// How often the queue is checked; and how often if the last thread couldn't be started.
const TICK: Duration = Duration::from_millis(1);
const STARVED_TICK: Duration = Duration::from_millis(50);

/// If the queue holds more jobs than were taken in so many ticks at the present rate, its workers wait for something
/// other than a processor, and more are woken.
const MAX_TICKS_BEHIND: usize = 4;

/// How often a worker looks for a job before it sleeps, and lets others run in between.
const LOOKS: usize = 4;

type Work<J> = dyn Fn(J, &mut Worker<J>) + Send + Sync;

pub struct Pool<J> {
    state: Mutex<State<J>>,
    wakeup: Condvar,
    work: Box<Work<J>>,
    /// At least 2. So many workers run at once, unless some are held up, and so many may be idle.
    processors: usize,
    max_threads: usize,
    error_log: Throttle,
}

struct State<J> {
    queue: VecDeque<(J, Instant)>,
    /// When the queue was last checked or began to fill, and how many jobs were taken out of it since.
    last_tick: Instant,
    taken: usize,
    threads: usize,
    /// Threads that wait for a job, and those that were woken or started and haven't come to the queue yet.
    idle: usize,
    woken: usize,
    starting: usize,
    /// Workers that are at a job or come to the queue, not counting those that are detached or held up.
    running: usize,
    /// Those of them that look for a job, before they sleep.
    looking: usize,
    /// A round ends when all running workers are found to be held up. Only those counted in this round are in
    /// `running`.
    round: u64,
    is_starved: bool,
    is_closed: bool,
}

pub struct Worker<J> {
    pool: Arc<Pool<J>>,
    is_starting: bool,
    /// The round in which it is counted as running.
    counted_in: Option<u64>,
    pub is_detached: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool of at most `max_threads` threads, but at least one per processor. They are started when there are jobs.
    pub fn new(max_threads: usize, work: impl Fn(J, &mut Worker<J>) + Send + Sync + 'static) -> Arc<Self> {
        let processors = thread::available_parallelism().map_or(2, usize::from).max(2);
        let state = State {
            queue: VecDeque::new(),
            taken: 0,
            last_tick: Instant::now(),
            threads: 0,
            idle: 0,
            woken: 0,
            starting: 0,
            running: 0,
            looking: 0,
            round: 0,
            is_starved: false,
            is_closed: false,
        };
        let error_log = Throttle::new(Duration::from_secs(1));
        let (state, wakeup, work) = (Mutex::new(state), Condvar::new(), Box::new(work));
        Arc::new(Self { state, wakeup, work, processors, max_threads: max_threads.max(processors), error_log })
    }

    /// Queues a job. [`Self::wake`] has to follow, once for several.
    pub fn submit(&self, job: J) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.queue.is_empty() {
            (state.taken, state.last_tick) = (0, now);
        }
        state.queue.push_back((job, now));
    }

    /// Wakes or starts workers for the queued jobs, up to one for each processor.
    pub fn wake(self: &Arc<Self>) {
        let state = lock(&self.state);
        let needed = state.queue.len().saturating_sub(state.looking + state.coming());
        let number = needed.min(self.processors.saturating_sub(state.running));
        if number > 0 {
            self.wake_workers(state, number);
        }
    }

    /// When [`Self::tick`] is due; `None` while the queue is empty.
    pub fn next_tick(&self) -> Option<Instant> {
        lock(&self.state).next_tick()
    }

    /// Wakes or starts more workers if the queue doesn't move fast enough.
    pub fn tick(self: &Arc<Self>, now: Instant) {
        let mut state = lock(&self.state);
        if state.next_tick().is_none_or(|tick| now < tick) {
            return;
        }
        let taken = std::mem::take(&mut state.taken);
        state.last_tick = now;
        if state.queue.len() > taken {
            state.round += 1;
            state.running = state.coming();
        }
        let late = state.queue.len().saturating_sub(taken * MAX_TICKS_BEHIND + state.coming());
        self.wake_workers(state, late);
    }

    /// Takes a job that has been queued for `wait`, if no thread can be started for it.
    pub fn take_overdue(&self, now: Instant, wait: Duration) -> Option<J> {
        let mut state = lock(&self.state);
        let is_overdue = state.is_starved && state.queue.front().is_some_and(|(_, queued)| now >= *queued + wait);
        is_overdue.then(|| state.queue.pop_front())?.map(|(job, _)| job)
    }

    /// Ends the idle workers now and the others after their jobs, without waiting for them.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.wakeup.notify_all();
    }

    /// Wakes up to `number` idle workers, and starts the rest, up to `max_threads`.
    fn wake_workers(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>, number: usize) {
        let waking = number.min(state.idle);
        let starting = (number - waking).min(self.max_threads.saturating_sub(state.threads));
        state.idle -= waking;
        state.threads += starting;
        state.woken += waking;
        state.starting += starting;
        state.running += waking + starting;
        state.is_starved &= starting == 0;
        drop(state);
        (0..waking).for_each(|_| self.wakeup.notify_one());
        let worker = |_| Worker { pool: Arc::clone(self), is_starting: true, counted_in: None, is_detached: false };
        // All are made before one is started: those that don't start uncount themselves when they are dropped.
        let workers: Vec<_> = (0..starting).map(worker).collect();
        if let Err(error) = workers.into_iter().try_for_each(Worker::start) {
            lock(&self.state).is_starved = true;
            self.error_log.pass(|missed| log::warn!("can't start a thread: {error} ({missed} more such errors)"));
        }
    }
}

impl<J> State<J> {
    fn next_tick(&self) -> Option<Instant> {
        let tick = if self.is_starved { STARVED_TICK } else { TICK };
        (self.queue.len() > self.coming()).then(|| self.last_tick + tick)
    }

    fn coming(&self) -> usize {
        self.woken + self.starting
    }

    /// Takes a worker out of `running`, if it was counted in this round.
    fn stop_counting(&mut self, counted_in: Option<u64>) {
        if counted_in == Some(self.round) {
            self.running -= 1;
        }
    }
}

impl<J: Send + 'static> Worker<J> {
    fn start(self) -> io::Result<()> {
        if !memory_is_left() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        thread::Builder::new().name("worker".into()).stack_size(STACK_SIZE).spawn(move || self.run()).map(drop)
    }

    /// Does one job after the other, until the thread isn't needed or is detached.
    fn run(mut self) {
        let pool = Arc::clone(&self.pool);
        while !self.is_detached
            && let Some(job) = self.next(&pool)
        {
            (pool.work)(job, &mut self);
        }
    }

    /// Waits for the next job. `None`: the thread is to end.
    fn next(&mut self, pool: &Pool<J>) -> Option<J> {
        let mut state = lock(&pool.state);
        if std::mem::take(&mut self.is_starting) {
            state.starting -= 1;
            self.counted_in = Some(state.round);
        } else if self.counted_in != Some(state.round) {
            // It was held up in an earlier round, and is counted again if fewer run than there are processors.
            let may_run = state.running < pool.processors;
            state.running += usize::from(may_run);
            self.counted_in = may_run.then_some(state.round);
        }
        if self.counted_in.is_some() && state.queue.is_empty() {
            state = look(pool, state);
        }
        loop {
            if self.counted_in.is_some()
                && let Some((job, _)) = state.queue.pop_front()
            {
                state.taken += 1;
                return Some(job);
            }
            state.stop_counting(self.counted_in.take());
            if state.idle >= pool.processors {
                return None;
            }
            state.idle += 1;
            let is_idle = |state: &mut State<J>| state.woken == 0 && !state.is_closed;
            state = pool.wakeup.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
            if state.is_closed {
                return None;
            }
            state.woken -= 1;
            self.counted_in = Some(state.round);
        }
    }

    /// The job is a long one: this thread lowers its priority, and another worker may run in its place. The thread ends
    /// with the job, since an ordinary user may not raise a priority again (setpriority(2)).
    pub fn detach(&mut self) {
        if std::mem::replace(&mut self.is_detached, true) {
            return;
        }
        // On Linux a priority is the thread's own (nice(2), "C library/kernel differences"), elsewhere the process's.
        if cfg!(target_os = "linux") {
            // If it fails, a seek waits a little longer.
            let _ = rustix::process::nice(10);
        }
        let mut state = lock(&self.pool.state);
        state.stop_counting(self.counted_in.take());
        if !state.queue.is_empty() && state.running < self.pool.processors {
            self.pool.wake_workers(state, 1);
        }
    }

    /// A worker of `pool` without a thread of its own.
    #[cfg(test)]
    pub fn of(pool: &Arc<Pool<J>>) -> Self {
        lock(&pool.state).threads += 1;
        Self { pool: Arc::clone(pool), is_starting: false, counted_in: None, is_detached: false }
    }
}

/// Looks for a job a few times before the worker sleeps: on a busy server, the next one comes sooner than a worker
/// wakes.
fn look<'p, J>(pool: &'p Pool<J>, mut state: MutexGuard<'p, State<J>>) -> MutexGuard<'p, State<J>> {
    state.looking += 1;
    for _ in 0..LOOKS {
        drop(state);
        thread::yield_now();
        state = lock(&pool.state);
        if !state.queue.is_empty() {
            break;
        }
    }
    state.looking -= 1;
    state
}

impl<J> Drop for Worker<J> {
    /// The thread ends, or it couldn't be started.
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        state.threads -= 1;
        if self.is_starting {
            state.starting -= 1;
            state.running -= 1;
        }
        state.stop_counting(self.counted_in);
    }
}

#[cfg(test)]
mod tests;
