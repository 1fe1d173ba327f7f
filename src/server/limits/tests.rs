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
    Limits::new(Bounds { connections, per_address, refused: 2 }, Proxies(vec!["10.1.0.0/16".parse().unwrap()]))
}

fn peer(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 5000)
}

fn admit(limits: &Arc<Limits>, address: &str) -> Option<Permit> {
    limits.admit(&pair().1, limits.address_of(peer(address)))
}

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const PROXY: &str = "10.1.0.1";

#[test]
fn the_bounds_fit_the_descriptors() {
    let config = Config::default();
    let rows = [
        (1, 20_000, Some(1024)),
        (1, 1024, Some(440)),
        (1, 64, Some(20)),
        (8, 64, Some(14)),
        (24, 64, None),
        (1, 40, Some(10)),
        (1, 24, Some(2)),
        (1, 21, Some(1)),
        (1, 20, None),
        (1, 18, None),
        (1, 3, None),
    ];
    for (listeners, descriptors, want) in rows {
        let bounds = Bounds::within_descriptors(&config, listeners, descriptors);
        assert_eq!(bounds.map(|bounds| bounds.connections), want, "{listeners} {descriptors}");
        if let Some(bounds) = bounds {
            assert!(bounds.connections * 2 + bounds.refused + RESERVED_DESCRIPTORS + listeners <= descriptors);
        }
    }
}

#[test]
fn a_place_is_free_again_when_its_connection_ends() {
    let limits = limits(2, 0);
    let first = admit(&limits, A).unwrap();
    let second = admit(&limits, A).unwrap();
    assert!(!limits.has_place());
    drop(first);
    assert!(limits.has_place());
    drop(second);
    assert_eq!(limits.open(), 0);
    assert_eq!(lock(&limits.counts).of_address.len(), 0);
}

#[test]
fn refused_connections_are_bounded_and_take_no_place() {
    let limits = limits(1, 0);
    let first = limits.admit_refused().unwrap();
    let _second = limits.admit_refused().unwrap();
    assert!(limits.admit_refused().is_none());
    assert!(limits.has_place());
    drop(first);
    assert!(limits.admit_refused().is_some());
}

#[test]
fn an_address_has_a_bound_of_its_own() {
    let limits = limits(8, 2);
    let _permits = [admit(&limits, A).unwrap(), admit(&limits, A).unwrap()];
    assert!(admit(&limits, A).is_none());
    assert!(admit(&limits, B).is_some());
}

#[test]
fn a_proxy_has_no_bound_and_its_clients_have_theirs() {
    let limits = limits(8, 2);
    let _permits: Vec<_> = (0..4).map(|_| admit(&limits, PROXY).unwrap()).collect();
    let client = A.parse().unwrap();
    let first = limits.admit_forwarded(client).unwrap();
    let _second = limits.admit_forwarded(client).unwrap();
    assert!(limits.admit_forwarded(client).is_none());
    assert!(admit(&limits, A).is_none());
    assert!(limits.admit_forwarded(B.parse().unwrap()).is_some());
    drop(first);
    assert!(limits.admit_forwarded(client).is_some());
}

#[test]
fn an_ipv4_client_on_an_ipv6_listener_is_the_same_client() {
    let limits = limits(8, 1);
    let _permit = admit(&limits, A).unwrap();
    assert!(admit(&limits, "::ffff:10.0.0.1").is_none());
}

#[test]
fn a_stopping_server_is_never_full_or_running_again() {
    let limits = limits(1, 0);
    assert_eq!(limits.stage().close_reason(), None);
    limits.set_full(true);
    assert_eq!(limits.stage().close_reason(), Some(CloseReason::Evicted));
    limits.set_full(false);
    assert_eq!(limits.stage(), Stage::Running);
    limits.stop(Stage::Draining);
    limits.set_full(true);
    limits.set_full(false);
    assert_eq!(limits.stage().close_reason(), Some(CloseReason::Drained));
    limits.stop(Stage::Aborted);
    limits.stop(Stage::Draining);
    assert_eq!(limits.stage().close_reason(), Some(CloseReason::Aborted));
}

#[test]
fn an_abort_shuts_every_socket_down() {
    let limits = limits(8, 0);
    let (mut theirs, ours) = pair();
    let permit = limits.admit(&ours, limits.address_of(peer(A))).unwrap();
    assert_eq!(limits.abort(), 1);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
    drop(permit);
    assert_eq!(limits.abort(), 0);
}
