use super::*;
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a job does: it says that it has begun, and ends when it is told to.
struct Job {
    kind: Kind,
    begun: Sender<()>,
    end: Receiver<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Like a response whose disk hangs: the pool is not told.
    Hangs,
    /// Like a long response.
    Long,
    Panics,
}

/// Longer than any wait of a test that passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pool, and how many of its threads that have run a job are still alive.
struct Probed {
    pool: Arc<Pool<Job>>,
    alive: Arc<AtomicUsize>,
}

/// Uncounts its thread when the thread ends.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    static ALIVE: RefCell<Option<Alive>> = const { RefCell::new(None) };
}

fn count_this_thread(alive: &Arc<AtomicUsize>) {
    ALIVE.with_borrow_mut(|counted| {
        if counted.is_none() {
            alive.fetch_add(1, Ordering::SeqCst);
            *counted = Some(Alive(Arc::clone(alive)));
        }
    });
}

impl Probed {
    fn new(max_threads: usize) -> Self {
        let alive = Arc::new(AtomicUsize::new(0));
        let probe = Arc::clone(&alive);
        let pool = Pool::new(max_threads, move |job: Job, worker| {
            count_this_thread(&probe);
            if job.kind == Kind::Long {
                worker.detach();
            }
            let _ = job.begun.send(());
            let _ = job.end.recv();
            assert!(job.kind != Kind::Panics, "a job that panics on purpose");
        });
        Self { pool, alive }
    }

    /// Queues a job. The receiver says when it begins; drop the sender to end it.
    fn submit(&self, kind: Kind) -> (Receiver<()>, Sender<()>) {
        let (begun, has_begun) = channel();
        let (ends, end) = channel();
        self.pool.submit(Job { kind, begun, end });
        self.pool.wake();
        (has_begun, ends)
    }

    /// Ticks as the accept loop does until a job has begun.
    fn begins(&self, begun: &Receiver<()>) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.pool.tick(Instant::now());
            if begun.recv_timeout(TICK).is_ok() {
                return true;
            }
        }
        false
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    fn eventually_alive(&self, most: usize) {
        let until = Instant::now() + PATIENCE;
        while self.alive() > most {
            assert!(Instant::now() < until, "{} threads are alive", self.alive());
            thread::yield_now();
        }
    }
}

#[test]
fn however_many_jobs_hang_the_next_one_begins() {
    let probed = Probed::new(100);
    let hanging: Vec<_> = (0..40).map(|_| probed.submit(Kind::Hangs)).collect();
    assert!(hanging.iter().all(|(begun, _)| probed.begins(begun)));
    let (begun, _end) = probed.submit(Kind::Hangs);
    assert!(probed.begins(&begun));
}

#[test]
fn a_stalled_queue_starts_a_worker_per_job() {
    let probed = Probed::new(100);
    let jobs: Vec<_> = (0..50).map(|_| probed.submit(Kind::Hangs)).collect();
    let processors = probed.pool.processors;
    assert!(jobs[..processors].iter().all(|(begun, _)| begun.recv_timeout(PATIENCE).is_ok()), "without a tick");
    assert!(jobs[processors..].iter().all(|(begun, _)| begun.try_recv().is_err()), "no more than processors");
    assert!(jobs[processors..].iter().all(|(begun, _)| probed.begins(begun)));
    assert_eq!(probed.pool.next_tick(), None, "every job has a worker");
    assert_eq!(probed.alive(), 50);
}

#[test]
fn surplus_threads_end_when_a_disk_answers_again() {
    let probed = Probed::new(100);
    let hanging: Vec<_> = (0..40).map(|_| probed.submit(Kind::Hangs)).collect();
    assert!(hanging.iter().all(|(begun, _)| probed.begins(begun)));
    drop(hanging);
    probed.eventually_alive(probed.pool.processors);
}

#[test]
fn a_long_job_makes_room_and_its_thread_ends_with_it() {
    let probed = Probed::new(100);
    let long: Vec<_> = (0..20).map(|_| probed.submit(Kind::Long)).collect();
    assert!(long.iter().all(|(begun, _)| begun.recv_timeout(PATIENCE).is_ok()), "without a tick");
    assert_eq!(probed.alive(), 20);
    drop(long);
    probed.eventually_alive(0);
}

#[test]
fn a_panic_ends_one_thread_and_the_next_job_begins() {
    let probed = Probed::new(2);
    for _ in 0..10 {
        let (begun, _) = probed.submit(Kind::Panics);
        assert!(probed.begins(&begun));
    }
    probed.eventually_alive(0);
    let (begun, _end) = probed.submit(Kind::Hangs);
    assert!(probed.begins(&begun));
}

#[test]
fn the_number_of_threads_is_bounded() {
    let probed = Probed::new(5);
    let most = 5.max(probed.pool.processors);
    let jobs: Vec<_> = (0..20).map(|_| probed.submit(Kind::Hangs)).collect();
    for (begun, end) in jobs {
        assert!(probed.begins(&begun));
        assert!(probed.alive() <= most);
        drop(end);
    }
}

#[test]
fn a_job_for_which_there_is_no_thread_is_given_back_in_time() {
    let probed = Probed::new(1);
    let processors = probed.pool.processors;
    let running: Vec<_> = (0..processors).map(|_| probed.submit(Kind::Hangs)).collect();
    assert!(running.iter().all(|(begun, _)| probed.begins(begun)));
    let _waiting = probed.submit(Kind::Hangs);
    assert!(probed.pool.take_overdue(Instant::now(), PATIENCE).is_none(), "it has not waited for long");
    assert!(probed.pool.take_overdue(Instant::now() + 2 * TICK, TICK).is_some());
    assert!(probed.pool.take_overdue(Instant::now() + 2 * TICK, TICK).is_none(), "there is no other");
}

#[test]
fn a_closed_pool_ends_its_threads() {
    let probed = Probed::new(100);
    let jobs: Vec<_> = (0..2).map(|_| probed.submit(Kind::Hangs)).collect();
    assert!(jobs.iter().all(|(begun, _)| probed.begins(begun)));
    probed.pool.close();
    drop(jobs);
    probed.eventually_alive(0);
}

/// An ordinary user can't raise a priority again, so a thread that has lowered its own must not take short jobs.
#[cfg(target_os = "linux")]
#[test]
fn a_long_job_has_a_lower_priority_and_the_next_jobs_have_not() {
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let usual = priority();
    let (seen, priorities) = channel();
    let pool = Pool::new(10, move |is_long: bool, worker: &mut Worker<bool>| {
        if is_long {
            worker.detach();
        }
        seen.send(rustix::process::getpriority_process(None).unwrap()).unwrap();
    });
    for is_long in [true, false, true, false, false] {
        pool.submit(is_long);
        pool.wake();
        let want = if is_long { (usual + 10).min(19) } else { usual };
        assert_eq!(priorities.recv_timeout(PATIENCE).unwrap(), want);
    }
    assert_eq!(priority(), usual);
}
