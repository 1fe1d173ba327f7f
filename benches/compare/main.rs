//! Compares filmstrip with other servers: one machine, one folder, the same clients.
//!
//! The installed servers are started on loopback, and behind a veth pair. They are measured in turns, round by round,
//! so that other load on the machine affects all of them; compare the ratios within a round. Markdown goes to stdout,
//! progress to stderr. `FILMSTRIP_BENCH_ROUNDS` sets the number of rounds (5). After `cargo bench --bench compare --`
//! may come `--against REVISION`, which also builds and measures that revision of filmstrip (`× before` is the ratio to
//! it), and words that select tables by their titles (`viewers`).
//!
//! | module | contents |
//! |---|---|
//! | `rounds` | the order of the measurements |
//! | `data` | the folder that all servers serve |
//! | `servers` | starting and stopping each server |
//! | `earlier` | an earlier revision of filmstrip |
//! | `ethernet` | the veth pair |
//! | `first_frame` | the time to the first frame of a film in Chromium |
//! | `bare` | a minimal server with a thread per connection: the upper bound |
//! | `load` | the clients |
//! | `measure` | what is measured; processor time and memory of a server's processes |
//! | `report` | medians, ratios, tables |
//! | `goals` | what the ratios should be |
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

// The figures come from proc(5), and the clients use epoll.
#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod data;
#[cfg(target_os = "linux")]
mod earlier;
#[cfg(target_os = "linux")]
mod ethernet;
#[cfg(target_os = "linux")]
mod first_frame;
#[cfg(target_os = "linux")]
mod goals;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rounds;
#[cfg(target_os = "linux")]
mod servers;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bare::ARGUMENT, folder, address] => bare::serve(folder, address),
        // cargo passes `--bench` last. `cargo test` runs this too, without it.
        ["--against", revision, ref words @ .., "--bench"] => rounds::compare(Some(revision), words),
        [ref words @ .., "--bench"] => rounds::compare(None, words),
        _ => goals::check(),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("compare: this benchmark needs Linux");
}
