//! Slow clients: one that reads steadily is never disconnected, though the kernel's buffers hide its progress; one that
//! stalls always is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "it needs only a part of them")]
mod support;

use std::io::Read;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use support::{Client, Folder, Program, film};

/// How long the steady clients read: longer than it takes to drain every buffer on the way. 60 s in the long run.
fn reading_time() -> Duration {
    let seconds = std::env::var("FILMSTRIP_SLOW_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

const RATE: usize = 32 * 1024;
const FILM: &str = "/video/film.mp4";

/// Reads [`RATE`] bytes a second for `time`; returns whether all of them arrived and were right.
fn reads_steadily(client: &mut Client, film: &[u8], time: Duration) -> bool {
    client.send_request("GET", FILM, &[]);
    let (started, mut taken) = (Instant::now(), 0);
    let mut chunk = vec![0; RATE / 10];
    let mut right = client.read_head().is_some();
    while right && started.elapsed() < time {
        right = client.try_read_exact(&mut chunk) && chunk == film[taken..][..chunk.len()];
        taken += chunk.len();
        let due = Duration::from_secs_f64(taken as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    right
}

#[test]
fn a_client_that_reads_32_kib_a_second_is_never_disconnected_and_one_that_reads_a_byte_always_is() {
    let film = film(50_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let options = ["--stall-timeout", "5s", "--max-connections-per-ip", "0"];
    let program = Program::start(folder.path(), &options);
    let mut stalled: Vec<Client> = (0..50).map(|_| Client::requesting(program.address, FILM)).collect();
    let time = reading_time();
    let (read_enough, seen) = (Barrier::new(51), Barrier::new(51));
    let descriptors = std::thread::scope(|scope| {
        for _ in 0..50 {
            let (film, address, read_enough, seen) = (&film, program.address, &read_enough, &seen);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                let right = reads_steadily(&mut client, film, time);
                // In either case, because the other threads wait for this one.
                read_enough.wait();
                seen.wait();
                assert!(right, "wrong bytes, or too few");
            });
        }
        // Meanwhile the stalled clients read a byte a second.
        let started = Instant::now();
        while started.elapsed() < time {
            for client in &mut stalled {
                let _ = client.stream.read(&mut [0; 1]);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        read_enough.wait();
        let descriptors = program.descriptors();
        seen.wait();
        descriptors
    });
    // A disconnected client still has megabytes to read. The server has closed its socket and its file, though.
    assert!(descriptors >= 100, "a steady client was disconnected: {descriptors} descriptors");
    support::eventually("surplus workers end", || program.status("Threads") <= 9);
    for client in &mut stalled {
        assert!(client.skip_rest() < 50_000_000, "it received the whole film");
    }
}
