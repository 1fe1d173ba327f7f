use super::*;
use std::io::Read;
use std::net::TcpListener;

/// A client's end and the server's end of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (theirs, listener.accept().unwrap().0)
}

/// A newcomer from an address of its own choice. What it keeps open is its own end.
fn arrive(admission: &Admission, address: &str) -> (TcpStream, Arrival) {
    let (theirs, ours) = pair();
    let peer = SocketAddr::new(address.parse().unwrap(), 5000);
    (theirs, admission.arrive(ours, peer))
}

fn admitted((theirs, arrival): (TcpStream, Arrival)) -> (TcpStream, Arc<Client>) {
    match arrival {
        Arrival::Admitted(client) => (theirs, client),
        other => panic!("not admitted: {other:?}"),
    }
}

fn house(connections: usize, per_address: usize, waiting: usize) -> Admission {
    Admission::new(Limits { connections, per_address, waiting })
}

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";

#[test]
fn the_bound_holds_and_a_place_is_given_on() {
    let house = house(2, 0, 4);
    let (_a, first) = admitted(arrive(&house, A));
    let (_b, _second) = admitted(arrive(&house, A));
    let (_c, third) = arrive(&house, A);
    assert!(matches!(third, Arrival::Waiting));
    let next = house.leave(&first).expect("the one who waits");
    assert!(house.leave(&next).is_none());
}

#[test]
fn an_address_has_a_bound_of_its_own_and_its_waiters_hold_up_nobody() {
    let house = house(8, 2, 4);
    let (_end1, first) = admitted(arrive(&house, A));
    let (_end2, _second) = admitted(arrive(&house, A));
    assert!(matches!(arrive(&house, A), (_, Arrival::Waiting)));
    assert!(matches!(arrive(&house, A), (_, Arrival::TurnedAway(_))), "a quarter of the queue is one");
    let (_end3, other) = admitted(arrive(&house, B));
    assert!(house.leave(&other).is_none(), "its place is not A's");
    assert!(house.leave(&first).is_some());
}

#[test]
fn an_ipv4_client_on_an_ipv6_listener_is_the_same_client() {
    let house = house(8, 1, 4);
    let (_end1, _first) = admitted(arrive(&house, A));
    assert!(matches!(arrive(&house, "::ffff:10.0.0.1"), (_, Arrival::Waiting)));
}

#[test]
fn the_address_with_the_fewest_places_is_next() {
    let house = house(3, 0, 16);
    let (_end1, first) = admitted(arrive(&house, A));
    let (_end2, _second) = admitted(arrive(&house, A));
    let (_end3, _third) = admitted(arrive(&house, B));
    let keep: Vec<_> = [A, A, B, C].iter().map(|address| arrive(&house, address)).collect();
    let mut order = Vec::new();
    let mut leaving = Some(first);
    while let Some(client) = leaving {
        leaving = house.leave(&client);
        order.extend(leaving.as_ref().map(|next| next.address.to_string()));
    }
    // A and B hold one place each, C none; after that all are equal, and it goes by who came first.
    assert_eq!(order, [C, A, A, B]);
    drop(keep);
}

#[test]
fn the_one_that_has_been_idle_longest_makes_room() {
    let house = house(3, 0, 4);
    let (mut busy_end, _busy) = admitted(arrive(&house, A));
    let (mut old_end, old) = admitted(arrive(&house, B));
    let (_recent_end, recent) = admitted(arrive(&house, C));
    assert!(house.begin_idle(&old, false));
    let since = old.phase.load(Ordering::SeqCst);
    assert!(house.begin_idle(&recent, false));
    recent.phase.store(since + 1, Ordering::SeqCst);
    assert!(matches!(arrive(&house, A), (_, Arrival::Waiting)));
    assert!(old.begin_request(), "it was told to go");
    assert!(!recent.begin_request());
    assert_eq!((&old.stream).read(&mut [0; 1]).unwrap(), 0, "its worker sees the end");
    // Nothing was said to the clients themselves.
    for end in [&mut busy_end, &mut old_end] {
        end.set_nonblocking(true).unwrap();
        assert!(end.read(&mut [0; 1]).is_err());
    }
}

#[test]
fn one_address_at_its_bound_makes_room_by_itself() {
    let house = house(8, 1, 4);
    let (_end1, other) = admitted(arrive(&house, B));
    let (_end2, own) = admitted(arrive(&house, A));
    assert!(house.begin_idle(&other, false) && house.begin_idle(&own, false));
    assert!(matches!(arrive(&house, A), (_, Arrival::Waiting)));
    assert!(!other.begin_request() && own.begin_request());
}

#[test]
fn a_newcomer_has_a_moment_to_send_its_request() {
    let house = house(1, 0, 4);
    let (_end1, new) = admitted(arrive(&house, A));
    assert!(house.begin_idle(&new, true));
    assert!(matches!(arrive(&house, B), (_, Arrival::Waiting)));
    assert!(!new.begin_request());
}

#[test]
fn who_waits_is_seen_by_those_who_are_about_to_be_idle() {
    let house = house(2, 1, 8);
    let (_end1, a) = admitted(arrive(&house, A));
    let (_end2, b) = admitted(arrive(&house, B));
    assert!(!house.needs_place_of(&a));
    assert!(matches!(arrive(&house, A), (_, Arrival::Waiting)));
    assert!(house.needs_place_of(&a) && !house.needs_place_of(&b), "only A's own place helps A");
    assert!(!house.begin_idle(&a, false) && house.begin_idle(&b, false));
}

#[test]
fn the_queue_is_bounded_and_those_who_waited_long_enough_are_sent_away() {
    let house = house(1, 0, 8);
    let (_in, _client) = admitted(arrive(&house, A));
    let waiting: Vec<_> = [A, A, B, B].iter().map(|address| arrive(&house, address)).collect();
    assert!(matches!(arrive(&house, A), (_, Arrival::TurnedAway(_))), "two of eight is an address's share");
    let expired = Instant::now() - WAIT;
    house.lock().queue.iter_mut().for_each(|(_, until)| *until = expired);
    std::thread::scope(|scope| {
        scope.spawn(|| house.watch_the_queue(|stream| drop(stream.shutdown(Shutdown::Write))));
        for (mut theirs, arrival) in waiting {
            assert!(matches!(arrival, Arrival::Waiting));
            assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
        }
        house.close();
    });
    assert!(house.lock().queue.is_empty());
}

#[test]
fn closing_ends_the_idle_and_waits_for_the_busy() {
    let house = house(4, 0, 4);
    let (_end1, idle) = admitted(arrive(&house, A));
    let (_end2, busy) = admitted(arrive(&house, A));
    assert!(house.begin_idle(&idle, false));
    house.close();
    assert_eq!((&idle.stream).read(&mut [0; 1]).unwrap(), 0);
    assert!(house.needs_place_of(&busy) && !house.begin_idle(&busy, false));
    assert!(house.leave(&idle).is_none());
    let now = Instant::now();
    assert_eq!(house.wait_until_empty(now, || false), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| house.leave(&busy).is_none());
        assert_eq!(house.wait_until_empty(now + Duration::from_secs(60), || false), 0);
    });
}

#[test]
fn a_waiter_for_its_own_place_ends_nobody_elses_connection() {
    let house = house(8, 1, 8);
    let (_end1, _busy) = admitted(arrive(&house, A));
    let (_end2, other) = admitted(arrive(&house, B));
    assert!(house.begin_idle(&other, false));
    assert!(matches!(arrive(&house, A), (_, Arrival::Waiting)));
    house.ask_for_places(&house.lock());
    assert!(!other.begin_request());
}

#[test]
fn each_who_waits_is_asked_a_place_for_and_no_more() {
    let house = house(4, 0, 16);
    let inside: Vec<_> = (0..4).map(|_| admitted(arrive(&house, A))).collect();
    let waiting: Vec<_> = [B, C, B].iter().map(|address| arrive(&house, address)).collect();
    // All of them become idle, as newcomers do whose second of grace is over.
    inside.iter().for_each(|(_, client)| client.phase.store(0, Ordering::SeqCst));
    house.ask_for_places(&house.lock());
    house.ask_for_places(&house.lock());
    assert_eq!(inside.iter().filter(|(_, client)| client.begin_request()).count(), waiting.len());
}
