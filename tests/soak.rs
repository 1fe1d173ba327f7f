//! Downloads, seeks, resets, stalled clients and garbage, all at once, for `FILMSTRIP_SOAK_SECONDS` seconds (10). Every
//! complete response is right to the byte, and no thread, descriptor or memory is leaked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "it needs only a part of them")]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Client, Folder, Program, film};

const SIZE: usize = 8_000_000;

/// A small random number generator, so that a seed determines a run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn request(range: Option<(usize, usize)>) -> String {
    let range = range.map_or(String::new(), |(first, last)| format!("Range: bytes={first}-{last}\r\n"));
    format!("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n{range}\r\n")
}

/// Runs one client of the given kind; returns how many complete responses it received.
fn run_client(kind: usize, address: SocketAddr, film: &[u8], random: &mut Random) -> u64 {
    match kind {
        0 => {
            let mut client = Client::connect(address);
            client.send(request(None));
            assert!(client.read("GET").body == film);
            1
        }
        1 | 2 => {
            let mut client = Client::connect(address);
            for _ in 0..20 {
                let first = random.below(SIZE);
                let last = (first + random.below(200_000)).min(SIZE - 1);
                client.send(request(Some((first, last))));
                let answer = client.read("GET");
                assert_eq!(answer.status, 206);
                assert!(answer.body == film[first..=last]);
            }
            20
        }
        3 => {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(request(None).as_bytes());
            let _ = stream.read(&mut vec![0; random.below(100_000) + 1]);
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            0
        }
        4 => {
            let mut client = Client::connect(address);
            client.send(request(None).repeat(3));
            std::thread::sleep(Duration::from_millis(1500));
            assert!(client.read_rest().len() < 3 * SIZE, "a client that reads nothing is disconnected");
            0
        }
        _ => {
            let mut stream = TcpStream::connect(address).unwrap();
            let garbage: Vec<u8> = (0..random.below(20_000)).map(|_| random.below(256) as u8).collect();
            let _ = stream.write_all(&garbage);
            0
        }
    }
}

#[test]
fn mixed_clients_receive_no_wrong_byte_and_leak_no_resources() {
    let seconds = std::env::var("FILMSTRIP_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let film = film(SIZE);
    let folder = Folder::new().with("film.mp4", &film);
    let mut command = Program::command();
    command.arg(folder.path()).args(["--port", "0", "--stall-timeout", "500ms", "--head-timeout", "1s"]);
    command.args(["--max-connections", "64", "--max-connections-per-ip", "0"]).env("RUST_LOG", "error");
    let program = Program::start_command(command);
    for kind in 0..6 {
        run_client(kind, program.address, &film, &mut Random(kind as u64));
    }
    support::eventually("the first connections are closed", || program.status("Threads") <= 9);
    let figures = || (program.status("Threads"), program.descriptors(), program.status("VmRSS"));
    let before = figures();
    let (answers, until) = (AtomicU64::new(0), Instant::now() + Duration::from_secs(seconds));
    std::thread::scope(|scope| {
        for seed in 0..24 {
            let (film, answers, address) = (&film, &answers, program.address);
            scope.spawn(move || {
                let mut random = Random(seed);
                while Instant::now() < until {
                    let right = run_client(random.below(6), address, film, &mut random);
                    answers.fetch_add(right, Ordering::Relaxed);
                }
            });
        }
    });
    let answers = answers.into_inner();
    assert!(answers > 10 * seconds, "{answers} responses");
    support::eventually("threads end and descriptors are closed", || {
        program.status("Threads") <= 9 && program.descriptors() <= before.1 + 1
    });
    let after = figures();
    let _ = writeln!(
        std::io::stderr(),
        "soak: {seconds} s, {answers} right responses; threads, descriptors, KiB: {before:?}, then {after:?}"
    );
    assert!(after.2 < before.2 + 2048, "memory: {} KiB, then {} KiB", before.2, after.2);
}
