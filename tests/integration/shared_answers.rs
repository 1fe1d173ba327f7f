//! Made answers: one look and one copy for all who ask for the same, and nothing new for those who have it.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Folder, Program, Running, eventually};

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

#[test]
fn clients_that_do_not_read_share_one_copy_and_leave_nothing_behind() {
    const CLIENTS: usize = 200;
    let folder = Folder::new();
    for number in 0..5000 {
        fs::File::create(folder.file(format!("Some Show S01E{number:05} The Title of the Episode.mp4"))).unwrap();
    }
    let program = Program::start(folder.path(), &[]);
    let health = || {
        let started = Instant::now();
        let mut client = Client::connect(program.address);
        client.send("GET /health HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n\r\n");
        assert_eq!(client.read("GET").status, 200);
        started.elapsed()
    };
    health();
    let before = program.status("RssAnon");
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut stream = TcpStream::connect(program.address).unwrap();
            let target = if number % 5 == 0 { "/" } else { "/api/videos" };
            stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: nas\r\n\r\n").as_bytes()).unwrap();
            stream
        })
        .collect();
    // A bit of each answer is there.
    clients.iter().for_each(|stream| assert_eq!(stream.peek(&mut [0; 1]).unwrap(), 1));
    let mut times: Vec<Duration> = (0..100).map(|_| health()).collect();
    times.sort();
    // Every copy would be above a MiB.
    let during = program.status("RssAnon") - before;
    assert!(during < 48 * 1024, "{during} KiB for {CLIENTS} clients");
    assert!(times[98] < Duration::from_millis(50), "{times:?}");
    drop(clients);
    // The allocator keeps the stacks of ended workers and some of each arena: 8 MiB, or 12 if the listing was made twice.
    eventually("their memory is given back", || program.status("RssAnon") < before + 16 * 1024);
}

#[test]
fn clients_that_do_not_read_share_one_copy_of_converted_subtitles() {
    let cues = "1\n00:00:01,000 --> 00:00:02,000\nA line of text\n\n".repeat(100_000);
    let folder = Folder::new().with("large.srt", cues);
    let program = Program::start(folder.path(), &[]);
    let before = program.status("RssAnon");
    let clients: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(program.address).unwrap();
            stream.write_all(b"GET /subtitles/large.vtt HTTP/1.1\r\nHost: nas\r\n\r\n").unwrap();
            stream
        })
        .collect();
    clients.iter().for_each(|stream| assert_eq!(stream.peek(&mut [0; 1]).unwrap(), 1));
    // Every copy would be above 4 MiB.
    let peak = program.status("VmHWM") - before;
    assert!(peak < 64 * 1024, "{peak} KiB for {} clients", clients.len());
    drop(clients);
    eventually("most of it is given back", || program.status("RssAnon") < before + 16 * 1024);
}
