use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a job does: it says that it has begun, and ends when it is told to.
struct Job {
    kind: Kind,
    begun: Sender<()>,
    end: Receiver<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// As a response that a disk holds up: the pool isn't told.
    HeldUp,
    /// As a long response.
    Long,
    Panics,
}

/// Longer than any wait of a test that passes.
const PATIENCE: Duration = Duration::from_secs(60);

fn pool(most: usize) -> Arc<Pool<Job>> {
    Pool::new(most, |job: Job, worker| {
        if job.kind == Kind::Long {
            worker.detach();
        }
        let _ = job.begun.send(());
        let _ = job.end.recv();
        assert!(job.kind != Kind::Panics, "a job that panics on purpose");
    })
}

/// Queues a job. What comes first says when it begins; drop the other one to end it.
fn submit(pool: &Arc<Pool<Job>>, kind: Kind) -> (Receiver<()>, Sender<()>) {
    let ((begun, has_begun), (ends, end)) = (channel(), channel());
    pool.submit(Job { kind, begun, end });
    pool.wake();
    (has_begun, ends)
}

/// Does what the accept loop does while jobs are queued, until this one has begun.
fn begins(pool: &Arc<Pool<Job>>, begun: &Receiver<()>) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        pool.tick(Instant::now());
        if begun.recv_timeout(TICK).is_ok() {
            return true;
        }
    }
    false
}

fn eventually(holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never");
        thread::yield_now();
    }
}

#[test]
fn however_many_are_held_up_the_next_job_begins() {
    let pool = pool(100);
    let held_up: Vec<_> = (0..40).map(|_| submit(&pool, Kind::HeldUp)).collect();
    assert!(held_up.iter().all(|(begun, _)| begins(&pool, begun)));
    let (begun, _end) = submit(&pool, Kind::HeldUp);
    assert!(begins(&pool, &begun));
    drop(held_up);
    eventually(|| lock(&pool.state).running <= pool.processors);
}

#[test]
fn where_the_queue_stands_still_as_many_are_called_as_are_queued() {
    let pool = pool(100);
    let jobs: Vec<_> = (0..50).map(|_| submit(&pool, Kind::HeldUp)).collect();
    assert_eq!(lock(&pool.state).threads, pool.processors, "no more than run at once");
    eventually(|| lock(&pool.state).queue.len() == 50 - pool.processors);
    lock(&pool.state).taken = 0;
    pool.tick(Instant::now() + TICK);
    assert!(jobs.iter().all(|(begun, _)| begun.recv_timeout(PATIENCE).is_ok()), "without another tick");
    assert_eq!(pool.next_tick(), None);
}

#[test]
fn a_queue_that_moves_fast_enough_calls_nobody() {
    let pool = pool(100);
    let _jobs: Vec<_> = (0..10).map(|_| submit(&pool, Kind::HeldUp)).collect();
    eventually(|| lock(&pool.state).queue.len() == 10 - pool.processors);
    lock(&pool.state).taken = 3;
    pool.tick(Instant::now() + TICK);
    assert_eq!(lock(&pool.state).threads, pool.processors);
}

#[test]
fn a_long_job_makes_room_and_its_thread_ends_with_it() {
    let pool = pool(100);
    let long: Vec<_> = (0..20).map(|_| submit(&pool, Kind::Long)).collect();
    assert!(long.iter().all(|(begun, _)| begun.recv_timeout(PATIENCE).is_ok()), "without a tick");
    eventually(|| lock(&pool.state).running == 0);
    assert!(lock(&pool.state).threads >= 20);
    drop(long);
    // One that was called for a job that another one took is idle now.
    eventually(|| lock(&pool.state).threads <= pool.processors);
    eventually(|| lock(&pool.state).running == 0);
}

/// However slowly the system starts threads, and however often the queue is looked at meanwhile.
#[test]
fn no_more_workers_are_called_than_jobs_are_queued() {
    let pool = pool(100);
    let _jobs: Vec<_> = (0..20).map(|_| submit(&pool, Kind::HeldUp)).collect();
    (0..10).for_each(|tick| pool.tick(Instant::now() + tick * 2 * TICK));
    assert!(lock(&pool.state).threads <= 20);
}

#[test]
fn a_panic_ends_one_thread_and_is_accounted_for() {
    let pool = pool(100);
    for _ in 0..10 {
        let (begun, _) = submit(&pool, Kind::Panics);
        assert!(begins(&pool, &begun));
    }
    eventually(|| lock(&pool.state).running == 0);
    eventually(|| lock(&pool.state).threads <= pool.processors);
    let (begun, _end) = submit(&pool, Kind::HeldUp);
    assert!(begins(&pool, &begun));
}

#[test]
fn there_are_no_more_threads_than_there_may_be() {
    let pool = pool(5);
    let jobs: Vec<_> = (0..20).map(|_| submit(&pool, Kind::HeldUp)).collect();
    (0..10).for_each(|tick| pool.tick(Instant::now() + tick * 2 * TICK));
    assert_eq!(lock(&pool.state).threads, 5.max(pool.processors));
    for (begun, end) in jobs {
        assert!(begins(&pool, &begun));
        drop(end);
    }
}

#[test]
fn a_job_for_which_no_thread_can_be_started_is_given_back_in_time() {
    let pool = pool(5);
    let job = |pool: &Pool<Job>| pool.take_overdue(Instant::now() + 2 * TICK, TICK).is_some();
    let _jobs: Vec<_> = (0..20).map(|_| submit(&pool, Kind::HeldUp)).collect();
    eventually(|| lock(&pool.state).queue.len() < 20);
    assert!(!job(&pool), "threads can be started as far as is known");
    lock(&pool.state).is_starved = true;
    assert!(pool.take_overdue(Instant::now(), PATIENCE).is_none(), "it has not waited for long");
    assert!(job(&pool));
}

#[test]
fn a_closed_pool_ends_its_threads() {
    let pool = pool(100);
    let (begun, end) = submit(&pool, Kind::HeldUp);
    assert!(begins(&pool, &begun));
    drop(end);
    eventually(|| lock(&pool.state).idle == 1);
    let (begun, end) = submit(&pool, Kind::HeldUp);
    assert!(begins(&pool, &begun));
    pool.close();
    drop(end);
    eventually(|| lock(&pool.state).threads == 0);
}

/// An ordinary user can't raise a priority again, so that a thread that lowered its own must not come back for short
/// work.
#[cfg(target_os = "linux")]
#[test]
fn a_long_job_has_a_lower_priority_and_the_next_ones_have_not() {
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
