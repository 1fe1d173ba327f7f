//! Threads that serve one job each at a time: as many as there is work, and a few that wait for more.
//!
//! How many jobs run at once is bounded by whoever submits them. A panic in a job ends that job alone.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Workers that stay when there is nothing to do: enough for a household's next click.
const SPARE: usize = 4;

/// How long a worker beyond those waits for a job before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Address space that must be left when a thread is started, in bytes. Where it runs short, a thread that can't start
/// harms one client, and a small allocation that fails ends the whole program: so threads end first.
const HEADROOM: usize = 2 * 1024 * 1024;

/// The pool. Its threads end some time after it was dropped.
pub struct Pool<J> {
    shared: Arc<Shared<J>>,
    stack_size: usize,
}

struct Shared<J> {
    queue: Mutex<Queue<J>>,
    arrived: Condvar,
    work: fn(J),
    patience: Duration,
}

struct Queue<J> {
    jobs: VecDeque<J>,
    /// Workers that wait for a job, those included that one in `jobs` is meant for.
    idle: usize,
    threads: usize,
    closed: bool,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool whose workers do `work`, on stacks of `stack_size` bytes. No thread is started before the first job.
    pub fn new(stack_size: usize, work: fn(J)) -> Self {
        Self::with_patience(stack_size, PATIENCE, work)
    }

    fn with_patience(stack_size: usize, patience: Duration, work: fn(J)) -> Self {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), idle: 0, threads: 0, closed: false });
        let shared = Shared { queue, arrived: Condvar::new(), work, patience };
        Self { shared: Arc::new(shared), stack_size }
    }

    /// Hands `job` to a worker that waits, or to a new one.
    ///
    /// # Errors
    /// The job, and why no thread could be started for it.
    pub fn submit(&self, job: J) -> Result<(), (J, io::Error)> {
        let mut queue = self.shared.lock();
        if queue.idle > queue.jobs.len() {
            queue.jobs.push_back(job);
            drop(queue);
            self.shared.arrived.notify_one();
            return Ok(());
        }
        queue.threads += 1;
        drop(queue);
        // The job crosses to the new thread in a slot, so that it can be taken back when there is none.
        let slot = Arc::new(Mutex::new(Some(job)));
        let (shared, theirs) = (Arc::clone(&self.shared), Arc::clone(&slot));
        let started = has_headroom().and_then(|()| {
            let worker = thread::Builder::new().name("worker".into()).stack_size(self.stack_size);
            worker.spawn(move || shared.work_on(take(&theirs)))
        });
        let Err(error) = started else { return Ok(()) };
        self.shared.lock().threads -= 1;
        match take(&slot) {
            Some(job) => Err((job, error)),
            None => Ok(()),
        }
    }

    /// How many threads there are now.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.shared.lock().threads
    }
}

fn has_headroom() -> io::Result<()> {
    Vec::<u8>::new().try_reserve_exact(HEADROOM).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn take<J>(slot: &Mutex<Option<J>>) -> Option<J> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_on(&self, mut job: Option<J>) {
        while let Some(current) = job {
            if catch_unwind(AssertUnwindSafe(|| (self.work)(current))).is_err() {
                log::error!("a worker panicked; its client's connection is closed, the others go on");
            }
            job = self.next();
        }
    }

    /// Waits for the next job; `None` when this worker is one too many.
    fn next(&self) -> Option<J> {
        let mut queue = self.lock();
        queue.idle += 1;
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                queue.idle -= 1;
                return Some(job);
            }
            let waited = self.arrived.wait_timeout(queue, self.patience).unwrap_or_else(PoisonError::into_inner);
            queue = waited.0;
            if queue.jobs.is_empty() && (queue.closed || (waited.1.timed_out() && queue.idle > SPARE)) {
                queue.idle -= 1;
                queue.threads -= 1;
                return None;
            }
        }
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    const STACK: usize = 256 * 1024;

    /// A job that says it began, and ends when it is told to.
    type Job = (Sender<()>, Receiver<()>);

    fn job() -> (Job, Receiver<()>, Sender<()>) {
        let (began, on_begin) = channel();
        let (end, on_end) = channel();
        ((began, on_end), on_begin, end)
    }

    fn run((began, end): Job) {
        began.send(()).unwrap();
        end.recv().unwrap();
    }

    #[test]
    fn every_job_has_a_thread_and_idle_ones_end() {
        let pool = Pool::with_patience(STACK, Duration::from_millis(10), run);
        let mut ends = Vec::new();
        for _ in 0..50 {
            let (job, began, end) = job();
            assert!(pool.submit(job).is_ok());
            began.recv().unwrap();
            ends.push(end);
        }
        assert_eq!(pool.threads(), 50);
        for end in ends {
            end.send(()).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while pool.threads() > SPARE && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(pool.threads(), SPARE);
    }

    #[test]
    fn a_panic_ends_one_job_alone() {
        let pool = Pool::new(STACK, |job: Option<Job>| run(job.expect("a job that panics on purpose")));
        for _ in 0..3 {
            assert!(pool.submit(None).is_ok());
        }
        let (job, began, end) = job();
        assert!(pool.submit(Some(job)).is_ok());
        began.recv().unwrap();
        end.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let all_wait = || {
            let queue = pool.shared.lock();
            queue.idle == queue.threads
        };
        while !all_wait() && Instant::now() < deadline {
            thread::yield_now();
        }
        assert!(all_wait(), "no worker was lost");
    }

    #[test]
    fn a_thread_that_cannot_start_gives_its_job_back() {
        let pool = Pool::new(usize::MAX / 4, |_: u8| ());
        let (job, _) = pool.submit(7).unwrap_err();
        assert_eq!((job, pool.threads()), (7, 0));
    }
}
