use super::*;
use crate::http::forwarded::Proxies;
use crate::library::Library;
use crate::server::limits::Bounds;
use crate::server::socket::script::Script;

/// A server's context over a folder in which each file holds its own name.
struct Served {
    context: Context,
    _folder: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two", "three", "film", "late", "smuggled"] {
            std::fs::write(folder.path().join(name), format!("{name}\n")).unwrap();
        }
        let context = Context {
            site: Site::new(Library::open(folder.path()).unwrap()),
            limits: Limits::new(Bounds { connections: 8, per_address: 0, refused: 8 }, Proxies::default()),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            copy_mode: CopyMode { chunk_size: 4096, sendfile: false },
        };
        Self { context, _folder: folder }
    }

    /// Responses that were sent.
    fn answered(&self) -> usize {
        let text = self.context.site.metrics().text();
        let counts = text.lines().filter(|line| line.starts_with("filmstrip_requests_total{"));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
    }

    fn run(&self, mut script: &mut Script) -> CloseReason {
        let mut connection = Connection::new("127.0.0.1:5000".parse().unwrap(), script.now(), &self.context);
        loop {
            match connection.serve(&mut script, &self.context, &mut || ()) {
                Next::Park(deadline) => script.wait_readable(deadline.until),
                Next::Close(reason) => return reason,
            }
        }
    }
}

fn get(name: &str) -> String {
    format!("GET /video{name} HTTP/1.1\r\nHost: nas\r\n\r\n")
}

fn run(script: &mut Script) -> CloseReason {
    Served::new().run(script)
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
    assert_eq!(run(&mut pipelined), CloseReason::ClientClosed);
    assert_eq!(statuses(&pipelined), ["200", "200", "200"]);

    let mut dripped = Script::new();
    for (at, byte) in all.bytes().enumerate() {
        dripped = dripped.says(at as f64 * 0.1, [byte]);
    }
    assert_eq!(run(&mut dripped), CloseReason::ClientClosed);
    for target in ["/one", "/two", "/three"] {
        assert!(dripped.output().contains(&format!("\r\n\r\n{}\n", &target[1..])), "{target}");
    }
}

#[test]
fn a_head_must_be_complete_in_time_and_a_drip_does_not_extend_it() {
    let mut script = Script::new().stays().says(0.0, "GET / HTTP/1.1\r\nA: ");
    for second in 1..100 {
        script = script.says(f64::from(second), "x");
    }
    assert_eq!(run(&mut script), CloseReason::HeadTimeout);
    assert_eq!(statuses(&script), ["408", "close"]);
    assert_eq!(script.elapsed(), 12.0, "the head timeout, and the lingering close");
    assert!(script.finished);
}

#[test]
fn a_second_head_has_a_deadline_of_its_own() {
    let mut script = Script::new().stays().says(9.0, get("/one")).says(20.0, "GET /").says(29.5, " HTTP/1.1\r\n");
    assert_eq!(run(&mut script), CloseReason::HeadTimeout);
    assert_eq!(statuses(&script), ["200", "408", "close"]);
    assert_eq!(script.elapsed(), 32.0);
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    let mut silent = Script::new().stays();
    assert_eq!(run(&mut silent), CloseReason::IdleTimeout);
    assert_eq!((silent.elapsed(), silent.sent.len()), (10.0, 0));

    let mut idle = Script::new().stays().says(2.0, get("/one"));
    assert_eq!(run(&mut idle), CloseReason::IdleTimeout);
    assert_eq!(idle.elapsed(), 17.0);
    assert_eq!(statuses(&idle), ["200"]);
}

#[test]
fn a_client_that_shut_its_write_side_gets_its_answer() {
    let mut script = Script::new().says(0.0, get("/film"));
    assert_eq!(run(&mut script), CloseReason::ClientClosed);
    assert!(script.output().ends_with("\r\n\r\nfilm\n"));
}

#[test]
fn half_a_head_is_not_answered() {
    let mut script = Script::new().says(0.0, "GET / HT");
    assert_eq!(run(&mut script), CloseReason::IncompleteHead);
    assert_eq!(script.sent.len(), 0);
}

#[test]
fn closing_is_announced_and_keeping_too_where_it_is_news() {
    let rows: [(&str, &[&str], CloseReason); 5] = [
        (
            "GET /video/one HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n\r\n",
            &["200", "close"],
            CloseReason::ClientRequested,
        ),
        ("GET /video/one HTTP/1.0\r\n\r\n", &["200", "close"], CloseReason::ClientRequested),
        (
            "GET /video/one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &["200", "keep-alive"],
            CloseReason::ClientClosed,
        ),
        ("GET /video/one HTTP/1.1\r\nHost: nas\r\n\r\n", &["200"], CloseReason::ClientClosed),
        ("nonsense\r\n\r\n", &["400", "close"], CloseReason::BadRequest),
    ];
    for (request, want, ending) in rows {
        let mut script = Script::new().says(0.0, request);
        assert_eq!(run(&mut script), ending, "{request}");
        assert_eq!(statuses(&script), want, "{request}");
    }
}

#[test]
fn a_body_is_never_read_as_a_request() {
    let smuggled = format!("GET /video/one HTTP/1.1\r\nHost: nas\r\nContent-Length: 99\r\n\r\n{}", get("/smuggled"));
    let chunked = smuggled.replace("Content-Length: 99", "Transfer-Encoding: chunked");
    for request in [smuggled, chunked] {
        let mut script = Script::new().says(0.0, request).says(1.0, get("/late"));
        assert_eq!(run(&mut script), CloseReason::RequestBody);
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
    assert_eq!(run(&mut slow), CloseReason::BadRequest);
    assert_eq!(slow.elapsed(), 2.0);
    assert_eq!(run(&mut endless), CloseReason::BadRequest);
    assert!(endless.elapsed() < 0.1);
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let mut script = Script::new().stays().says(0.0, get("/one")).takes_at_first(10);
    assert_eq!(run(&mut script), CloseReason::Stalled);
    assert_eq!(script.elapsed(), 60.0);
}

#[test]
fn pipelined_requests_of_a_client_that_reads_nothing_are_left_in_the_socket() {
    let flood = get("/one").repeat(100_000);
    let mut script = Script::new().stays().says(0.0, &flood).takes_at_first(1000);
    let served = Served::new();
    assert_eq!(served.run(&mut script), CloseReason::Stalled);
    assert!(served.answered() < 20);
}

#[test]
fn where_connections_wait_for_a_place_this_one_ends_with_its_response_and_says_so() {
    let served = Served::new();
    served.context.limits.set_full(true);
    let mut script = Script::new().says(0.5, get("/one")).says(5.0, get("/late"));
    assert_eq!(served.run(&mut script), CloseReason::Evicted);
    assert_eq!(statuses(&script), ["200", "close"]);
}

#[test]
fn where_the_server_drains_a_new_connection_is_still_served_if_its_request_is_there() {
    let served = Served::new();
    served.context.limits.stop(Stage::Draining);
    let mut early = Script::new().says(0.0, get("/one"));
    assert_eq!(served.run(&mut early), CloseReason::Drained);
    assert_eq!(statuses(&early), ["200", "close"]);
    let mut silent = Script::new().stays();
    assert_eq!(served.run(&mut silent), CloseReason::Drained);
    assert_eq!((silent.sent.len(), silent.elapsed()), (0, 0.0));
}

#[test]
fn a_request_that_comes_as_its_connection_closes_does_not_lose_the_last_response() {
    let served = Served::new();
    served.context.limits.stop(Stage::Draining);
    let mut script = Script::new().stays().says(0.0, [get("/one"), get("/late")].concat());
    assert_eq!(served.run(&mut script), CloseReason::Drained);
    assert_eq!((statuses(&script), script.elapsed(), script.finished), (vec!["200".into(), "close".into()], 2.0, true));
}

#[test]
fn a_client_that_has_asked_for_nothing_more_is_not_waited_for() {
    let mut script = Script::new().stays().takes_at_first(100).takes(30.0, 400).says(0.0, get("/one"));
    script = script.says(40.0, get("/two")).takes(95.0, 400);
    assert_eq!(
        run(&mut script),
        CloseReason::IdleTimeout,
        "it took less than a chunk in 95 s, but was idle in between"
    );
    assert_eq!(statuses(&script), ["200", "200"]);
}

#[test]
fn one_connection_does_not_keep_its_worker_for_good() {
    let served = Served::new();
    let mut script = Script::new().says(0.0, get("/one").repeat(3 * MAX_REQUESTS_IN_A_ROW));
    let mut connection = Connection::new("127.0.0.1:5000".parse().unwrap(), Instant::now(), &served.context);
    let next = connection.serve(&mut &mut script, &served.context, &mut || ());
    assert!(matches!(next, Next::Park(Deadline { until, idle_since: None }) if until <= Instant::now()));
    assert_eq!(served.answered(), MAX_REQUESTS_IN_A_ROW);
}

#[test]
fn a_long_response_is_reported_and_is_the_last_one_of_its_worker() {
    let served = Served::new();
    let film = std::fs::File::create(served._folder.path().join("long")).unwrap();
    film.set_len(1 << 20).unwrap();
    let mut script = Script::new().says(0.0, [get("/one"), get("/long"), get("/two")].concat());
    let mut connection = Connection::new("127.0.0.1:5000".parse().unwrap(), Instant::now(), &served.context);
    let mut is_long = false;
    let next = connection.serve(&mut &mut script, &served.context, &mut || is_long = true);
    assert!(matches!(next, Next::Park(Deadline { until, idle_since: None }) if until <= Instant::now()));
    assert_eq!((served.answered(), is_long), (2, true));
}

#[test]
fn the_response_to_head_has_no_body_even_if_it_is_an_error() {
    for (request, status) in [
        ("HEAD /video/film HTTP/1.1\r\nHost: nas\r\n\r\n", "200"),
        ("HEAD /video/none HTTP/1.1\r\nHost: nas\r\n\r\n", "404"),
        ("HEAD / HTTP/1.1\r\n\r\n", "400"),
    ] {
        let mut script = Script::new().says(0.0, request);
        run(&mut script);
        assert_eq!(statuses(&script)[0], status, "{request}");
        assert!(script.output().ends_with("\r\n\r\n"), "{request}");
        assert_eq!(script.output().matches("\r\n\r\n").count(), 1, "{request}");
    }
}

#[test]
fn a_refused_connection_lingers_and_is_closed() {
    let served = Served::new();
    let mut script = Script::new().stays().says(0.5, get("/one"));
    let mut socket = &mut script;
    let mut connection = Connection::new("127.0.0.1:5000".parse().unwrap(), socket.now(), &served.context);
    let mut deadline = connection.start_linger(CloseReason::Refused, socket.now());
    let reason = loop {
        socket.wait_readable(deadline.until);
        match connection.serve(&mut socket, &served.context, &mut || ()) {
            Next::Park(next) => deadline = next,
            Next::Close(reason) => break reason,
        }
    };
    assert_eq!(reason, CloseReason::Refused);
    assert_eq!(script.elapsed(), LINGER_TIMEOUT.as_secs_f64());
    assert!(script.sent.is_empty());
    assert_eq!(served.answered(), 0);
}
