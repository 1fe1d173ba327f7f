//! A disk that hangs or fails affects only the responses that read from it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/hanging_disk.rs"]
mod hanging_disk;
#[allow(dead_code, reason = "it needs only a part of them")]
mod support;

use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hanging_disk::{HangingDisk, SLOW_SIZE};
use rustix::process::Signal;
use support::{Client, Folder, Program, film};

/// Time limit for a `/health` response, whatever the disk does; on a busy machine, [`BUSY`] times what the same program
/// takes whose disk is well, asked in the same moments.
const PROMPT: Duration = Duration::from_millis(50);
const BUSY: u32 = 4;

const SIZE: usize = 4 << 20;

/// One test at a time: the tests measure times, and the load of one would disturb another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(address: SocketAddr, name: &str) -> Client {
    Client::requesting(address, &format!("/video/{name}"))
}

/// Clients that ask for files whose reads hang.
fn ask_for_slow_files(address: SocketAddr, numbers: std::ops::Range<usize>) -> Vec<Client> {
    numbers.map(|number| ask(address, &format!("slow-{number}.mp4"))).collect()
}

/// How long `/health` takes on a new connection.
fn health(address: SocketAddr) -> Duration {
    let started = Instant::now();
    assert_eq!(Client::get(address, "/health").text(), "ok");
    started.elapsed()
}

/// Of 100 times, 95 are not above this one.
fn percentile_95(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() * 95 / 100]
}

#[test]
fn three_hundred_reads_that_hang_delay_no_new_client() {
    let _alone = alone();
    let film = film(SIZE);
    let Some(disk) = HangingDisk::mount(&film) else { return };
    let program = Program::start(disk.folder.path(), &["--max-connections-per-ip", "0"]);
    let well = Folder::new();
    let control = Program::start(well.path(), &[]);
    let hanging = disk.hang();
    let (mut clients, mut times, mut control_times) = (Vec::new(), Vec::new(), Vec::new());
    // A request that waits for a read would wait for ever, because the reads hang until all are answered. After every
    // third read that hangs, seven clients ask: if the first of them has to wait for a new worker, more than 5 % do.
    let mut measure = |requests| {
        for _ in 0..requests {
            times.push(health(program.address));
            control_times.push(health(control.address));
        }
    };
    for first in (0..300).step_by(3) {
        clients.extend(ask_for_slow_files(program.address, first..first + 3));
        measure(7);
    }
    support::eventually("all reads hang", || hanging.count() == 300);
    measure(100);
    let (time, usual) = (percentile_95(&mut times), percentile_95(&mut control_times));
    assert!(time <= PROMPT.max(usual * BUSY), "{time:?}, and {usual:?} where no disk hangs");
    // The disk answers again: every client gets its response, and the threads that waited for the disk end.
    drop(hanging);
    for (number, client) in clients.iter_mut().enumerate() {
        let answer = client.read("GET");
        assert!(answer.status == 200 && answer.body == film[..SLOW_SIZE], "client {number}: {}", answer.status);
    }
    drop(clients);
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    support::eventually("the threads end", || program.status("Threads") <= processors + 10);
}

#[test]
fn two_hundred_clients_get_a_film_from_a_disk_where_fifty_reads_hang() {
    let _alone = alone();
    let film = film(SIZE);
    let Some(disk) = HangingDisk::mount(&film) else { return };
    let program = Program::start(disk.folder.path(), &["--max-connections-per-ip", "0"]);
    let hanging = disk.hang();
    let _clients = ask_for_slow_files(program.address, 0..50);
    support::eventually("all reads hang", || hanging.count() == 50);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let mut client = ask(program.address, "film.mp4");
                assert_eq!(client.read_head().unwrap().status, 200);
                // In chunks, because two hundred films would take much memory.
                let mut received = vec![0; 64 * 1024];
                for chunk in film.chunks(received.len()) {
                    client.read_exact(&mut received[..chunk.len()]);
                    assert!(received[..chunk.len()] == *chunk, "wrong bytes");
                }
            });
        }
    });
    assert_eq!(hanging.count(), 50, "the reads still hang");
}

#[test]
fn a_file_that_cannot_be_read_is_503_in_both_copy_modes() {
    let _alone = alone();
    let Some(disk) = HangingDisk::mount(&film(SIZE)) else { return };
    for options in [&[][..], &["--sendfile"]] {
        let program = Program::start(disk.folder.path(), options);
        let answer = ask(program.address, "broken.mp4").read_head().unwrap();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("3")), "{options:?}");
    }
}

#[test]
fn a_second_signal_stops_at_once_while_reads_hang() {
    let _alone = alone();
    let Some(disk) = HangingDisk::mount(&film(SIZE)) else { return };
    let mut program = Program::start(disk.folder.path(), &["--drain-timeout", "10m"]);
    let hanging = disk.hang();
    let _clients = ask_for_slow_files(program.address, 0..20);
    support::eventually("all reads hang", || hanging.count() == 20);
    program.signal(Signal::TERM);
    support::eventually("the listener is closed", || TcpStream::connect(program.address).is_err());
    let started = Instant::now();
    program.signal(Signal::TERM);
    // The main thread ends, and the others with it. A thread whose read the file system has accepted remains until the
    // file system answers, and so does the process, as a zombie.
    let status = format!("/proc/{}/status", program.child.id());
    let has_ended = || std::fs::read_to_string(&status).unwrap().contains("State:\tZ");
    support::eventually("the main thread ends", has_ended);
    // Aborted connections have one second to end; the drain timeout is ten minutes.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    drop(hanging);
    assert_eq!(program.wait().code(), Some(0));
}
