use super::HeadError::*;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Scans and parses bytes that arrive all at once.
fn read(bytes: &[u8]) -> Result<Option<Head<'_>>, HeadError> {
    HeadScan::default().advance(bytes)?.map(|head| Head::parse(&bytes[head])).transpose()
}

/// A GET of `/` with more field lines.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: nas\r\n{lines}\r\n")
}

#[test]
fn every_refusal_has_a_row() {
    let long = "x".repeat(MAX_LINE);
    let many = "A: b\r\n".repeat(MAX_FIELDS);
    let half_line = format!("A: {}\r\n", "x".repeat(MAX_LINE / 2));
    let rows = [
        (get(""), Ok(())),
        ("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Ok(())),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(TooManyBlankLines)),
        ("GET / HTTP/1.1\nHost: nas\n\n".into(), Err(BareLineFeed)),
        ("GET / HTTP/1.1\r\nHost: nas\n\r\n".into(), Err(BareLineFeed)),
        ("\n".into(), Err(BareLineFeed)),
        (get("A: b\rc\r\n"), Err(BareCarriageReturn)),
        (get("A: b\r\r\n"), Err(BareCarriageReturn)),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), Err(RequestLineTooLong)),
        (format!("GET /{long}"), Err(RequestLineTooLong)),
        (get(&format!("A: {long}\r\n")), Err(FieldLineTooLong)),
        (format!("GET / HTTP/1.1\r\nA: {long}"), Err(FieldLineTooLong)),
        (get(&half_line.repeat(4)), Err(HeadTooLong)),
        (get(&many), Err(TooManyFields)),
        (get(&many[6..]), Ok(())),
        ("\x16\x03\x01\x02\0\x01\0".into(), Err(TlsHello)),
        ("GET /\r\n".into(), Err(MalformedRequestLine)),
        ("GET / HTTP/1.1 \r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("GET  / HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("GET\t/ HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        (" GET / HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("G(T / HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("GET / http/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("GET / HTTP/11\r\nHost: nas\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("junk\r\n\r\n".into(), Err(MalformedRequestLine)),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Err(UnsupportedVersion)),
        ("GET / HTTP/0.9\r\n\r\n".into(), Err(UnsupportedVersion)),
        ("GET / HTTP/1.9\r\nHost: nas\r\n\r\n".into(), Ok(())),
        ("GET / HTTP/1.0\r\n\r\n".into(), Ok(())),
        ("GET / HTTP/1.1\r\n\r\n".into(), Err(MissingHost)),
        (get("Host: nas\r\n"), Err(MalformedHost)),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), Err(MalformedHost)),
        (format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(256)), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: h:80a\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: n\u{e4}s\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n".into(), Ok(())),
        ("GET / HTTP/1.1\r\nHost: [evil]\r\n\r\n".into(), Err(MalformedHost)),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), Ok(())),
        (get("A: b\r\n c\r\n"), Err(MalformedField)),
        (get("A : b\r\n"), Err(MalformedField)),
        (get(": b\r\n"), Err(MalformedField)),
        (get("A\r\n"), Err(MalformedField)),
        (get("A: b\0c\r\n"), Err(MalformedField)),
        (get("Referer: http://n\u{e4}s/\r\n"), Ok(())),
        ("GET x HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET * HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET nas:80 HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET /a#b HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET /a\tb HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET https://nas/ HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        ("GET http:///a HTTP/1.1\r\nHost: nas\r\n\r\n".into(), Err(MalformedTarget)),
        (get("Content-Length: 5\r\nContent-Length: 6\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length: 5, 6\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length: 5, 5\r\n"), Ok(())),
        (get("Content-Length: +5\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length: -5\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length:\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length: 99999999999999999999\r\n"), Err(AmbiguousFraming)),
        (get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Err(AmbiguousFraming)),
        (get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Err(AmbiguousFraming)),
        (get("Transfer-Encoding: gzip, chunked\r\n"), Err(UnknownTransferCoding)),
        (get("Transfer-Encoding: xchunked\r\n"), Err(UnknownTransferCoding)),
        (get("Transfer-Encoding: Chunked\r\n"), Ok(())),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Err(AmbiguousFraming)),
    ];
    for (bytes, want) in rows {
        let shown: String = bytes.chars().take(120).collect();
        let got = read(bytes.as_bytes()).map(|head| assert!(head.is_some(), "incomplete: {shown:?}"));
        assert_eq!(got, want, "{shown:?}");
    }
}

#[test]
fn a_target_has_four_forms() {
    let rows = [
        ("GET /a?b", "nas", "/a?b"),
        ("GET http://tv:81/a?b", "tv:81", "/a?b"),
        ("GET HTTP://tv", "tv", "/"),
        ("GET http://tv?b", "tv", "/"),
        ("GET //a", "nas", "//a"),
        ("OPTIONS *", "nas", "*"),
        ("OPTIONS http://tv", "tv", "*"),
        ("CONNECT tv:443", "tv:443", "tv:443"),
    ];
    for (line, authority, target) in rows {
        let bytes = format!("{line} HTTP/1.1\r\nHost: nas\r\n\r\n");
        let head = read(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!((head.authority, head.target), (authority, target), "{line}");
    }
}

#[test]
fn a_connection_is_kept_as_the_version_and_the_field_say() {
    let rows = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: x, Close\r\n", false),
        ("HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive\r\n", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, lines, want) in rows {
        let bytes = format!("GET / {version}\r\nHost: nas\r\n{lines}\r\n");
        assert_eq!(read(bytes.as_bytes()).unwrap().unwrap().keeps_alive(), want, "{version} {lines}");
    }
}

#[test]
fn a_body_is_noticed() {
    let rows = [
        ("", false),
        ("Content-Length: 0\r\n", false),
        ("Content-Length: 1\r\n", true),
        ("Transfer-Encoding: chunked\r\n", true),
    ];
    for (lines, want) in rows {
        assert_eq!(read(get(lines).as_bytes()).unwrap().unwrap().has_body, want, "{lines}");
    }
}

#[test]
fn a_method_is_known_by_its_case() {
    for (token, known) in [("GET", true), ("HEAD", true), ("get", false), ("BREW", false)] {
        let bytes = format!("{token} / HTTP/1.1\r\nHost: nas\r\n\r\n");
        let head = read(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(!matches!(head.method, Method::NonStandard(_)), known, "{token}");
        assert_eq!(head.method.as_str(), token);
    }
}

#[test]
fn what_follows_a_head_is_left_for_the_next() {
    let bytes = [get("A: b\r\n"), get("")].concat();
    let first = HeadScan::default().advance(bytes.as_bytes()).unwrap().unwrap();
    assert_eq!(first, 0..get("A: b\r\n").len());
    assert!(read(&bytes.as_bytes()[first.end..]).unwrap().is_some());
}

/// Heads to mutate.
const SEEDS: [&str; 5] = [
    "GET /video/a%20b.mp4?download HTTP/1.1\r\nHost: nas:8000\r\nRange: bytes=0-1,5-\r\nIf-Range: \"a\"\r\n\r\n",
    "HEAD http://nas/video/a.mp4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nOrigin: http://tv\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: nas\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: nas\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
];

proptest! {
    // The same mutations in every run; `fuzz/` has others.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(9112), ..ProptestConfig::with_cases(2000) })]

    /// The outcome doesn't depend on how the bytes arrive.
    #[test]
    fn a_drip_reads_like_a_flood(
        seed in 0..SEEDS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut scan = HeadScan::default();
        let mut dripped = Ok(None);
        for cut in cuts {
            dripped = scan.advance(&bytes[..cut]);
            if !matches!(dripped, Ok(None)) {
                break;
            }
        }
        let whole = HeadScan::default().advance(&bytes);
        match (&dripped, &whole) {
            // Byte by byte, a bad request line is found before another error in a later line.
            (Err(_), Err(_)) => {}
            // Only in an incomplete head, the request line is checked before the parse.
            (Err(early), Ok(Some(head))) => prop_assert_eq!(Head::parse(&bytes[head.clone()]).err(), Some(*early)),
            _ => prop_assert_eq!(&dripped, &whole),
        }
        if let Ok(Some(head)) = whole {
            let _ = Head::parse(&bytes[head]);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = HeadScan::default().advance(&bytes);
        let _ = Head::parse(&bytes);
    }
}
