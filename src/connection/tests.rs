use super::*;
use crate::http::response::Body;
use crate::transport::script::Script;
use std::cell::Cell;

const BOUNDS: Bounds = Bounds {
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(15),
    pace: Pace { chunk_size: 4096, stall_timeout: Duration::from_secs(60), sendfile: false },
};

/// A house that answers with the target it was asked for, and says what it is told to of its places.
#[derive(Default)]
struct Echo {
    requests: Cell<usize>,
    full_after: Option<usize>,
    /// The client is told to make room while it is idle.
    dismisses: bool,
}

impl House for Echo {
    fn answer(&self, head: &Head<'_>, _: SystemTime, _: &mut LastFile) -> Response {
        self.requests.set(self.requests.get() + 1);
        Response::new(200, Body::Bytes(format!("{}\n", head.target).into_bytes().into()))
    }

    fn begin_idle(&self, _: bool) -> bool {
        !self.needs_the_place()
    }

    fn begin_request(&self) -> bool {
        self.dismisses
    }

    fn is_cut(&self) -> bool {
        false
    }

    fn needs_the_place(&self) -> bool {
        self.full_after.is_some_and(|requests| self.requests.get() >= requests)
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: nas\r\n\r\n")
}

fn run(script: &mut Script) -> Ending {
    run_in(script, &Echo::default())
}

fn run_in(script: &mut Script, house: &Echo) -> Ending {
    let mut connection = Connection::new("127.0.0.1:5000".parse().unwrap(), script.now(), &BOUNDS);
    let mut desk = Desk::default();
    loop {
        match connection.turn(&mut *script, &BOUNDS, house, &mut desk) {
            Turn::Read(until) => script.wait_readable(until),
            Turn::Write(until) => script.wait_writable(until),
            Turn::Again => {}
            Turn::Over(ending) => return ending,
        }
        // Another client is served in between.
        desk.outbox = b"what somebody else was sent".to_vec();
    }
}

/// The status codes and `Connection` fields of what was sent.
fn statuses(script: &Script) -> Vec<String> {
    let output = script.output();
    let lines = output.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("Connection: ")));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn requests_are_answered_in_turn_however_they_arrive() {
    let all = [get("/one"), get("/two"), get("/three")].concat();
    let mut pipelined = Script::new().says(0.0, &all);
    assert_eq!(run(&mut pipelined), Ending::ClientLeft);
    assert_eq!(statuses(&pipelined), ["200", "200", "200"]);

    let mut dripped = Script::new();
    for (at, byte) in all.bytes().enumerate() {
        dripped = dripped.says(at as f64 * 0.1, [byte]);
    }
    assert_eq!(run(&mut dripped), Ending::ClientLeft);
    for target in ["/one", "/two", "/three"] {
        assert!(dripped.output().contains(&format!("\r\n\r\n{target}\n")), "{target}");
    }
}

#[test]
fn a_head_must_be_complete_in_time_and_a_drip_does_not_extend_it() {
    let mut script = Script::new().stays().says(0.0, "GET / HTTP/1.1\r\nA: ");
    for second in 1..100 {
        script = script.says(f64::from(second), "x");
    }
    assert_eq!(run(&mut script), Ending::SlowHead);
    assert_eq!(statuses(&script), ["408", "close"]);
    assert_eq!(script.elapsed(), 12.0, "the head timeout, and the lingering close");
    assert!(script.finished);
}

#[test]
fn a_second_head_has_a_deadline_of_its_own() {
    let mut script = Script::new().stays().says(9.0, get("/")).says(20.0, "GET /").says(29.5, " HTTP/1.1\r\n");
    assert_eq!(run(&mut script), Ending::SlowHead);
    assert_eq!(statuses(&script), ["200", "408", "close"]);
    assert_eq!(script.elapsed(), 32.0);
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let mut silent = Script::new().stays();
    assert_eq!(run(&mut silent), Ending::Idle);
    assert_eq!((silent.elapsed(), silent.sent.len()), (10.0, 0));

    let mut idle = Script::new().stays().says(2.0, get("/"));
    assert_eq!(run(&mut idle), Ending::Idle);
    assert_eq!(idle.elapsed(), 17.0);
    assert_eq!(statuses(&idle), ["200"]);
}

#[test]
fn a_client_that_shut_its_write_side_gets_its_answer() {
    let mut script = Script::new().says(0.0, get("/film"));
    assert_eq!(run(&mut script), Ending::ClientLeft);
    assert!(script.output().ends_with("\r\n\r\n/film\n"));
}

#[test]
fn half_a_head_is_not_answered() {
    let mut script = Script::new().says(0.0, "GET / HT");
    assert_eq!(run(&mut script), Ending::HalfAHead);
    assert_eq!(script.sent.len(), 0);
}

#[test]
fn closing_is_announced_and_keeping_too_where_it_is_news() {
    let rows: [(&str, &[&str], Ending); 5] = [
        ("GET / HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n\r\n", &["200", "close"], Ending::ClientAsked),
        ("GET / HTTP/1.0\r\n\r\n", &["200", "close"], Ending::ClientAsked),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &["200", "keep-alive"], Ending::ClientLeft),
        ("GET / HTTP/1.1\r\nHost: nas\r\n\r\n", &["200"], Ending::ClientLeft),
        ("nonsense\r\n\r\n", &["400", "close"], Ending::Refused),
    ];
    for (request, want, ending) in rows {
        let mut script = Script::new().says(0.0, request);
        assert_eq!(run(&mut script), ending, "{request}");
        assert_eq!(statuses(&script), want, "{request}");
    }
}

#[test]
fn a_body_is_never_read_as_a_request() {
    let smuggled = format!("POST / HTTP/1.1\r\nHost: nas\r\nContent-Length: 99\r\n\r\n{}", get("/smuggled"));
    let chunked = format!("GET / HTTP/1.1\r\nHost: nas\r\nTransfer-Encoding: chunked\r\n\r\n{}", get("/smuggled"));
    for request in [smuggled, chunked] {
        let mut script = Script::new().says(0.0, request).says(1.0, get("/late"));
        assert_eq!(run(&mut script), Ending::Body);
        assert_eq!(statuses(&script), ["200", "close"]);
    }
}

#[test]
fn a_lingering_close_is_bounded_in_time_and_bytes() {
    let bad = "GET / HTTP/9.9\r\n\r\n";
    let mut slow = Script::new().stays().says(0.0, bad);
    let mut endless = Script::new().stays().says(0.0, bad);
    for tenth in 1..100 {
        slow = slow.says(f64::from(tenth) / 10.0, "x");
        endless = endless.says(f64::from(tenth) / 1000.0, vec![b'x'; 64 * 1024]);
    }
    assert_eq!(run(&mut slow), Ending::Refused);
    assert_eq!(slow.elapsed(), 2.0);
    assert_eq!(run(&mut endless), Ending::Refused);
    assert!(endless.elapsed() < 0.1);
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let mut script = Script::new().stays().says(0.0, get("/")).takes_at_first(10);
    assert_eq!(run(&mut script), Ending::Stalled);
    assert_eq!(script.elapsed(), 60.0);
}

#[test]
fn pipelined_requests_of_a_client_that_reads_nothing_are_left_in_the_socket() {
    let flood = get("/").repeat(100_000);
    let mut script = Script::new().stays().says(0.0, &flood).takes_at_first(1000);
    let house = Echo::default();
    assert_eq!(run_in(&mut script, &house), Ending::Stalled);
    assert!(house.requests.get() < 20);
}

#[test]
fn where_the_place_is_needed_the_connection_ends_with_the_answer_and_says_so() {
    let mut script = Script::new().says(0.0, get("/")).says(5.0, get("/late"));
    let house = Echo { full_after: Some(1), ..Echo::default() };
    assert_eq!(run_in(&mut script, &house), Ending::MadeRoom);
    assert_eq!(statuses(&script), ["200", "close"]);
}

#[test]
fn where_the_house_is_closed_a_newcomer_is_still_answered_if_its_request_is_there() {
    let closed = || Echo { full_after: Some(0), ..Echo::default() };
    let mut early = Script::new().says(0.0, get("/"));
    assert_eq!(run_in(&mut early, &closed()), Ending::MadeRoom);
    assert_eq!(statuses(&early), ["200", "close"]);
    let mut silent = Script::new().stays();
    assert_eq!(run_in(&mut silent, &closed()), Ending::MadeRoom);
    assert_eq!((silent.sent.len(), silent.elapsed()), (0, 0.0));
}

#[test]
fn an_idle_client_that_was_told_to_go_did_not_leave_by_itself() {
    let house = Echo { dismisses: true, ..Echo::default() };
    let mut script = Script::new().says(0.0, get("/"));
    assert_eq!(run_in(&mut script, &house), Ending::MadeRoom);
    let mut script = Script::new().says(0.0, get("/")).says(1.0, get("/late"));
    assert_eq!(run_in(&mut script, &house), Ending::MadeRoom);
    assert_eq!(statuses(&script), ["200", "200", "close"], "its request is still answered");
}
