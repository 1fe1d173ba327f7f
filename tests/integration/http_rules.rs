//! RFC 9110 and 9112: a row for each rule that players and caches rely on. Each request is sent over a new connection,
//! and again over one persistent connection.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::support::{Answer, Client, Folder, Running, Session, film};

/// A rule: section, request, status, and fields that the response has (`name`, `name: value`) or lacks (`!name`).
type Rule<'r> = (&'r str, &'r str, &'r str, &'r [(&'r str, &'r str)], u16, &'r [&'r str]);

fn check(rule: &Rule<'_>, answer: &Answer) {
    let (section, method, target, fields, status, expected) = rule;
    let shown = format!("{section}: {method} {target} {fields:?}");
    assert_eq!(answer.status, *status, "{shown}: {answer:?}");
    for want in *expected {
        match (want.strip_prefix('!'), want.split_once(": ")) {
            (Some(absent), _) => assert_eq!(answer.field(absent), None, "{shown}: {absent}"),
            (None, Some((name, value))) => assert_eq!(answer.field(name), Some(value), "{shown}: {name}"),
            (None, None) => assert!(answer.field(want).is_some(), "{shown}: {want}"),
        }
    }
    assert_eq!(answer.field("content-encoding"), None, "{shown}");
    assert!(answer.field("date").is_some(), "{shown}");
}

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

#[test]
fn responses_follow_the_rules_of_rfc_9110_and_9112() {
    let folder = Folder::new().with("film.mp4", film(10_000)).with("empty.mp4", "").with("page.html", "<p>");
    let modified = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 123_456_789);
    for name in ["film.mp4", "empty.mp4", "page.html"] {
        File::options().append(true).open(folder.file(name)).unwrap().set_modified(modified).unwrap();
    }
    let server = Running::over(&folder);
    let tag = "\"2710-ae1b981c3a4d715\"";
    let etag = format!("ETag: {tag}");
    let weak = format!("W/{tag}");
    let tags = format!("\"x,y\", {weak}, \"z\"");
    let last_modified = format!("Last-Modified: {MODIFIED}");
    let (etag, last_modified) = (etag.as_str(), last_modified.as_str());
    let film = "/video/film.mp4";
    let seventeen = (0..17).map(|i| format!("{0}-{0}", i * 2)).collect::<Vec<_>>().join(",");
    let seventeen = format!("bytes={seventeen}");
    let validators = [etag, last_modified, "Cache-Control: no-cache"];
    let whole = ["Content-Length: 10000", "Accept-Ranges: bytes", "Content-Type: video/mp4", "!Content-Range", etag];
    let unsatisfiable = ["Content-Range: bytes */10000", "!ETag"];
    let rules: &[Rule<'_>] = &[
        // RFC 9110 §8: representation and validator fields
        ("§8.3 type", "GET", film, &[], 200, &whole),
        ("§8.6 length", "HEAD", film, &[], 200, &whole),
        ("§8.6 length of an empty file", "GET", "/video/empty.mp4", &[], 200, &["Content-Length: 0"]),
        ("§8.8.2 §8.8.3 validators", "GET", film, &[], 200, &validators),
        ("§8.4 no coding", "GET", film, &[("Accept-Encoding", "gzip, br")], 200, &["!Content-Encoding", "!Vary"]),
        // §9: methods
        ("§9.3.2 HEAD", "HEAD", "/video/none", &[], 404, &["Content-Length: 24"]),
        ("§9.3.7 OPTIONS", "OPTIONS", film, &[], 204, &["Allow: GET, HEAD, OPTIONS", "!Content-Length"]),
        ("§9.3.7 OPTIONS *", "OPTIONS", "*", &[], 204, &["Allow: GET, HEAD, OPTIONS"]),
        ("§15.5.6 POST", "POST", film, &[], 405, &["Allow: GET, HEAD, OPTIONS"]),
        ("§15.5.6 PUT", "PUT", film, &[], 405, &["Allow"]),
        ("§15.5.6 DELETE", "DELETE", film, &[], 405, &["Allow"]),
        ("§15.5.6 PATCH", "PATCH", film, &[], 405, &["Allow"]),
        ("§15.5.6 TRACE", "TRACE", film, &[], 405, &["Allow"]),
        ("§15.6.2 unknown", "PROPFIND", film, &[], 501, &["!Allow"]),
        ("§9.1 case counts", "get", film, &[], 501, &[]),
        // RFC 9112 §3.2: target forms
        ("§3.2.2 absolute-form", "GET", "http://other/video/film.mp4", &[], 200, &whole),
        ("§3.2 query", "GET", "/video/film.mp4?x=%zz&y", &[], 200, &whole),
        ("§15.5.5", "GET", "/video/", &[], 404, &["Cache-Control: no-store"]),
        // RFC 9110 §14: ranges
        ("§14.1.2", "GET", film, &[("Range", "bytes=0-0")], 206, &["Content-Range: bytes 0-0/10000"]),
        ("§14.1.2", "GET", film, &[("Range", "bytes=0-1")], 206, &["Content-Length: 2", "Content-Type: video/mp4"]),
        ("§14.1.2 open", "GET", film, &[("Range", "bytes=9990-")], 206, &["Content-Length: 10"]),
        ("§14.1.2 all", "GET", film, &[("Range", "bytes=0-")], 206, &["Content-Range: bytes 0-9999/10000"]),
        ("§14.1.2 suffix", "GET", film, &[("Range", "bytes=-5")], 206, &["Content-Range: bytes 9995-9999/10000"]),
        ("§14.1.2 long", "GET", film, &[("Range", "bytes=-99999")], 206, &["Content-Range: bytes 0-9999/10000"]),
        ("§14.1.2 clamp", "GET", film, &[("Range", "bytes=1-99999")], 206, &["Content-Range: bytes 1-9999/10000"]),
        ("§14.1 unit's case", "GET", film, &[("Range", "BYTES=0-0")], 206, &[]),
        ("§15.3.7 fields", "GET", film, &[("Range", "bytes=0-0")], 206, &validators),
        ("§14.2 HEAD", "HEAD", film, &[("Range", "bytes=0-0")], 200, &whole),
        ("§14.2 HEAD", "HEAD", film, &[("Range", "bytes=10000-")], 200, &whole),
        ("§14.2 unknown unit", "GET", film, &[("Range", "frames=0-0")], 200, &whole),
        ("§14.2 malformed", "GET", film, &[("Range", "bytes=1-0")], 200, &whole),
        ("§14.2 malformed", "GET", film, &[("Range", "bytes=a-b")], 200, &whole),
        ("§14.2 malformed", "GET", film, &[("Range", "bytes=")], 200, &whole),
        ("§14.2 twice", "GET", film, &[("Range", "bytes=0-0"), ("Range", "bytes=1-1")], 200, &whole),
        ("§14.2 too many", "GET", film, &[("Range", &seventeen)], 200, &whole),
        ("§15.5.17", "GET", film, &[("Range", "bytes=10000-")], 416, &unsatisfiable),
        ("§15.5.17", "GET", film, &[("Range", "bytes=-0")], 416, &unsatisfiable),
        ("§15.5.17", "GET", film, &[("Range", "bytes=99999999999999999999-")], 416, &unsatisfiable),
        ("§14.2 empty", "GET", "/video/empty.mp4", &[("Range", "bytes=0-")], 200, &["Content-Length: 0"]),
        ("§15.3.7.2 one remains", "GET", film, &[("Range", "bytes=0-4,5-9")], 206, &["Content-Range: bytes 0-9/10000"]),
        ("§15.3.7.2 several", "GET", film, &[("Range", "bytes=0-0,9-9")], 206, &["!Content-Range", etag]),
        // §13: preconditions
        ("§13.1.1", "GET", film, &[("If-Match", "*")], 200, &whole),
        ("§13.1.1", "GET", film, &[("If-Match", tag)], 200, &whole),
        ("§13.1.1 weak", "GET", film, &[("If-Match", &weak)], 412, &["!ETag"]),
        ("§13.1.1", "GET", film, &[("If-Match", "\"x\"")], 412, &[]),
        ("§13.1.1", "HEAD", film, &[("If-Match", "\"x\"")], 412, &["Content-Length: 48"]),
        ("§13.1.4", "GET", film, &[("If-Unmodified-Since", EARLIER)], 412, &[]),
        ("§13.1.4", "GET", film, &[("If-Unmodified-Since", MODIFIED)], 200, &whole),
        ("§13.1.4 no date", "GET", film, &[("If-Unmodified-Since", "1994")], 200, &whole),
        ("§13.1.4 behind If-Match", "GET", film, &[("If-Match", tag), ("If-Unmodified-Since", EARLIER)], 200, &whole),
        ("§13.1.2", "GET", film, &[("If-None-Match", "*")], 304, &validators),
        ("§13.1.2", "GET", film, &[("If-None-Match", tag)], 304, &validators),
        ("§13.1.2 weak", "GET", film, &[("If-None-Match", &weak)], 304, &["!Content-Length", "!Content-Type"]),
        ("§13.1.2 list", "GET", film, &[("If-None-Match", &tags)], 304, &[]),
        ("§13.1.2 lines", "GET", film, &[("If-None-Match", "\"x\""), ("If-None-Match", tag)], 304, &[]),
        ("§13.1.2 HEAD", "HEAD", film, &[("If-None-Match", tag)], 304, &validators),
        ("§13.1.2", "GET", film, &[("If-None-Match", "\"x\"")], 200, &whole),
        ("§13.1.3", "GET", film, &[("If-Modified-Since", MODIFIED)], 304, &validators),
        ("§13.1.3", "GET", film, &[("If-Modified-Since", LATER)], 304, &[]),
        ("§13.1.3", "GET", film, &[("If-Modified-Since", EARLIER)], 200, &whole),
        ("§5.6.7 RFC 850", "GET", film, &[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], 304, &[]),
        ("§5.6.7 asctime", "GET", film, &[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], 304, &[]),
        ("§13.1.3 no date", "GET", film, &[("If-Modified-Since", "now")], 200, &whole),
        (
            "§13.1.3 behind If-None-Match",
            "GET",
            film,
            &[("If-None-Match", "\"x\""), ("If-Modified-Since", LATER)],
            200,
            &whole,
        ),
        ("§13.2.2 412 first", "GET", film, &[("If-Match", "\"x\""), ("If-None-Match", tag)], 412, &[]),
        ("§13.2.2 304 before 206", "GET", film, &[("If-None-Match", tag), ("Range", "bytes=0-0")], 304, &[]),
        ("§13.2.2 412 before 416", "GET", film, &[("If-Match", "\"x\""), ("Range", "bytes=10000-")], 412, &[]),
        ("§13.2.1 only successful responses", "GET", "/video/none", &[("If-None-Match", "*")], 404, &[]),
        ("§13.1.5 tag", "GET", film, &[("If-Range", tag), ("Range", "bytes=0-0")], 206, &[]),
        ("§13.1.5 weak", "GET", film, &[("If-Range", &weak), ("Range", "bytes=0-0")], 200, &whole),
        ("§13.1.5 other", "GET", film, &[("If-Range", "\"x\""), ("Range", "bytes=0-0")], 200, &whole),
        ("§13.1.5 other", "GET", film, &[("If-Range", "\"x\""), ("Range", "bytes=10000-")], 200, &whole),
        ("§13.1.5 date", "GET", film, &[("If-Range", MODIFIED), ("Range", "bytes=0-0")], 206, &[]),
        ("§13.1.5 date", "GET", film, &[("If-Range", LATER), ("Range", "bytes=0-0")], 200, &whole),
        ("§13.1.5 alone", "GET", film, &[("If-Range", tag)], 200, &whole),
        // RFC 6266 and 8187, and the restrictions of HTML files in the folder
        (
            "RFC 6266",
            "GET",
            "/video/film.mp4?download",
            &[],
            200,
            &["Content-Disposition: attachment; filename=\"film.mp4\"; filename*=UTF-8''film.mp4"],
        ),
        ("RFC 6266", "HEAD", "/video/film.mp4?download=1", &[], 200, &["Content-Disposition"]),
        ("RFC 6266", "GET", film, &[], 200, &["!Content-Disposition"]),
        (
            "nosniff, sandbox",
            "GET",
            "/video/page.html",
            &[],
            200,
            &[
                "X-Content-Type-Options: nosniff",
                "Content-Security-Policy: sandbox",
                "Content-Type: text/html; charset=utf-8",
            ],
        ),
        (
            "sandbox of a part",
            "GET",
            "/video/page.html",
            &[("Range", "bytes=0-0")],
            206,
            &["Content-Security-Policy: sandbox"],
        ),
        (
            "no CORS unless asked",
            "GET",
            film,
            &[("Origin", "http://tv")],
            200,
            &["!Access-Control-Allow-Origin", "!Vary"],
        ),
        // RFC 9112 §9: a failed request keeps the connection, as the second mode shows
        ("400 of a path", "GET", "/video/%zz", &[], 400, &["Content-Type: text/plain; charset=utf-8"]),
        ("§9.3 persistence", "GET", "/health", &[], 200, &["Content-Length: 2"]),
    ];
    let count = std::cell::Cell::new(0);
    Session::both(server.address, |session| {
        for rule in rules {
            check(rule, &session.request(rule.1, rule.2, rule.3));
            count.set(count.get() + 1);
        }
    });
    let _ = writeln!(std::io::stderr(), "{} rules, each checked in both modes: {} responses", rules.len(), count.get());
}

#[test]
fn parts_are_delimited_as_rfc_9110_specifies() {
    let film = film(10_000);
    let folder = Folder::new().with("film.mp4", &film);
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        let ranges = [(9000, 9999), (0, 0), (4000, 4999)];
        let answer = session.get("/video/film.mp4", &[("Range", "bytes=9000-,0-0,4000-4499,4500-4999")]);
        assert_eq!(answer.status, 206);
        let boundary = answer.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
        let mut want: Vec<u8> = Vec::new();
        for (at, (first, last)) in ranges.into_iter().enumerate() {
            let line_end = if at == 0 { "" } else { "\r\n" };
            let fields = format!("Content-Type: video/mp4\r\nContent-Range: bytes {first}-{last}/10000\r\n\r\n");
            want.extend(format!("{line_end}--{boundary}\r\n{fields}").as_bytes());
            want.extend(&film[first..=last]);
        }
        want.extend(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(answer.body == want);
    });
}

#[test]
fn five_hundred_ranges_of_a_large_film_cost_no_more_than_one() {
    let folder = Folder::new().with("big.mkv", "");
    File::options().write(true).open(folder.file("big.mkv")).unwrap().set_len(5 << 30).unwrap();
    let server = Running::over(&folder);
    let ranges =
        |count: u64| format!("bytes={}", (0..count).map(|i| format!("{0}-{0}", i * 2)).collect::<Vec<_>>().join(","));
    let mut client = Client::connect(server.address);
    client.send_request("GET", "/video/big.mkv", &[("Range", &ranges(500))]);
    let head = client.read_head().unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, Some("5368709120")));
    let refused = Client::connect(server.address).request("GET", "/video/big.mkv", &[("Range", &ranges(2000))]);
    assert_eq!(refused.status, 431);
}

#[test]
fn http_1_above_1_1_is_served_as_1_1() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let mut client = Client::connect(server.address);
    for _ in 0..2 {
        client.send("GET /video/film.mp4 HTTP/1.2\r\nHost: nas\r\n\r\n");
        assert_eq!(client.read("GET").body, b"film");
    }
}

#[test]
fn a_refused_head_request_has_the_head_of_get() {
    let folder = Folder::new();
    let server = Running::over(&folder);
    for line in ["/ HTTP/1.1\r\n\r\n", "/ HTTP/2.0\r\nHost: nas\r\n\r\n", "x HTTP/1.1\r\nHost: nas\r\n\r\n"] {
        let ask = |method: &str| {
            let mut client = Client::connect(server.address);
            client.send(format!("{method} {line}"));
            let answer = client.read(method);
            assert!(client.is_closed(), "{method} {line}");
            answer
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert!(head.body.is_empty() && !get.body.is_empty());
        assert_eq!((get.status, get.field("content-length")), (head.status, head.field("content-length")), "{line}");
    }
}

#[test]
fn an_allowed_origin_may_read_responses() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::with(&folder, |config| config.cors = Some("http://tv.local".parse().unwrap()));
    let origin = ("Origin", "http://tv.local");
    let film = "/video/film.mp4";
    let exposed = "Access-Control-Expose-Headers: Content-Range, Content-Length, Accept-Ranges, ETag";
    let allowed = "Access-Control-Allow-Origin: http://tv.local";
    let rules: &[Rule<'_>] = &[
        ("Fetch §3.2", "GET", film, &[origin], 200, &[allowed, exposed, "Vary: Origin"]),
        ("Fetch §3.2", "GET", film, &[origin, ("Range", "bytes=0-0")], 206, &[allowed, exposed]),
        ("Fetch §3.2", "GET", "/none", &[origin], 404, &[allowed]),
        ("Fetch §3.2", "GET", film, &[("Origin", "http://x")], 200, &["!Access-Control-Allow-Origin", "Vary: Origin"]),
        (
            "Fetch §3.2.2",
            "OPTIONS",
            film,
            &[origin, ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "range")],
            204,
            &[
                allowed,
                "Access-Control-Allow-Methods: GET, HEAD, OPTIONS",
                "Access-Control-Allow-Headers",
                "Vary: Origin",
            ],
        ),
    ];
    Session::both(server.address, |session| {
        for rule in rules {
            check(rule, &session.request(rule.1, rule.2, rule.3));
        }
    });
}

#[test]
fn the_etag_changes_only_with_the_content() {
    let folder = Folder::new().with("film.mp4", "one");
    let tag = |server: &Running| Client::get(server.address, "/video/film.mp4").field("etag").unwrap().to_owned();
    let server = Running::over(&folder);
    let first = tag(&server);
    drop(server);
    let server = Running::over(&folder);
    assert_eq!(tag(&server), first, "after a restart");
    let metadata = folder.file("film.mp4").metadata().unwrap();
    // The same size within the same second.
    std::fs::write(folder.file("film.mp4"), "two").unwrap();
    let modified = metadata.modified().unwrap() + Duration::from_nanos(1);
    File::options().append(true).open(folder.file("film.mp4")).unwrap().set_modified(modified).unwrap();
    assert_ne!(tag(&server), first);
}

#[test]
fn links_out_of_the_folder_are_served_if_configured() {
    let outside = Folder::new().with("film.mp4", "outside");
    let folder = Folder::new();
    std::os::unix::fs::symlink(outside.path(), folder.file("drive")).unwrap();
    for (follow_symlinks, status) in [(false, 404), (true, 200)] {
        let server = Running::with(&folder, |config| config.follow_symlinks = follow_symlinks);
        Session::both(server.address, |session| {
            assert_eq!(session.get("/video/drive/film.mp4", &[]).status, status);
            assert_eq!(session.get("/video/drive/../x", &[]).status, 404);
        });
    }
}
