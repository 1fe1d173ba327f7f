//! Files that change while they are sent, and symbolic links that change while they are opened.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags};

use crate::support::{self, Client, Folder, Running, film};

const SIZE: usize = 30_000_000;

/// A client that has read the head of a film of [`SIZE`] bytes and has pipelined another request.
fn mid_response(server: &Running) -> Client {
    let mut client = Client::connect(server.address);
    client.send("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\nGET /health HTTP/1.1\r\nHost: nas\r\n\r\n");
    assert_eq!(client.read_head().unwrap().field("content-length"), Some("30000000"));
    client
}

#[test]
fn a_truncated_film_ends_the_connection() {
    for sendfile in [false, true] {
        let whole = film(SIZE);
        let folder = Folder::new().with("film.mp4", &whole);
        let server = Running::with(&folder, |config| {
            config.sendfile = sendfile;
            // The file ends the connection, not the stall timeout.
            config.stall_timeout = support::PATIENCE * 10;
        });
        let mut client = mid_response(&server);
        File::options().write(true).open(folder.file("film.mp4")).unwrap().set_len(20_000_000).unwrap();
        let received = client.read_rest();
        // sendfile sends from the page, whose bytes after the new end the truncation clears: they may be zeros.
        let good = &received[..received.len().min(20_000_000 - 4096)];
        assert!(whole.starts_with(good) && received.len() < SIZE, "no other response follows, sendfile: {sendfile}");
        assert!(sendfile || (received.len() <= 20_000_000 && whole.starts_with(&received)), "no byte is padded");
    }
}

#[test]
fn a_film_that_vanishes_is_replaced_or_grows_is_sent_as_it_was() {
    for what in ["vanishes", "is replaced", "grows"] {
        let whole = film(SIZE);
        let folder = Folder::new().with("film.mp4", &whole);
        let server = Running::over(&folder);
        let mut client = mid_response(&server);
        match what {
            "vanishes" => fs::remove_file(folder.file("film.mp4")).unwrap(),
            "is replaced" => {
                fs::write(folder.file("new"), vec![0; SIZE]).unwrap();
                fs::rename(folder.file("new"), folder.file("film.mp4")).unwrap();
            }
            _ => File::options().append(true).open(folder.file("film.mp4")).unwrap().write_all(&whole).unwrap(),
        }
        let mut body = vec![0; SIZE];
        client.read_exact(&mut body);
        assert!(body == whole, "{what}");
        assert_eq!(client.read("GET").text(), "ok", "{what}: the next response follows");
    }
}

#[test]
fn a_race_of_symbolic_links_never_leads_out_of_the_folder() {
    let secret = Folder::new().with("film.mp4", "SECRET");
    let folder = Folder::new().with("film.mp4", "public").with("season/film.mp4", "public");
    symlink(secret.file("film.mp4"), folder.file("link.mp4")).unwrap();
    symlink(secret.path(), folder.file("linked")).unwrap();
    let server = Running::over(&folder);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A file and a folder are exchanged with links that lead out of the folder, as fast as possible.
            let swap = |one: &str, other: &str| {
                let (one, other) = (folder.file(one), folder.file(other));
                rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
            };
            while !done.load(Ordering::Relaxed) {
                swap("film.mp4", "link.mp4");
                swap("season", "linked");
            }
        });
        let mut seen = [0; 2];
        let mut client = Client::connect(server.address);
        for round in 0..4000 {
            let target = ["film.mp4", "season/film.mp4"][round % 2];
            let answer = client.ask(&format!("/video/{target}"));
            match answer.status {
                200 => assert_eq!(answer.body, b"public"),
                404 | 503 => {}
                status => panic!("{status}"),
            }
            seen[usize::from(answer.status == 200)] += 1;
        }
        done.store(true, Ordering::Relaxed);
        assert!(seen.iter().all(|&count| count > 0), "both outcomes of the race occurred: {seen:?}");
    });
}

#[test]
fn a_response_has_the_length_it_announces_while_its_file_is_rewritten() {
    let folder = Folder::new().with("film.mp4", film(1000));
    let server = Running::over(&folder);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let film = film(1000);
            while !done.load(Ordering::Relaxed) {
                fs::write(folder.file("film.mp4"), &film).unwrap();
            }
        });
        for _ in 0..1000 {
            let mut client = Client::connect(server.address);
            client.send_request("GET", "/video/film.mp4", &[("Connection", "close")]);
            let mut answer = Vec::new();
            client.stream.read_to_end(&mut answer).unwrap();
            let head = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
            let text = String::from_utf8_lossy(&answer[..head]).into_owned();
            let due: usize =
                text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
            assert!(answer.len() - head - 4 == due, "{text}");
        }
        done.store(true, Ordering::Relaxed);
    });
}
