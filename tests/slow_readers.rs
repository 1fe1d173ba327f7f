//! Readers that are slow: an honest one is never cut, however little of it the system shows; a stalled one always is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Read;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use support::{Client, Folder, Program, film};

/// How long the honest ones read: longer than it takes to drain every buffer on the way. 60 s in the long run by hand.
fn reading_time() -> Duration {
    let seconds = std::env::var("FILMSTRIP_SLOW_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

const RATE: usize = 32 * 1024;
const REQUEST: &str = "GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n";

/// Takes [`RATE`] bytes a second for a while; whether all of them came and were right.
fn reads_steadily(client: &mut Client, film: &[u8], time: Duration) -> bool {
    client.send(REQUEST);
    let (started, mut taken) = (Instant::now(), 0);
    let mut piece = vec![0; RATE / 10];
    let mut right = client.read_head().is_some();
    while right && started.elapsed() < time {
        right = client.try_read_exact(&mut piece) && piece == film[taken..][..piece.len()];
        taken += piece.len();
        let due = Duration::from_secs_f64(taken as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    right
}

#[test]
fn a_client_that_takes_32_kib_a_second_is_never_cut_and_one_that_takes_a_byte_always_is() {
    let film = film(50_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let options = ["--stall-timeout", "5s", "--max-connections-per-ip", "0"];
    let program = Program::start(folder.path(), &options);
    let mut dripping: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = Client::connect(program.address);
            client.send(REQUEST);
            client
        })
        .collect();
    let time = reading_time();
    let (read_enough, seen) = (Barrier::new(51), Barrier::new(51));
    let descriptors = std::thread::scope(|scope| {
        for _ in 0..50 {
            let (film, address, read_enough, seen) = (&film, program.address, &read_enough, &seen);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                let right = reads_steadily(&mut client, film, time);
                // Whatever came of it, the others wait for it.
                read_enough.wait();
                seen.wait();
                assert!(right, "wrong bytes, or too few");
            });
        }
        // Meanwhile the others take a byte a second.
        let started = Instant::now();
        while started.elapsed() < time {
            for client in &mut dripping {
                let _ = client.stream.read(&mut [0; 1]);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        read_enough.wait();
        let descriptors = program.descriptors();
        seen.wait();
        descriptors
    });
    // A client that was cut has megabytes left to read and doesn't know; its socket and its file are closed, though.
    assert!(descriptors >= 100, "an honest client was cut: {descriptors} descriptors");
    support::eventually("everybody's worker is back", || program.status("Threads") <= 9);
    for client in &mut dripping {
        assert!(client.skip_rest() < 50_000_000, "it got the whole film");
    }
}
