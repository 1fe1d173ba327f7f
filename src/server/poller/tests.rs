use super::*;
use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

/// A client's end and the server's end of a connection.
fn pair() -> (TcpStream, Arc<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (theirs, Arc::new(listener.accept().unwrap().0))
}

const LONG: Duration = Duration::from_secs(60);

fn busy_for(wait: Duration) -> Deadline {
    Deadline { until: Instant::now() + wait, idle_since: None }
}

fn idle_since(since: Instant) -> Deadline {
    Deadline { until: Instant::now() + LONG, idle_since: Some(since) }
}

/// A connection with a name.
type Named<N> = (N, Arc<TcpStream>);

/// Parks a connection; its name, where that isn't possible.
fn park<N>(poller: &Poller<Named<N>>, socket: &Arc<TcpStream>, name: N, deadline: Deadline) -> Option<N> {
    let named = (name, Arc::clone(socket));
    poller.park(named, |(_, socket)| socket, deadline).err().map(|(name, _)| name)
}

/// What one wait gives.
fn wait<N>(poller: &Poller<Named<N>>) -> Vec<N> {
    poller.wait(Some(Instant::now() + LONG)).ready.into_iter().map(|(name, _)| name).collect()
}

/// Both selectors do the same. Where there is epoll, the other one is tested all the same.
macro_rules! selectors {
    ($($name:ident: $selector:ty),*) => {$(
        mod $name {
            use super::*;

            type Selector = $selector;

            /// The tokens that are ready now or soon.
            fn ready(selector: &Selector, wait: Duration) -> Vec<u64> {
                let mut tokens = Vec::new();
                selector.wait(Some(wait), &mut tokens);
                tokens.sort_unstable();
                tokens
            }

            #[test]
            fn each_arm_reports_once() {
                let selector = Selector::new().unwrap();
                let (mut theirs, ours) = pair();
                selector.arm(7, &ours).unwrap();
                theirs.write_all(b"x").unwrap();
                assert_eq!(ready(&selector, LONG), [7]);
                assert!(ready(&selector, Duration::ZERO).is_empty());
                selector.arm(7, &ours).unwrap();
                assert_eq!(ready(&selector, LONG), [7], "it has still not been read");
            }

            #[test]
            fn an_end_is_something_to_read_and_so_is_a_connection_to_accept() {
                let selector = Selector::new().unwrap();
                let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
                let (theirs, ours) = pair();
                selector.arm(1, &ours).unwrap();
                selector.arm(2, &listener).unwrap();
                theirs.shutdown(Shutdown::Write).unwrap();
                assert_eq!(ready(&selector, LONG), [1]);
                let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                assert_eq!(ready(&selector, LONG), [2]);
            }

            #[test]
            fn a_wake_ends_a_wait_and_so_does_arming_what_is_ready() {
                let selector = Selector::new().unwrap();
                let (mut theirs, ours) = pair();
                theirs.write_all(b"x").unwrap();
                std::thread::scope(|scope| {
                    let waiting = scope.spawn(|| {
                        while ready(&selector, LONG) != [3] {}
                    });
                    selector.wake();
                    selector.arm(3, &ours).unwrap();
                    waiting.join().unwrap();
                });
                selector.wake();
                let begun = Instant::now();
                assert!(ready(&selector, LONG).is_empty());
                assert!(begun.elapsed() < LONG, "the wake came before the wait");
            }
        }
    )*};
}

selectors!(by_poll: super::super::poll::Selector);
#[cfg(target_os = "linux")]
selectors!(by_epoll: super::super::epoll::Selector);

/// Where the system doesn't do so by itself when the socket is closed.
#[test]
fn a_disarmed_socket_is_not_told_of_and_not_kept_open() {
    let selector = poll::Selector::new().unwrap();
    let (mut theirs, ours) = pair();
    theirs.write_all(b"x").unwrap();
    selector.arm(7, &ours).unwrap();
    selector.disarm(7);
    let mut tokens = Vec::new();
    selector.wait(Some(Duration::ZERO), &mut tokens);
    assert_eq!((tokens.len(), Arc::strong_count(&ours)), (0, 1));
}

#[test]
fn a_connection_is_given_back_when_there_is_something_to_read() {
    let poller = Poller::new().unwrap();
    let ((mut theirs, ours), (_other, quiet)) = (pair(), pair());
    assert!(park(&poller, &ours, "one", busy_for(LONG)).is_none());
    assert!(park(&poller, &quiet, "quiet", busy_for(LONG)).is_none());
    theirs.write_all(b"x").unwrap();
    assert_eq!(wait(&poller), ["one"]);
    assert!(park(&poller, &ours, "one again", busy_for(LONG)).is_none());
    assert_eq!(wait(&poller), ["one again"]);
}

#[test]
fn a_connection_is_given_back_at_its_deadline() {
    let poller = Poller::new().unwrap();
    let ((_one, first), (_other, second)) = (pair(), pair());
    let begun = Instant::now();
    assert!(park(&poller, &first, 50, busy_for(Duration::from_millis(50))).is_none());
    assert!(park(&poller, &second, 20, busy_for(Duration::from_millis(20))).is_none());
    let mut given_back = Vec::new();
    while given_back.len() < 2 {
        given_back.extend(wait(&poller));
    }
    assert_eq!(given_back, [20, 50]);
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[test]
fn an_earlier_deadline_shortens_a_wait_that_is_going_on() {
    let poller = Poller::new().unwrap();
    let ((_one, first), (_other, second)) = (pair(), pair());
    assert!(park(&poller, &first, 1, busy_for(LONG)).is_none());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                if let [connection] = wait(&poller)[..] {
                    return connection;
                }
            }
        });
        assert!(park(&poller, &second, 2, busy_for(Duration::from_millis(1))).is_none());
        assert_eq!(waiting.join().unwrap(), 2);
    });
}

#[test]
fn the_connection_that_has_been_idle_longest_is_evicted_first() {
    let poller = Poller::new().unwrap();
    let now = Instant::now();
    let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
    let deadlines = [
        ("recent", idle_since(ago(1))),
        ("oldest", idle_since(ago(3))),
        ("old", idle_since(ago(2))),
        ("new", idle_since(now + LONG)),
        ("busy", busy_for(LONG)),
    ];
    for ((_, ours), (name, deadline)) in pairs.iter().zip(deadlines) {
        assert!(park(&poller, ours, name, deadline).is_none());
    }
    assert_eq!(poller.evict(now, |(name, _)| name.starts_with("rec")).map(|(name, _)| name), Some("recent"));
    let evicted: Vec<_> = std::iter::from_fn(|| poller.evict(now, |_| true)).map(|(name, _)| name).collect();
    assert_eq!(evicted, ["oldest", "old"]);
}

#[test]
fn once_the_idle_ones_are_taken_no_other_is_parked() {
    let poller = Poller::new().unwrap();
    let ((_one, first), (_other, second)) = (pair(), pair());
    assert!(park(&poller, &first, "idle", idle_since(Instant::now())).is_none());
    assert!(park(&poller, &second, "busy", busy_for(Duration::ZERO)).is_none());
    assert_eq!(poller.take_idle().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["idle"]);
    assert_eq!(park(&poller, &first, "idle", idle_since(Instant::now())), Some("idle"));
    assert_eq!(wait(&poller), ["busy"]);
}
