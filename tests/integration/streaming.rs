//! Files, names, ranges and connections over real sockets, byte by byte.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::time::{Duration, SystemTime};

use crate::support::{self, Client, Folder, Running, Session, film};

#[test]
fn a_film_arrives_whole_with_the_head_that_players_need() {
    let film = film(1_000_003);
    let folder = Folder::new().with("film.mp4", &film);
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        let answer = session.get("/video/film.mp4", &[]);
        assert_eq!(answer.status, 200);
        assert!(answer.body == film);
        let head = session.request("HEAD", "/video/film.mp4", &[("Range", "bytes=0-0")]);
        for (name, want) in [
            ("content-length", "1000003"),
            ("content-type", "video/mp4"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-encoding", ""),
        ] {
            assert_eq!(answer.field(name).unwrap_or(""), want, "{name}");
        }
        assert!(answer.field("etag").unwrap().starts_with('"'), "a strong validator");
        assert!(answer.field("last-modified").is_some() && answer.field("date").is_some());
        let without_date = |fields: &[(String, String)]| -> Vec<_> {
            fields.iter().filter(|(name, _)| name != "Date").cloned().collect()
        };
        assert_eq!(without_date(&head.fields), without_date(&answer.fields), "HEAD has the fields of GET");
    });
}

#[test]
fn a_range_is_the_bytes_asked_for() {
    let film = film(10_000);
    let folder = Folder::new().with("film.mp4", &film).with("empty.mp4", "");
    let server = Running::over(&folder);
    let rows: [(&str, u16, &str, &[u8]); 12] = [
        ("bytes=0-1", 206, "bytes 0-1/10000", &film[..2]),
        ("bytes=0-0", 206, "bytes 0-0/10000", &film[..1]),
        ("bytes=0-", 206, "bytes 0-9999/10000", &film),
        ("bytes=4095-4096", 206, "bytes 4095-4096/10000", &film[4095..4097]),
        ("bytes=4096-8192", 206, "bytes 4096-8192/10000", &film[4096..8193]),
        ("bytes=9999-", 206, "bytes 9999-9999/10000", &film[9999..]),
        ("bytes=9000-20000", 206, "bytes 9000-9999/10000", &film[9000..]),
        ("bytes=-500", 206, "bytes 9500-9999/10000", &film[9500..]),
        ("bytes=-20000", 206, "bytes 0-9999/10000", &film),
        ("bytes=5-2", 200, "", &film),
        ("seconds=1-2", 200, "", &film),
        ("bytes=0-x", 200, "", &film),
    ];
    Session::both(server.address, |session| {
        for (range, status, content_range, body) in rows {
            let answer = session.get("/video/film.mp4", &[("Range", range)]);
            assert_eq!(answer.status, status, "{range}");
            assert_eq!(answer.field("content-range").unwrap_or(""), content_range, "{range}");
            assert_eq!(answer.field("content-length").unwrap(), body.len().to_string(), "{range}");
            assert!(answer.body == body, "{range}");
        }
        for range in ["bytes=10000-", "bytes=999999999-", "bytes=-0"] {
            let answer = session.get("/video/film.mp4", &[("Range", range)]);
            assert_eq!((answer.status, answer.field("content-range")), (416, Some("bytes */10000")), "{range}");
        }
        assert_eq!(session.get("/video/empty.mp4", &[("Range", "bytes=0-")]).status, 200);
    });
}

#[test]
fn a_sparse_film_of_five_gib_is_right_around_four_gib() {
    let folder = Folder::new().with("big.mkv", "");
    let size = 5 << 30;
    let film = File::options().write(true).open(folder.file("big.mkv")).unwrap();
    film.set_len(size).unwrap();
    for at in [2 << 30, 4 << 30] {
        film.write_all_at(b"abcdef", at - 3).unwrap();
    }
    film.write_all_at(b"xyz", size - 3).unwrap();
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        let length = session.request("HEAD", "/video/big.mkv", &[]);
        assert_eq!(length.field("content-length"), Some("5368709120"));
        for (middle, want) in [(2_u64 << 30, b"abcdef"), (4 << 30, b"abcdef")] {
            for shift in 0..6 {
                let (first, last) = (middle - 3 + shift, middle + 2);
                let answer = session.get("/video/big.mkv", &[("Range", &format!("bytes={first}-{last}"))]);
                assert_eq!(answer.body, &want[shift as usize..], "{first}");
            }
        }
        assert_eq!(session.get("/video/big.mkv", &[("Range", "bytes=-3")]).body, b"xyz");
        assert_eq!(session.get("/video/big.mkv", &[("Range", "bytes=5368709120-")]).status, 416);
    });
    // A stream that starts before 4 GiB and crosses it.
    let start = (4_u64 << 30) - 1_000_000;
    let range = format!("bytes={start}-{}", start + 1_999_999);
    let answer = Client::connect(server.address).request("GET", "/video/big.mkv", &[("Range", &range)]);
    assert_eq!(&answer.body[999_997..1_000_003], b"abcdef");
    assert_eq!(answer.body.iter().filter(|&&b| b != 0).count(), 6);
}

#[test]
fn names_are_decoded_once_and_stay_in_the_folder() {
    let names: [&[u8]; 10] = [
        b"season 1/e01.mp4",
        b"it's \"quoted\".mp4",
        b"100%.mp4",
        b"%41.mp4",
        b"what?.mp4",
        b"a#b&c=d+e.mp4",
        "\u{65e5}\u{672c}\u{8a9e} \u{e9}.mp4".as_bytes(),
        b"back\\slash.mp4",
        b"\xff\xfe\x80.mp4",
        b"new\nline.mp4",
    ];
    let mut folder = Folder::new().with(".hidden.mp4", "x").with("d/.h/x.mp4", "x");
    for name in names {
        folder = folder.with(OsStr::from_bytes(name), name);
    }
    let outside = Folder::new().with("secret.mp4", "secret");
    symlink(outside.path(), folder.file("out")).unwrap();
    symlink(outside.file("secret.mp4"), folder.file("out.mp4")).unwrap();
    symlink("season 1/e01.mp4", folder.file("in.mp4")).unwrap();
    let fifo = folder.file("fifo.mp4");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        for name in names {
            // Every byte as %XX, and as players encode it.
            let all: String = name.iter().map(|b| format!("%{b:02x}")).collect();
            let usual: String = name
                .iter()
                .map(|&b| match b {
                    b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' => char::from(b).to_string(),
                    _ => format!("%{b:02X}"),
                })
                .collect();
            for target in [all, usual] {
                let answer = session.get(&format!("/video/{target}"), &[]);
                assert_eq!((answer.status, &answer.body[..]), (200, name), "{target}");
            }
        }
        assert_eq!(session.get("/video/in.mp4", &[]).body, b"season 1/e01.mp4");
        for target in [
            "/video/",
            "/video",
            "/video/none.mp4",
            "/video/season%201",
            "/video/season%201/",
            "/video/in.mp4/",
            "/video//in.mp4",
            "/video/./in.mp4",
            "/video/d/../in.mp4",
            "/video/..%2f..%2fetc%2fpasswd",
            "/video/%2e%2e/secret.mp4",
            "/video//etc/passwd",
            "/video/in.mp4%00",
            "/video/.hidden.mp4",
            "/video/d/.h/x.mp4",
            "/video/out.mp4",
            "/video/out/secret.mp4",
            "/video/fifo.mp4",
            "/video/%2541.mp4x",
            "/VIDEO/in.mp4",
            "/nothing",
        ] {
            let answer = session.get(target, &[]);
            assert_eq!(answer.status, 404, "{target}");
            assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"), "{target}");
            assert!(!answer.text().contains("os error") && answer.text().ends_with(".\n"), "{}", answer.text());
        }
        for target in ["/video/%", "/video/%4", "/video/%zz.mp4"] {
            assert_eq!(session.get(target, &[]).status, 400, "{target}");
        }
    });
}

#[test]
fn a_film_of_any_date_is_served() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    let rows = [
        (SystemTime::UNIX_EPOCH - day * 36_500, false),
        (SystemTime::UNIX_EPOCH - Duration::from_nanos(1), false),
        (SystemTime::UNIX_EPOCH, true),
        (now - day, true),
        (now + day, false),
        (now + day * 36_500, false),
    ];
    for (modified, shown) in rows {
        File::options().append(true).open(folder.file("film.mp4")).unwrap().set_modified(modified).unwrap();
        Session::both(server.address, |session| {
            let answer = session.get("/video/film.mp4", &[]);
            assert_eq!((answer.status, answer.field("last-modified").is_some()), (200, shown), "{modified:?}");
            let tag = answer.field("etag").unwrap().to_owned();
            assert_eq!(session.get("/video/film.mp4", &[("If-None-Match", &tag)]).status, 304, "{modified:?}");
        });
    }
}

#[test]
fn thirty_two_clients_at_once_all_get_every_byte() {
    let film = film(3_000_001);
    let folder = Folder::new().with("film.mp4", &film);
    let server = Running::over(&folder);
    std::thread::scope(|scope| {
        for client in 0..32 {
            let (film, address) = (&film, server.address);
            scope.spawn(move || {
                let start = client * 1000;
                let range = format!("bytes={start}-");
                let answer = Client::connect(address).request("GET", "/video/film.mp4", &[("Range", &range)]);
                assert!(answer.body == film[start..]);
            });
        }
    });
}

#[test]
fn every_chunk_size_and_sendfile_send_the_same_bytes() {
    let film = film(100_000);
    let folder = Folder::new().with("film.mp4", &film);
    for (chunk_size, sendfile) in
        [(1, false), (1000, false), (4096, false), (65_536, false), (16 << 20, false), (1, true), (4096, true)]
    {
        let server = Running::with(&folder, |config| {
            config.chunk_size = chunk_size;
            config.sendfile = sendfile;
        });
        Session::both(server.address, |session| {
            let shown = format!("{chunk_size} {sendfile}");
            assert!(session.get("/video/film.mp4", &[("Range", "bytes=1-")]).body == film[1..], "{shown}");
            assert_eq!(session.get("/video/film.mp4", &[("Range", "bytes=9-9")]).body, film[9..10], "{shown}");
            let parts = session.get("/video/film.mp4", &[("Range", "bytes=5-50004,70000-")]);
            assert_eq!(parts.status, 206, "{shown}");
            for part in [&film[5..50_005], &film[70_000..]] {
                assert!(parts.body.windows(part.len()).any(|window| window == part), "{shown}");
            }
        });
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let folder = Folder::new().with("a.mp4", "first").with("b.mp4", "second");
    let server = Running::over(&folder);
    let mut client = Client::connect(server.address);
    client.send(
        "GET /video/a.mp4 HTTP/1.1\r\nHost: nas\r\n\r\nHEAD /video/b.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n\
         GET /none HTTP/1.1\r\nHost: nas\r\n\r\nGET /video/b.mp4 HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(client.read("GET").body, b"first");
    assert_eq!(client.read("HEAD").field("content-length"), Some("6"));
    assert_eq!(client.read("GET").status, 404);
    assert_eq!(client.read("GET").body, b"second");
    assert!(client.is_closed());
}

#[test]
fn http_1_0_is_supported() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let mut client = Client::connect(server.address);
    client.send("GET /video/film.mp4 HTTP/1.0\r\n\r\n");
    let answer = client.read("GET");
    assert_eq!((answer.field("connection"), &answer.body[..]), (Some("close"), &b"film"[..]));
    assert!(client.is_closed());
    let mut client = Client::connect(server.address);
    for _ in 0..2 {
        client.send("GET /video/film.mp4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.read("GET");
        assert_eq!((answer.field("connection"), &answer.body[..]), (Some("keep-alive"), &b"film"[..]));
    }
}

#[test]
fn a_client_that_shuts_its_write_side_down_gets_its_film() {
    let film = film(3_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let server = Running::over(&folder);
    let mut client = Client::requesting(server.address, "/video/film.mp4");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.read("GET").body == film);
    assert!(client.is_closed());
}

#[test]
fn health_is_ok() {
    let folder = Folder::new();
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        let answer = session.get("/health", &[]);
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        assert_eq!(session.request("HEAD", "/health", &[]).status, 200);
    });
}

#[test]
fn a_running_response_is_completed_when_the_server_stops() {
    let film = film(30_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let server = Running::with(&folder, |config| config.idle_timeout = Duration::from_secs(3600));
    let mut idle = Client::connect(server.address);
    assert_eq!(idle.ask("/health").status, 200);
    let mut client = Client::requesting(server.address, "/video/film.mp4");
    let mut begun = [0; 1];
    client.stream.read_exact(&mut begun).unwrap();
    let address = server.address;
    let stopping = std::thread::spawn(move || server.stop());
    assert!(idle.is_closed(), "an idle connection ends at once");
    support::eventually("the listener is closed", || std::net::TcpStream::connect(address).is_err());
    let rest = client.read_rest();
    assert!(rest.ends_with(&film[film.len() - 1000..]) && rest.len() > film.len());
    assert_eq!(stopping.join().unwrap().aborted, 0);
}

#[test]
fn a_response_that_outlasts_the_drain_timeout_is_aborted() {
    let folder = Folder::new().with("film.mp4", film(30_000_000));
    let server = Running::with(&folder, |config| config.drain_timeout = Duration::from_millis(100));
    let mut client = Client::requesting(server.address, "/video/film.mp4");
    client.stream.read_exact(&mut [0; 1]).unwrap();
    assert_eq!(server.stop().aborted, 1);
    assert!(client.read_rest().len() < 30_000_000);
}

#[test]
fn files_that_a_browser_would_run_are_sandboxed() {
    let folder = Folder::new().with("page.html", "<script>").with("image.svg", "<svg/>").with("film.mp4", "");
    let server = Running::over(&folder);
    Session::both(server.address, |session| {
        for (name, want) in [("page.html", Some("sandbox")), ("image.svg", Some("sandbox")), ("film.mp4", None)] {
            let answer = session.get(&format!("/video/{name}"), &[]);
            assert_eq!(answer.field("content-security-policy"), want, "{name}");
        }
    });
}
