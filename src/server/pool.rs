//! The thread pool: a queue of jobs, and the workers that take them.
//!
//! As many workers take jobs as there are processors. A worker in a long response is detached: it no longer counts, and
//! another may start in its place. If the queue does not move for a millisecond, the workers are waiting for a disk, and
//! one more is started for each job.

use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::log_limit::log_limited;
use crate::sync::lock;

/// A worker uses at most 16 KiB of its stack (measured; 24 KiB in a debug build). Pages that are never touched cost no
/// memory.
const STACK_SIZE: usize = 128 * 1024;

/// How often the queue is checked while jobs wait in it.
const TICK: Duration = Duration::from_millis(1);

/// If the queue holds more jobs than were taken in so many ticks at the present rate, more workers are started.
const MAX_TICKS_BEHIND: usize = 4;

type Work<J> = dyn Fn(J, &mut Worker<J>) + Send + Sync;

pub struct Pool<J> {
    state: Mutex<State<J>>,
    wakeup: Condvar,
    work: Box<Work<J>>,
    /// The processors of this machine, at least 2.
    processors: usize,
    max_threads: usize,
}

struct State<J> {
    /// The jobs, each with the time when it was queued.
    queue: VecDeque<(J, Instant)>,
    /// Jobs queued since the last wake.
    queued: usize,
    /// Jobs taken since the last tick.
    taken: usize,
    last_tick: Instant,
    /// All threads.
    threads: usize,
    /// Threads that are not detached.
    attached: usize,
    /// Attached threads that wait for a job or are starting. One that was notified still counts until it takes a job,
    /// so `queue.len() - idle` is the number of workers that are missing.
    idle: usize,
    is_closed: bool,
}

pub struct Worker<J> {
    pool: Arc<Pool<J>>,
    is_detached: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool of at most `max_threads` threads, but at least one per processor. They are started when there are jobs.
    pub fn new(max_threads: usize, work: impl Fn(J, &mut Worker<J>) + Send + Sync + 'static) -> Arc<Self> {
        let processors = thread::available_parallelism().map_or(2, usize::from).max(2);
        let state = State {
            queue: VecDeque::new(),
            queued: 0,
            taken: 0,
            last_tick: Instant::now(),
            threads: 0,
            attached: 0,
            idle: 0,
            is_closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            wakeup: Condvar::new(),
            work: Box::new(work),
            processors,
            max_threads: max_threads.max(processors),
        })
    }

    /// Queues a job. [`Self::wake`] has to follow, once for several jobs.
    pub fn submit(&self, job: J) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.queue.is_empty() {
            state.taken = 0;
            state.last_tick = now;
        }
        state.queue.push_back((job, now));
        state.queued += 1;
    }

    /// Wakes or starts workers for the jobs queued since the last call, up to one per processor.
    pub fn wake(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let waking = take(&mut state.queued).min(state.idle);
        let may_start = self.processors.saturating_sub(state.attached);
        drop(state);
        self.start(may_start);
        for _ in 0..waking {
            self.wakeup.notify_one();
        }
    }

    /// When [`Self::tick`] is due; `None` if every job has a worker.
    pub fn next_tick(&self) -> Option<Instant> {
        let state = lock(&self.state);
        (state.queue.len() > state.idle).then(|| state.last_tick + TICK)
    }

    /// Starts more workers if the queue does not move fast enough.
    pub fn tick(self: &Arc<Self>, now: Instant) {
        let mut state = lock(&self.state);
        if now < state.last_tick + TICK {
            return;
        }
        state.last_tick = now;
        let in_time = take(&mut state.taken) * MAX_TICKS_BEHIND;
        let late = state.queue.len().saturating_sub(in_time);
        drop(state);
        self.start(late);
    }

    /// Takes a job that has been queued for `wait`: no thread can be started for it.
    pub fn take_overdue(&self, now: Instant, wait: Duration) -> Option<J> {
        let mut state = lock(&self.state);
        let (_, queued) = state.queue.front()?;
        if now < *queued + wait {
            return None;
        }
        state.queue.pop_front().map(|(job, _)| job)
    }

    /// Ends the idle workers now and the others after their jobs, without waiting for them.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.wakeup.notify_all();
    }

    /// Starts up to `most` workers for jobs that no idle worker will take.
    fn start(self: &Arc<Self>, most: usize) {
        for _ in 0..most {
            let mut state = lock(&self.state);
            if state.queue.len() <= state.idle || state.threads >= self.max_threads {
                return;
            }
            state.threads += 1;
            state.attached += 1;
            state.idle += 1;
            drop(state);
            if let Err(error) = self.start_worker() {
                // The worker was dropped, and has uncounted itself as a thread.
                lock(&self.state).idle -= 1;
                log_limited!(Duration::from_secs(1), |suppressed| {
                    log::warn!("can't start a thread: {error} ({suppressed} more such errors)");
                });
                return;
            }
        }
    }

    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let worker = Worker { pool: Arc::clone(self), is_detached: false };
        let thread = thread::Builder::new().name("worker".into()).stack_size(STACK_SIZE);
        thread.spawn(move || worker.run())?;
        Ok(())
    }

    /// Waits for a job; the worker is counted as idle meanwhile. `None`: the thread is to end.
    fn next(&self, mut state: MutexGuard<'_, State<J>>) -> Option<J> {
        loop {
            if let Some((job, _)) = state.queue.pop_front() {
                state.idle -= 1;
                state.taken += 1;
                return Some(job);
            }
            if state.is_closed || state.idle > self.processors {
                state.idle -= 1;
                return None;
            }
            state = self.wakeup.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<J: Send + 'static> Worker<J> {
    /// Does one job after the other, until the thread is not needed or is detached.
    fn run(mut self) {
        let pool = Arc::clone(&self.pool);
        let mut state = lock(&pool.state);
        while let Some(job) = pool.next(state) {
            (pool.work)(job, &mut self);
            if self.is_detached {
                return;
            }
            state = lock(&pool.state);
            state.idle += 1;
        }
    }

    /// Makes room for another worker, because the present job is a long one, and lowers the priority of this thread.
    /// The thread ends with the job, since an ordinary user may not raise a priority again (setpriority(2)).
    pub fn detach(&mut self) {
        if self.is_detached {
            return;
        }
        self.is_detached = true;
        // On Linux a priority is the thread's own (nice(2), "C library/kernel differences"), elsewhere the process's.
        if cfg!(target_os = "linux") {
            // If it fails, a seek waits a little longer.
            let _ = rustix::process::nice(10);
        }
        let mut state = lock(&self.pool.state);
        state.attached -= 1;
        let may_start = usize::from(state.attached < self.pool.processors);
        drop(state);
        self.pool.start(may_start);
    }
}

impl<J> Drop for Worker<J> {
    /// The thread ends, also by a panic, or it could not be started.
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        state.threads -= 1;
        state.attached -= usize::from(!self.is_detached);
    }
}

#[cfg(test)]
mod tests;
