//! filmstrip beside the servers that people would run instead: one machine, one folder, the same clients.
//!
//! The servers that are installed are started on loopback and measured in turns, round by round, so that whatever else
//! the machine does meanwhile meets all of them; what counts is the ratio within a round. Markdown goes to stdout,
//! progress to stderr. `FILMSTRIP_BENCH_ROUNDS` says how many rounds there are (5).
//!
//! | room | what it is for |
//! |---|---|
//! | `data` | the folder that everybody serves |
//! | `servers` | how each server is started, and ended |
//! | `bare` | the least that a server of this shape can do: the limit |
//! | `load` | the clients |
//! | `measure` | what is measured, and what the system says of a server's processes |
//! | `report` | medians, ratios, tables |
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a benchmark finds is printed")]

mod bare;
mod data;
mod load;
mod measure;
mod report;
mod servers;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use data::Data;
use measure::{MEASURES, Measure};
use report::Table;
use servers::{Candidate, Running};

/// Errors cross threads here, and end one figure or everything.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bare::ARGUMENT, folder, port] => bare::serve(folder, port),
        // `cargo test --all-targets` runs this too, and wants no figures.
        _ if !arguments.iter().any(|argument| argument == "--bench") => Ok(()),
        _ => compare(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Outcome<()> {
    let begun = Instant::now();
    load::raise_open_files_limit();
    let rounds = std::env::var("FILMSTRIP_BENCH_ROUNDS").map_or(Ok(5), |rounds| rounds.parse::<usize>())?.max(1);
    let data = Data::make()?;
    let mut notes = Vec::new();
    let mut field = Vec::new();
    for candidate in servers::candidates() {
        match candidate.start(&data) {
            Ok(running) => field.push((candidate, running)),
            Err(reason) => notes.push(format!("{} is left out: {reason}.", candidate.name)),
        }
    }
    let mut tables: Vec<Table> = MEASURES.iter().map(|measure| Table::new(measure, &field)).collect();
    for round in 0..rounds {
        for (measure, table) in MEASURES.iter().zip(&mut tables) {
            if round < measure.rounds.of(rounds) {
                eprintln!("round {} of {rounds}, after {:.0?}: {}", round + 1, begun.elapsed(), measure.title);
                // Nobody is always the first.
                field.rotate_left(1);
                take(measure, table, round, &field, &data, &mut notes);
            }
        }
    }
    println!("# filmstrip side by side\n");
    println!("{}", report::preamble(rounds, begun.elapsed()));
    for note in notes {
        println!("- {note}");
    }
    for table in &tables {
        println!("\n{table}");
    }
    Ok(())
}

/// One figure of each server. One that fails costs a note and not the others' figures.
fn take(
    measure: &Measure,
    table: &mut Table,
    round: usize,
    field: &[(Candidate, Running)],
    data: &Data,
    notes: &mut Vec<String>,
) {
    for (candidate, running) in field.iter().filter(|(candidate, _)| measure.concerns(candidate)) {
        let figures = match measure.fresh {
            true => candidate.start(data).and_then(|fresh| (measure.take)(&fresh)),
            false => (measure.take)(running),
        };
        match figures {
            Ok(figures) => table.add(round, candidate.name, figures),
            Err(error) => notes.push(format!("round {}, {}, {}: {error}.", round + 1, measure.title, candidate.name)),
        }
    }
}
