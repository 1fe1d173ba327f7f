//! Workers: as many as there are processors, and one more for each that is held up.
//!
//! A worker waits for something to do, does it, and waits again. A disk may take its time with any file, and a worker
//! with it: so an overseer looks every now and then whether some worker has been at the same thing since, and sees to
//! it that as many as there are processors are at work besides. It sleeps while nothing happens. A panic ends what
//! its worker was doing, and nothing else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::headroom;
use crate::throttle::Throttle;

/// How often the overseer looks: a worker that is at one thing for longer is held up.
const TICK: Duration = Duration::from_millis(10);

/// How long workers stay that were needed a moment ago.
const PATIENCE: Duration = Duration::from_secs(5);

/// What workers do.
pub trait Work: Send + Sync + 'static {
    /// A thing to be done.
    type Job;
    /// What came of it.
    type Outcome;
    /// What a worker keeps from one job to the next.
    type Desk: Default;

    /// Waits for the next job, for `patience` at most, and calls `begin` as soon as there is one.
    fn next(&self, patience: Option<Duration>, begin: impl FnOnce()) -> Option<Self::Job>;

    /// Does it. It may panic.
    fn perform(&self, job: &mut Self::Job, desk: &mut Self::Desk) -> Self::Outcome;

    /// What becomes of the job now, which had no outcome if it panicked; and the worker's next job, if this one has made
    /// one.
    fn settle(&self, job: Self::Job, outcome: Option<Self::Outcome>) -> Option<Self::Job>;

    /// The worker that calls this goes: somebody else is to see to the jobs that it has put off.
    fn hand_over(&self);

    /// Whether there will be no more jobs.
    fn is_over(&self) -> bool;
}

/// The crew of some work. It ends with the work, and doesn't wait for those who are held up then.
pub struct Crew<W> {
    work: Arc<W>,
    stack_size: usize,
    /// Workers when none is held up, and at most.
    usual: usize,
    most: usize,
    /// Workers that there are, and that there should be.
    workers: AtomicUsize,
    wanted: AtomicUsize,
    pulses: Mutex<Vec<Arc<Pulse>>>,
    overseer: OnceLock<Thread>,
    overseer_sleeps: AtomicBool,
    complaints: Throttle,
}

/// What a worker shows the overseer.
#[derive(Debug, Default)]
struct Pulse {
    /// Jobs begun and jobs ended: odd while it is at one.
    beats: AtomicU64,
    /// The same when the overseer last looked.
    seen: AtomicU64,
}

impl<W: Work> Crew<W> {
    /// Starts the workers, on stacks of `stack_size` bytes; there will be `most` at most.
    ///
    /// # Errors
    /// When not even the usual ones, or the overseer, can be started.
    pub fn start(work: Arc<W>, stack_size: usize, most: usize) -> io::Result<()> {
        // One that is held up leaves one on the smallest machine.
        let usual = thread::available_parallelism().map_or(2, usize::from).max(2);
        let crew = Arc::new(Self {
            work,
            stack_size,
            usual,
            most: most.max(usual),
            workers: AtomicUsize::new(0),
            wanted: AtomicUsize::new(usual),
            pulses: Mutex::default(),
            overseer: OnceLock::new(),
            overseer_sleeps: AtomicBool::new(false),
            complaints: Throttle::new(Duration::from_secs(1)),
        });
        for _ in 0..usual {
            crew.hire()?;
        }
        let theirs = Arc::clone(&crew);
        let overseer = thread::Builder::new().name("overseer".into()).stack_size(stack_size);
        overseer.spawn(move || theirs.oversee())?;
        Ok(())
    }

    fn pulses(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one more worker.
    fn hire(self: &Arc<Self>) -> io::Result<()> {
        if !headroom::is_left() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let (crew, pulse) = (Arc::clone(self), Arc::new(Pulse::default()));
        self.workers.fetch_add(1, Ordering::SeqCst);
        self.pulses().push(Arc::clone(&pulse));
        let worker = thread::Builder::new().name("worker".into()).stack_size(self.stack_size);
        let theirs = Arc::clone(&pulse);
        worker.spawn(move || crew.work(&theirs)).map(drop).inspect_err(|_| {
            self.workers.fetch_sub(1, Ordering::SeqCst);
            self.forget(&pulse);
        })
    }

    fn forget(&self, pulse: &Arc<Pulse>) {
        self.pulses().retain(|known| !Arc::ptr_eq(known, pulse));
    }

    fn work(&self, pulse: &Arc<Pulse>) {
        let mut desk = W::Desk::default();
        while !self.work.is_over() && !self.is_one_too_many() {
            let patience = (self.workers.load(Ordering::SeqCst) > self.usual).then_some(PATIENCE);
            let mut next = self.work.next(patience, || self.begin(pulse));
            let has_begun = next.is_some();
            while let Some(mut job) = next {
                let outcome = catch_unwind(AssertUnwindSafe(|| self.work.perform(&mut job, &mut desk)));
                if outcome.is_err() {
                    log::error!("a worker panicked; its client's connection is closed, the others go on");
                }
                next = self.work.settle(job, outcome.ok());
                pulse.beats.fetch_add(if next.is_some() { 2 } else { 1 }, Ordering::SeqCst);
            }
            debug_assert!(!has_begun || pulse.beats.load(Ordering::SeqCst).is_multiple_of(2));
        }
        self.work.hand_over();
        self.forget(pulse);
        self.wake_overseer();
    }

    fn begin(&self, pulse: &Pulse) {
        pulse.beats.fetch_add(1, Ordering::SeqCst);
        if self.overseer_sleeps.load(Ordering::SeqCst) && self.overseer_sleeps.swap(false, Ordering::SeqCst) {
            self.wake_overseer();
        }
    }

    fn wake_overseer(&self) {
        if let Some(overseer) = self.overseer.get() {
            overseer.unpark();
        }
    }

    /// Whether the worker that asks is to end; it counts no longer then.
    fn is_one_too_many(&self) -> bool {
        let wanted = self.wanted.load(Ordering::SeqCst);
        let fewer = |workers: usize| (workers > wanted).then(|| workers - 1);
        self.workers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok()
    }

    fn oversee(self: &Arc<Self>) {
        // Before it sleeps for the first time: whoever wakes it finds it here.
        let _ = self.overseer.set(thread::current());
        let mut needed = Instant::now();
        while !self.work.is_over() {
            let (held_up, moved) = self.look();
            let wanted = (self.usual + held_up).min(self.most);
            if wanted >= self.wanted.load(Ordering::SeqCst) || needed.elapsed() > PATIENCE {
                needed = Instant::now();
                self.wanted.store(wanted, Ordering::SeqCst);
            }
            while self.workers.load(Ordering::SeqCst) < wanted
                && let outcome = self.hire()
            {
                if let Err(error) = outcome {
                    self.complaints.pass(|missed| {
                        log::warn!(
                            "no thread can be started for one that is held up: {error} ({missed} more such errors)"
                        );
                    });
                    break;
                }
            }
            if moved {
                let until = Instant::now() + TICK;
                // Somebody may have woken it just before.
                while let left = until.saturating_duration_since(Instant::now())
                    && !left.is_zero()
                {
                    thread::park_timeout(left);
                }
                continue;
            }
            self.overseer_sleeps.store(true, Ordering::SeqCst);
            // After saying so: whoever begins from here on wakes it.
            if !self.has_moved() {
                let is_settled = wanted == self.usual && self.workers.load(Ordering::SeqCst) == self.usual;
                if is_settled { thread::park() } else { thread::park_timeout(PATIENCE / 5) }
            }
            self.overseer_sleeps.store(false, Ordering::SeqCst);
        }
    }

    /// How many workers have been at the same thing since the last look, and whether anybody has not.
    fn look(&self) -> (usize, bool) {
        let (mut held_up, mut moved) = (0, false);
        for pulse in self.pulses().iter() {
            let beats = pulse.beats.load(Ordering::SeqCst);
            let before = pulse.seen.swap(beats, Ordering::SeqCst);
            moved |= beats != before;
            held_up += usize::from(beats == before && !beats.is_multiple_of(2));
        }
        (held_up, moved)
    }

    fn has_moved(&self) -> bool {
        self.pulses().iter().any(|pulse| pulse.beats.load(Ordering::SeqCst) != pulse.seen.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const STACK: usize = 256 * 1024;

    /// Jobs that say they began and end when they are told to; one that isn't there panics.
    struct Jobs {
        jobs: Mutex<Receiver<Option<Job>>>,
        is_over: AtomicBool,
        settled: AtomicUsize,
        handed_over: AtomicUsize,
    }

    type Job = (Sender<()>, Receiver<()>);

    impl Work for Jobs {
        type Job = Option<Job>;
        type Outcome = ();
        type Desk = ();

        fn next(&self, patience: Option<Duration>, begin: impl FnOnce()) -> Option<Option<Job>> {
            let wait = patience.unwrap_or(Duration::from_millis(50)).min(Duration::from_millis(50));
            let job = self.jobs.lock().unwrap().recv_timeout(wait).ok()?;
            begin();
            Some(job)
        }

        fn perform(&self, job: &mut Option<Job>, (): &mut ()) {
            let (began, end) = job.as_ref().expect("a job that panics on purpose");
            began.send(()).unwrap();
            end.recv().unwrap();
        }

        fn settle(&self, job: Option<Job>, outcome: Option<()>) -> Option<Option<Job>> {
            assert_eq!(job.is_some(), outcome.is_some());
            self.settled.fetch_add(1, Ordering::SeqCst);
            None
        }

        fn hand_over(&self) {
            self.handed_over.fetch_add(1, Ordering::SeqCst);
        }

        fn is_over(&self) -> bool {
            self.is_over.load(Ordering::SeqCst)
        }
    }

    fn crew() -> (Arc<Jobs>, Sender<Option<Job>>) {
        let (submit, jobs) = channel();
        let jobs = Jobs {
            jobs: Mutex::new(jobs),
            is_over: AtomicBool::new(false),
            settled: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
        };
        let jobs = Arc::new(jobs);
        Crew::start(Arc::clone(&jobs), STACK, 100).unwrap();
        (jobs, submit)
    }

    /// Submits a job and waits until it has begun; drop what this gives to end it.
    fn begin(submit: &Sender<Option<Job>>) -> Sender<()> {
        let ((began, on_begin), (end, on_end)) = (channel(), channel());
        submit.send(Some((began, on_end))).unwrap();
        on_begin.recv_timeout(Duration::from_secs(60)).expect("a worker that is free");
        end
    }

    #[test]
    fn however_many_are_held_up_somebody_is_free() {
        let (jobs, submit) = crew();
        let held_up: Vec<_> = (0..40).map(|_| begin(&submit)).collect();
        for end in held_up {
            end.send(()).unwrap();
        }
        begin(&submit).send(()).unwrap();
        jobs.is_over.store(true, Ordering::SeqCst);
    }

    #[test]
    fn a_panic_ends_one_job_alone() {
        let (jobs, submit) = crew();
        for _ in 0..10 {
            submit.send(None).unwrap();
        }
        begin(&submit).send(()).unwrap();
        while jobs.settled.load(Ordering::SeqCst) < 11 {
            thread::yield_now();
        }
        jobs.is_over.store(true, Ordering::SeqCst);
    }

    #[test]
    fn a_worker_that_goes_hands_over() {
        let (jobs, _submit) = crew();
        jobs.is_over.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while jobs.handed_over.load(Ordering::SeqCst) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody handed over");
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_cannot_start_is_an_error() {
        let (_, jobs) = channel();
        let jobs = Jobs {
            jobs: Mutex::new(jobs),
            is_over: AtomicBool::new(true),
            settled: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
        };
        assert!(Crew::start(Arc::new(jobs), usize::MAX / 4, 1).is_err());
    }
}
