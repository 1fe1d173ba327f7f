//! Made answers: one look and one copy for all who ask for the same, and nothing new for those who have it.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Folder, PATIENCE, Program, Running, eventually};

#[test]
fn a_page_that_did_not_change_is_304_and_one_that_did_is_sent() {
    let folder = Folder::new().with("a.mp4", "film").with("show/b.mp4", "film");
    let server = Running::over(&folder);
    let ask = |method: &str, target: &str, fields: &str| {
        let mut client = Client::connect(server.address);
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: nas\r\n{fields}\r\n"));
        client.read(method)
    };
    let etag = |answer: &Answer| answer.field("etag").unwrap().to_owned();
    let targets = ["/", "/?path=show", "/watch/a.mp4", "/api/videos", "/playlist.m3u", "/playlist.m3u?path=a.mp4"];
    let first: Vec<_> = targets.map(|target| ask("GET", target, "")).into();
    for (target, whole) in targets.iter().zip(&first) {
        assert_eq!((whole.status, whole.field("cache-control")), (200, Some("no-cache")), "{target}");
        let tag = etag(whole);
        assert!(tag.starts_with('"'), "{tag} is strong");
        let again = ask("GET", target, &format!("If-None-Match: \"x\", W/{tag}\r\n"));
        assert_eq!((again.status, again.body.len(), etag(&again)), (304, 0, tag.clone()), "{target}");
        let head = ask("HEAD", target, "");
        assert_eq!((head.status, etag(&head)), (200, tag.clone()), "{target}");
        assert_eq!(head.field("content-length"), Some(whole.body.len().to_string().as_str()), "{target}");
        assert_eq!(ask("GET", target, "If-None-Match: \"x\"\r\n").body, whole.body, "{target}");
        assert_eq!(ask("GET", target, "If-Match: \"x\"\r\n").status, 412, "{target}");
    }
    // Another host has other addresses, and so another tag.
    let mut client = Client::connect(server.address);
    client.send("GET /playlist.m3u HTTP/1.1\r\nHost: other\r\n\r\n");
    let other = client.read("GET");
    assert!(other.text().contains("http://other/video/a.mp4") && etag(&other) != etag(&first[4]));
    // In the library's own folder a change is seen at once; in one below it within a second.
    fs::write(folder.file("c.mp4"), "film").unwrap();
    for (target, before) in targets.iter().zip(&first).filter(|(target, _)| !target.contains("path")) {
        let now = ask("GET", target, &format!("If-None-Match: {}\r\n", etag(before)));
        assert_eq!(now.status, 200, "{target}");
        assert!(now.text().contains("c.mp4"), "{target}");
    }
    fs::write(folder.file("show/d.mp4"), "film").unwrap();
    eventually("it is listed", || ask("GET", "/?path=show", "").text().contains("/watch/show/d.mp4"));
}

/// Requests whose clients don't read. When this returns, each has a bit of its answer.
fn unread(address: SocketAddr, requests: impl IntoIterator<Item = String>) -> Vec<TcpStream> {
    let clients: Vec<TcpStream> = requests
        .into_iter()
        .map(|request| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    for stream in &clients {
        assert_eq!(stream.peek(&mut [0; 1]).unwrap(), 1);
    }
    clients
}

fn get(target: &str, host: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn films(number: usize) -> Folder {
    let folder = Folder::new();
    for number in 0..number {
        fs::File::create(folder.file(format!("Some Show S01E{number:05} The Title of the Episode.mp4"))).unwrap();
    }
    folder
}

/// The memory in KiB that `clients` cost at most.
fn peak_above(program: &Program, before: u64) -> u64 {
    program.status("VmHWM").saturating_sub(before)
}

#[test]
fn clients_that_do_not_read_share_one_copy() {
    let folder = films(5000);
    let program = Program::start(folder.path(), &[]);
    let health = || {
        let started = Instant::now();
        assert_eq!(Client::get(program.address, "/health").status, 200);
        started.elapsed()
    };
    health();
    let before = program.status("VmHWM");
    let target = |number| if number % 5 == 0 { "/" } else { "/api/videos" };
    let clients = unread(program.address, (0..200).map(|number| get(target(number), "nas")));
    let mut times: Vec<Duration> = (0..100).map(|_| health()).collect();
    times.sort();
    // Every copy would be above a MiB.
    let peak = peak_above(&program, before);
    assert!(peak < 64 * 1024, "{peak} KiB for {} clients", clients.len());
    assert!(times[98] < Duration::from_millis(50), "{times:?}");
}

#[test]
fn clients_that_do_not_read_share_one_copy_of_converted_subtitles() {
    let cues = "1\n00:00:01,000 --> 00:00:02,000\nA line of text\n\n".repeat(100_000);
    let folder = Folder::new().with("large.srt", cues);
    let program = Program::start(folder.path(), &[]);
    let before = program.status("VmHWM");
    let clients = unread(program.address, (0..100).map(|_| get("/subtitles/large.vtt", "nas")));
    // Every copy would be above 4 MiB.
    let peak = peak_above(&program, before);
    assert!(peak < 64 * 1024, "{peak} KiB for {} clients", clients.len());
}

/// The Host field of a request is in the URLs of its playlist.
#[test]
fn clients_with_different_hosts_share_one_playlist_and_keep_nobody_waiting() {
    let folder = films(3000).with("film.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let program = Program::start(folder.path(), &[]);
    let ask = || {
        let started = Instant::now();
        for target in ["/", "/api/videos", "/playlist.m3u", "/subtitles/film.vtt"] {
            assert_eq!(Client::get(program.address, target).status, 200, "{target}");
        }
        started.elapsed()
    };
    let alone = ask();
    let before = program.status("VmHWM");
    let host = |number: usize| format!("{number}{}", "a".repeat(250));
    let clients = unread(program.address, (0..200).map(|number| get("/playlist.m3u", &host(number))));
    let beside_them = ask();
    assert!(beside_them < 5 * alone + Duration::from_secs(5), "{beside_them:?}, and {alone:?} alone");
    // With a host of 250 bytes a playlist has a MB.
    let peak = peak_above(&program, before);
    assert!(peak < 96 * 1024, "{peak} KiB for {} clients", clients.len());
}

#[test]
fn the_page_and_the_playlist_of_one_film_are_small_whatever_its_subtitles() {
    let folder = Folder::new().with("film.mp4", "film");
    for number in 0..20_000 {
        fs::File::create(folder.file(format!("film.en.{number:05}.srt"))).unwrap();
    }
    let program = Program::start(folder.path(), &[]);
    let page = Client::get(program.address, "/watch/film.mp4");
    assert_eq!(page.text().matches("<track").count(), 64);
    let before = program.status("VmHWM");
    let target = |number| if number % 2 == 0 { "/watch/film.mp4" } else { "/playlist.m3u?path=film.mp4" };
    let clients = unread(program.address, (0..200).map(|number| get(target(number), "nas")));
    let peak = peak_above(&program, before);
    assert!(peak < 64 * 1024, "{peak} KiB for {} clients", clients.len());
}

#[test]
fn clients_that_do_not_read_different_answers_cost_bounded_memory_and_nobody_a_503() {
    const FILES: usize = 100;
    let folder = Folder::new().with("film.mp4", "film");
    let cue = format!("00:01.000 --> 00:02.000\n{}\n\n", "a line ".repeat(1000));
    for number in 0..FILES {
        let text = format!("WEBVTT\n\nNOTE {number}\n\n{}", cue.repeat(4_000_000 / cue.len()));
        fs::write(folder.file(format!("{number}.vtt")), text).unwrap();
    }
    let program = Program::start(folder.path(), &[]);
    let before = program.status("VmHWM");
    let clients = unread(program.address, (0..FILES).map(|number| get(&format!("/subtitles/{number}.vtt"), "nas")));
    // All of them together have 400 MB; the allocator keeps some of what was freed.
    let peak = peak_above(&program, before);
    assert!(peak < 300 * 1024, "{peak} KiB for {} clients", clients.len());
    for target in ["/", "/api/videos", "/subtitles/0.vtt"] {
        assert_eq!(Client::get(program.address, target).status, 200, "{target}");
    }
}

#[test]
fn many_conversions_of_large_subtitles_at_once_have_bounded_memory() {
    const FILES: usize = 6;
    let folder = Folder::new();
    for number in 0..FILES {
        // As many cues as fit into the largest file that is converted.
        let mut text = format!("1\n00:00:01,000 --> 00:00:02,000\nfile {number}\n\n");
        let cue = "1\n00:00:01,000 --> 00:00:02,000\nA line\n\n";
        text.push_str(&cue.repeat((8_000_000 - text.len()) / cue.len()));
        fs::write(folder.file(format!("{number}.srt")), text).unwrap();
    }
    let program = Program::start(folder.path(), &[]);
    std::thread::scope(|scope| {
        for number in 0..FILES {
            let address = program.address;
            scope.spawn(move || {
                let answer = Client::get(address, &format!("/subtitles/{number}.vtt"));
                assert_eq!(answer.status, 200, "{number}");
                assert!(answer.text().contains(&format!("\nfile {number}\n")), "{number}");
            });
        }
    });
    // Without a bound, each conversion takes some 60 MB.
    let peak = program.status("VmHWM");
    assert!(peak < 300 * 1024, "{peak} KiB");
}

#[test]
fn a_listing_needs_no_more_address_space_than_memory() {
    let folder = films(2000);
    let mut command = std::process::Command::new("sh");
    // Each of the program's threads takes some address space.
    command.args(["-c", "ulimit -v 120000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_filmstrip")]);
    command.arg(folder.path()).args(["--port", "0"]);
    let program = Program::start_command(command);
    for target in ["/", "/api/videos", "/playlist.m3u"] {
        assert_eq!(Client::get(program.address, target).status, 200, "{target}");
    }
}
