use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Wish;

/// Long enough that it only ends a test that has failed.
const LONG: Duration = Duration::from_secs(60);

struct Guest {
    seat: usize,
    stream: TcpStream,
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A guest, and its client's end.
fn guest(seat: usize) -> (Guest, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = listener.accept().unwrap().0;
    stream.set_nonblocking(true).unwrap();
    (Guest { seat, stream }, theirs)
}

/// What holds of a crowd, whichever it is.
macro_rules! both_crowds {
    ($($crowd:ident),*) => {$(
        mod $crowd {
            use super::*;
            use crate::crowd::$crowd::Crowd;

            fn crowd(seats: usize) -> Crowd<Guest> {
                Crowd::new(seats).unwrap()
            }

            fn arrive(crowd: &Crowd<Guest>) -> (Guest, TcpStream) {
                let (guest, theirs) = guest(crowd.take_seat().unwrap());
                crowd.watch(guest.seat, &guest).unwrap();
                (guest, theirs)
            }

            /// Lets a guest wait until it comes back.
            fn wait(crowd: &Crowd<Guest>, guest: Guest, wish: Wish, time: Duration) -> Guest {
                let back = crowd.wait(guest.seat, guest, wish, Instant::now() + time);
                back.or_else(|| crowd.next(Some(LONG), || ())).expect("its wish, or its time")
            }

            #[test]
            fn a_wish_comes_true_each_time_or_the_time_comes() {
                let crowd = crowd(2);
                let (mut guest, mut theirs) = arrive(&crowd);
                for _ in 0..3 {
                    theirs.write_all(b"x").unwrap();
                    // A wish may be told to be true once too often, and never once too few.
                    while guest.stream.read(&mut [0; 9]).is_err() {
                        guest = wait(&crowd, guest, Wish::Read, LONG);
                    }
                    guest = wait(&crowd, guest, Wish::Write, LONG);
                }
                let begun = Instant::now();
                let short = Duration::from_millis(30);
                let mut returns = 0;
                while begun.elapsed() < short {
                    guest = wait(&crowd, guest, Wish::Read, short.saturating_sub(begun.elapsed()));
                    returns += 1;
                }
                assert!(begun.elapsed() < LONG && returns < 10, "it slept meanwhile: {returns}");
                guest = wait(&crowd, guest, Wish::Time, Duration::ZERO);
                assert!(guest.stream.read(&mut [0; 9]).is_err());
            }

            #[test]
            fn a_goodbye_that_came_with_the_last_words_is_not_forgotten() {
                let crowd = crowd(1);
                let (mut guest, mut theirs) = arrive(&crowd);
                theirs.write_all(b"x").unwrap();
                theirs.shutdown(Shutdown::Write).unwrap();
                let mut words = [0; 1];
                while guest.stream.read(&mut words).is_err() {
                    guest = wait(&crowd, guest, Wish::Read, LONG);
                }
                guest = wait(&crowd, guest, Wish::Read, LONG);
                assert_eq!(guest.stream.read(&mut words).unwrap(), 0);
            }

            #[test]
            fn who_needs_no_wait_comes_back_though_nothing_happens() {
                let crowd = crowd(1);
                let (mut guest, mut theirs) = arrive(&crowd);
                theirs.write_all(b"x").unwrap();
                for wish in [Wish::Write, Wish::Read, Wish::Write] {
                    let back = crowd.wait_unsure(guest.seat, guest, wish, Instant::now() + LONG);
                    guest = back.or_else(|| crowd.next(Some(LONG), || ())).unwrap();
                    crowd.stand_in_line(guest);
                    crowd.share();
                    guest = crowd.next(Some(LONG), || ()).unwrap();
                }
            }

            #[test]
            fn each_guest_is_with_one_worker_and_comes_back_from_it() {
                const GUESTS: usize = 8;
                let crowd = crowd(GUESTS);
                let mut clients = Vec::new();
                for _ in 0..GUESTS {
                    let (guest, theirs) = arrive(&crowd);
                    clients.push(theirs);
                    assert!(crowd.wait(guest.seat, guest, Wish::Read, Instant::now() + LONG).is_none());
                }
                let echoed = AtomicUsize::new(0);
                std::thread::scope(|scope| {
                    for _ in 0..GUESTS + 1 {
                        scope.spawn(|| {
                            while let Some(mut guest) = crowd.next(None, || ()) {
                                let (mut word, seat) = ([0; 1], guest.seat);
                                let last = loop {
                                    match guest.stream.read(&mut word) {
                                        Ok(1) => guest.stream.write_all(&word).unwrap(),
                                        last => break last,
                                    }
                                    echoed.fetch_add(1, Ordering::SeqCst);
                                };
                                if last.is_ok() {
                                    continue;
                                }
                                let mut back = Some(guest);
                                while let Some(guest) = back {
                                    back = crowd.wait(seat, guest, Wish::Read, Instant::now() + LONG);
                                }
                            }
                        });
                    }
                    for turn in 0..200 {
                        for client in &mut clients {
                            client.write_all(&[turn]).unwrap();
                        }
                        for client in &mut clients {
                            let mut word = [0; 1];
                            client.read_exact(&mut word).unwrap();
                            assert_eq!(word, [turn]);
                        }
                    }
                    crowd.close();
                    // Who waits with a guest is released by its client.
                    clients.clear();
                });
                assert_eq!(echoed.load(Ordering::SeqCst), GUESTS * 200);
            }

            #[test]
            fn patience_ends_and_a_closed_crowd_has_nobody() {
                let crowd = crowd(1);
                assert!(crowd.next(Some(Duration::from_millis(1)), || panic!("nobody came")).is_none());
                std::thread::scope(|scope| {
                    scope.spawn(|| assert!(crowd.next(None, || ()).is_none()));
                    crowd.close();
                });
                assert!(crowd.is_closed() && crowd.next(None, || ()).is_none());
            }

            #[test]
            fn there_are_as_many_seats_as_there_are() {
                let crowd = crowd(2);
                let (one, _other) = (crowd.take_seat().unwrap(), crowd.take_seat().unwrap());
                assert!(crowd.take_seat().is_none());
                crowd.give_back(one);
                assert!(crowd.take_seat().is_some());
            }
        }
    )*};
}

both_crowds!(elsewhere);
#[cfg(target_os = "linux")]
both_crowds!(epoll);

#[cfg(target_os = "linux")]
#[test]
fn what_is_told_late_of_an_earlier_guest_is_not_the_next_ones() {
    use super::epoll::Crowd;
    let crowd = Crowd::new(1).unwrap();
    let (old, theirs) = guest(crowd.take_seat().unwrap());
    crowd.watch(old.seat, &old).unwrap();
    crowd.give_back(old.seat);
    let (new, _client) = guest(crowd.take_seat().unwrap());
    assert!(crowd.wait(new.seat, new, Wish::Read, Instant::now() + LONG).is_none());
    drop(theirs);
    assert!(crowd.next(Some(Duration::from_millis(20)), || ()).is_none());
    drop(old);
}

#[test]
fn for_ever_is_no_more_than_the_system_can_count() {
    for sleep in [Duration::ZERO, Duration::from_micros(1500), Duration::from_secs(365 * 24 * 3600), Duration::MAX] {
        let timespec = super::timespec(sleep);
        assert!(timespec.tv_sec * 1000 < i64::from(i32::MAX) && timespec.tv_nsec < 1_000_000_000, "{sleep:?}");
        assert_eq!(timespec.tv_sec == 0 && timespec.tv_nsec == 0, sleep.is_zero());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn requests_come_before_responses_which_are_not_forgotten() {
    use super::epoll::Crowd;
    let crowd = Crowd::new(2).unwrap();
    let ((streaming, _viewer), (mut asking, mut client)) =
        (guest(crowd.take_seat().unwrap()), guest(crowd.take_seat().unwrap()));
    let response = streaming.seat;
    crowd.watch(asking.seat, &asking).unwrap();
    // It is never read, so that there is always one more request.
    client.write_all(b"x").unwrap();
    crowd.stand_in_line(streaming);
    for turn in 0.. {
        assert!(crowd.wait_unsure(asking.seat, asking, Wish::Read, Instant::now() + LONG).is_none());
        asking = crowd.next(Some(LONG), || ()).unwrap();
        if asking.seat == response {
            assert_eq!(turn, 32);
            break;
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_sleeps_is_woken_for_who_was_put_in_line() {
    use super::epoll::Crowd;
    let crowd = Crowd::new(1).unwrap();
    let (guest, _client) = guest(crowd.take_seat().unwrap());
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| crowd.next(Some(LONG), || ()).map(|guest: Guest| guest.seat));
        while crowd.asleep() == 0 {
            std::thread::yield_now();
        }
        crowd.stand_in_line(guest);
        let begun = Instant::now();
        crowd.share();
        assert!(sleeper.join().unwrap().is_some() && begun.elapsed() < LONG / 2);
    });
}
