use super::*;
use std::io::Read;
use std::net::TcpListener;

/// A client's end and the server's end of a connection.
fn pair() -> (TcpStream, Arc<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (theirs, Arc::new(listener.accept().unwrap().0))
}

fn limits(connections: usize, per_address: usize) -> Arc<Limits> {
    Limits::new(Bounds { connections, per_address, backlog: 8 }, Proxies(vec!["10.1.0.0/16".parse().unwrap()]))
}

fn peer(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 5000)
}

fn admit(limits: &Arc<Limits>, address: &str) -> Result<Place, Full> {
    limits.admit(&pair().1, limits.address_of(peer(address)))
}

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const C: &str = "10.0.0.3";
const PROXY: &str = "10.1.0.1";

#[test]
fn the_bounds_fit_the_descriptors() {
    let config = Config::default();
    let rows = [
        (1, 20_000, Some(1024)),
        (1, 1024, Some(378)),
        (1, 64, Some(18)),
        (8, 64, Some(12)),
        (24, 64, None),
        (1, 40, Some(9)),
        (1, 24, Some(2)),
        (1, 22, Some(1)),
        (1, 20, None),
        (1, 18, None),
        (1, 3, None),
    ];
    for (listeners, descriptors, want) in rows {
        let bounds = Bounds::within_descriptors(&config, listeners, descriptors);
        assert_eq!(bounds.map(|bounds| bounds.connections), want, "{listeners} {descriptors}");
        if let Some(bounds) = bounds {
            assert!(bounds.connections * 2 + bounds.backlog * 2 + RESERVED_DESCRIPTORS + listeners <= descriptors);
        }
    }
}

#[test]
fn a_place_is_free_again_when_its_connection_ends() {
    let limits = limits(2, 0);
    let (first, second) = (admit(&limits, A).unwrap(), admit(&limits, A).unwrap());
    assert_eq!((admit(&limits, B).err(), limits.open()), (Some(Full::Connections), 2));
    drop(first);
    assert!(admit(&limits, B).is_ok());
    drop(second);
    assert_eq!((limits.open(), lock(&limits.open).of_address.len()), (0, 0));
}

#[test]
fn an_address_has_a_bound_of_its_own() {
    let limits = limits(8, 2);
    let _places = [admit(&limits, A).unwrap(), admit(&limits, A).unwrap()];
    assert_eq!(admit(&limits, A).err(), Some(Full::Address));
    assert!(admit(&limits, B).is_ok());
}

#[test]
fn a_proxy_has_no_bound_and_its_clients_have_theirs() {
    let limits = limits(8, 2);
    let _places: Vec<_> = (0..4).map(|_| admit(&limits, PROXY).unwrap()).collect();
    let client = A.parse().unwrap();
    let [first, _second] = [limits.forward(client).unwrap(), limits.forward(client).unwrap()];
    assert!(limits.forward(client).is_none());
    assert_eq!(admit(&limits, A).err(), Some(Full::Address));
    assert!(limits.forward(B.parse().unwrap()).is_some());
    drop(first);
    assert!(limits.forward(client).is_some());
}

#[test]
fn an_ipv4_client_on_an_ipv6_listener_is_the_same_client() {
    let limits = limits(8, 1);
    let _place = admit(&limits, A).unwrap();
    assert_eq!(admit(&limits, "::ffff:10.0.0.1").err(), Some(Full::Address));
}

#[test]
fn the_address_with_the_fewest_connections_is_next() {
    let limits = limits(8, 0);
    let mut places: Vec<_> = [A, A, B].iter().map(|address| admit(&limits, address).unwrap()).collect();
    let mut backlog = Backlog::default();
    for address in [A, A, B, C] {
        backlog.push(pair().1, peer(address), Instant::now(), &limits).unwrap();
    }
    let mut order = Vec::new();
    while let Some(next) = backlog.pop_next(&limits) {
        places.push(limits.admit(&next.socket, limits.address_of(next.peer)).unwrap());
        order.push(next.peer.ip().to_string());
    }
    // A has two, B one, C none. Where they are equal, it goes by who came first.
    assert_eq!(order, [C, B, A, A]);
}

#[test]
fn the_backlog_is_bounded_and_one_address_has_a_quarter_of_it() {
    let limits = limits(1, 0);
    let mut backlog = Backlog::default();
    let mut push = |address| backlog.push(pair().1, peer(address), Instant::now(), &limits).is_ok();
    let of_four = [A, B, C, "10.0.0.4"].map(|address| [push(address), push(address), push(address)]);
    assert_eq!(of_four, [[true, true, false]; 4]);
    assert!(!push("10.0.0.5"), "all eight are waiting");
    let mut backlog = Backlog::default();
    let mut push = || backlog.push(pair().1, peer(PROXY), Instant::now(), &limits).is_ok();
    assert!((0..8).all(|_| push()) && !push(), "a proxy may have all of it");
}

#[test]
fn who_has_waited_long_enough_is_given_back() {
    let (limits, mut backlog) = (limits(1, 0), Backlog::default());
    let now = Instant::now();
    backlog.push(pair().1, peer(A), now, &limits).unwrap();
    backlog.push(pair().1, peer(B), now + WAIT_TIMEOUT / 2, &limits).unwrap();
    assert!(backlog.pop_expired(now + WAIT_TIMEOUT / 2).is_none());
    assert_eq!(backlog.pop_expired(now + WAIT_TIMEOUT).map(|waiting| waiting.peer), Some(peer(A)));
    assert!(backlog.pop_expired(now + WAIT_TIMEOUT).is_none() && backlog.waiting.len() == 1);
}

#[test]
fn why_a_connection_is_to_close_is_the_gravest_reason() {
    let limits = limits(1, 0);
    assert_eq!(limits.must_close(), None);
    limits.set_waiting(true);
    assert_eq!(limits.must_close(), Some(CloseReason::Evicted));
    limits.set_waiting(false);
    assert_eq!(limits.must_close(), None);
    limits.stop(false);
    limits.set_waiting(true);
    limits.set_waiting(false);
    assert_eq!(limits.must_close(), Some(CloseReason::Drained));
    limits.stop(true);
    limits.stop(false);
    assert_eq!(limits.must_close(), Some(CloseReason::Aborted));
}

#[test]
fn an_abort_shuts_every_socket_down() {
    let limits = limits(8, 0);
    let (mut theirs, ours) = pair();
    let place = limits.admit(&ours, limits.address_of(peer(A))).unwrap();
    assert_eq!(limits.abort(), 1);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
    drop(place);
    assert_eq!(limits.abort(), 0);
}
