//! The thread pool: a queue of jobs, and the workers that take them.
//!
//! As many workers run as there are processors. One that is in a long response doesn't count, nor does one that a disk
//! or a client holds up: where the queue stands still for a millisecond, as many workers are called as there are jobs
//! in it, up to a bound. There are never more idle workers than run at once.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::limits::memory_is_left;
use crate::throttle::Throttle;

/// A worker was seen to use 16 KiB of its stack, 24 KiB in a debug build; a page that is never touched costs no memory.
const STACK_SIZE: usize = 128 * 1024;

/// How long a job is queued before the queue counts as standing still; and where no thread could be started last time.
const TICK: Duration = Duration::from_millis(1);
const STARVED_TICK: Duration = Duration::from_millis(50);

/// Ticks that the queue may be long at the rate of the last one. With more, its jobs wait for something other than a
/// processor, and more workers are called.
const TICKS_BEHIND: usize = 4;

/// What is done with a job.
type Work<J> = dyn Fn(J, &mut Worker<J>) + Send + Sync;

/// See the module.
pub struct Pool<J> {
    state: Mutex<State<J>>,
    wakeup: Condvar,
    work: Box<Work<J>>,
    /// Workers that run at once as long as none is held up, and threads at most.
    usual: usize,
    most: usize,
    failures: Throttle,
}

struct State<J> {
    queue: VecDeque<(J, Instant)>,
    /// Jobs taken out of the queue since `last_tick`, which is also when it ceased to be empty.
    taken: usize,
    last_tick: Instant,
    threads: usize,
    /// Threads that wait, those that were woken and those that are starting. The last two come to the queue as soon as
    /// there is a processor.
    idle: usize,
    woken: usize,
    starting: usize,
    /// Workers that come to the queue or are at a job, without those that are held up.
    running: usize,
    /// Counts the times that every running worker was found to be held up. Those of an earlier period don't run.
    period: u64,
    is_starved: bool,
    is_closed: bool,
}

/// One thread of the pool.
pub struct Worker<J> {
    pool: Arc<Pool<J>>,
    is_starting: bool,
    /// The period in which it counts as running.
    runs_in: Option<u64>,
    is_detached: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool of `most` threads at most (but as many as run at once). It has none until there is a job.
    pub fn new(most: usize, work: impl Fn(J, &mut Worker<J>) + Send + Sync + 'static) -> Arc<Self> {
        let usual = thread::available_parallelism().map_or(2, usize::from).max(2);
        let state = State {
            queue: VecDeque::new(),
            taken: 0,
            last_tick: Instant::now(),
            threads: 0,
            idle: 0,
            woken: 0,
            starting: 0,
            running: 0,
            period: 0,
            is_starved: false,
            is_closed: false,
        };
        let failures = Throttle::new(Duration::from_secs(1));
        let (state, wakeup, work) = (Mutex::new(state), Condvar::new(), Box::new(work));
        Arc::new(Self { state, wakeup, work, usual, most: most.max(usual), failures })
    }

    /// Queues a job.
    pub fn submit(self: &Arc<Self>, job: J) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.queue.is_empty() {
            (state.taken, state.last_tick) = (0, now);
        }
        state.queue.push_back((job, now));
        if state.running < self.usual {
            self.call(state, 1);
        }
    }

    /// When [`Self::tick`] is due; `None` while the queue is empty.
    pub fn next_tick(&self) -> Option<Instant> {
        self.lock().next_tick()
    }

    /// Calls more workers where the queue stands still.
    pub fn tick(self: &Arc<Self>, now: Instant) {
        let mut state = self.lock();
        if state.next_tick().is_none_or(|tick| now < tick) {
            return;
        }
        let taken = std::mem::take(&mut state.taken);
        state.last_tick = now;
        if state.queue.len() > taken {
            state.period += 1;
            state.running = state.coming();
        }
        let late = state.queue.len().saturating_sub(taken * TICKS_BEHIND + state.coming());
        self.call(state, late);
    }

    /// Takes a job out of the queue that has been there for `wait`, if no thread can be started for it.
    pub fn take_overdue(&self, now: Instant, wait: Duration) -> Option<J> {
        let mut state = self.lock();
        let is_overdue = state.is_starved && state.queue.front().is_some_and(|(_, queued)| now >= *queued + wait);
        is_overdue.then(|| state.queue.pop_front())?.map(|(job, _)| job)
    }

    /// Ends the idle workers now and the others after their jobs. Waits for none of them.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.wakeup.notify_all();
    }

    /// Calls `number` workers to the queue: idle ones, and then new ones as far as there may be any.
    fn call(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>, number: usize) {
        let of_idle = number.min(state.idle);
        let starting = (number - of_idle).min(self.most.saturating_sub(state.threads));
        state.idle -= of_idle;
        state.threads += starting;
        state.woken += of_idle;
        state.starting += starting;
        state.running += of_idle + starting;
        state.is_starved &= starting == 0;
        drop(state);
        (0..of_idle).for_each(|_| self.wakeup.notify_one());
        let worker = |_| Worker { pool: Arc::clone(self), is_starting: true, runs_in: None, is_detached: false };
        // All of them, so that those that don't start are accounted for where they are dropped.
        let workers: Vec<_> = (0..starting).map(worker).collect();
        if let Err(error) = workers.into_iter().try_for_each(Worker::start) {
            self.lock().is_starved = true;
            self.failures.pass(|missed| log::warn!("can't start a thread: {error} ({missed} more such errors)"));
        }
    }
}

impl<J> Pool<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A worker that counted in the period `runs_in` runs no longer.
    fn uncount(&mut self, runs_in: Option<u64>) {
        if runs_in == Some(self.period) {
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

    /// A thread's life: one job after the other, until it isn't needed or one was long.
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
        let mut state = pool.lock();
        if std::mem::take(&mut self.is_starting) {
            state.starting -= 1;
            self.runs_in = Some(state.period);
        } else if self.runs_in != Some(state.period) {
            // It was held up, and counts again if there is room.
            let may_run = state.running < pool.usual;
            state.running += usize::from(may_run);
            self.runs_in = may_run.then_some(state.period);
        }
        loop {
            if self.runs_in.is_some()
                && let Some((job, _)) = state.queue.pop_front()
            {
                state.taken += 1;
                return Some(job);
            }
            state.uncount(self.runs_in.take());
            if state.idle >= pool.usual {
                return None;
            }
            state.idle += 1;
            let is_idle = |state: &mut State<J>| state.woken == 0 && !state.is_closed;
            state = pool.wakeup.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
            if state.is_closed {
                return None;
            }
            state.woken -= 1;
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
        let mut state = self.pool.lock();
        state.uncount(self.runs_in.take());
        if !state.queue.is_empty() && state.running < self.pool.usual {
            self.pool.call(state, 1);
        }
    }

    /// Whether [`Self::detach`] was called.
    pub fn is_detached(&self) -> bool {
        self.is_detached
    }

    /// A worker of `pool` without a thread of its own.
    #[cfg(test)]
    pub fn of(pool: &Arc<Pool<J>>) -> Self {
        pool.lock().threads += 1;
        Self { pool: Arc::clone(pool), is_starting: false, runs_in: None, is_detached: false }
    }
}

impl<J> Drop for Worker<J> {
    /// The thread ends, or it couldn't be started.
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.threads -= 1;
        if self.is_starting {
            state.starting -= 1;
            state.running -= 1;
        }
        state.uncount(self.runs_in);
    }
}

/// Lets threads with short work go first. On Linux a priority is a thread's own (nice(2), "C library/kernel
/// differences"); elsewhere it is the process's. Where it fails, a seek waits a little longer.
fn lower_priority() {
    if cfg!(target_os = "linux") {
        let _ = rustix::process::nice(10);
    }
}

#[cfg(test)]
mod tests;
