//! filmstrip beside the servers that people would run instead: one machine, one folder, the same clients.
//!
//! The servers that are installed are started on loopback (and at the end of a cable that is none) and measured in turns, round by round, so that whatever else
//! the machine does meanwhile meets all of them; what counts is the ratio within a round. Markdown goes to stdout,
//! progress to stderr. `FILMSTRIP_BENCH_ROUNDS` says how many rounds there are (5), and words after
//! `cargo bench --bench compare --` which tables are wanted (`viewers`). Where `FILMSTRIP_BENCH_AGAINST` is the path of an
//! earlier build of filmstrip, that one runs too, and `× before` is the ratio to it.
//!
//! | room | what it is for |
//! |---|---|
//! | `rounds` | everybody in turns |
//! | `data` | the folder that everybody serves |
//! | `servers` | how each server is started, and ended |
//! | `ethernet` | a cable to them, where loopback isn't what is meant |
//! | `bare` | the least that a server of this shape can do: the limit |
//! | `load` | the clients |
//! | `measure` | what is measured, and what the system says of a server's processes |
//! | `report` | medians, ratios, tables |
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a benchmark finds is printed")]

// What is measured here is what Linux says of its processes (proc(5)), by clients that use its epoll.
#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod data;
#[cfg(target_os = "linux")]
mod ethernet;
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
        // cargo's own word is the last one. `cargo test --all-targets` runs this too, and wants no figures.
        [ref wanted @ .., "--bench"] => rounds::compare(wanted),
        _ => Ok(()),
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
    eprintln!("compare: this comparison needs Linux");
}
