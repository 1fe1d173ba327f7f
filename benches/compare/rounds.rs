//! The rounds: everybody is measured in turns, and a failure costs one figure.

use std::error::Error;
use std::time::Instant;

use crate::data::Data;
use crate::load;
use crate::measure::{MEASURES, Measure};
use crate::report::{self, Table};
use crate::servers::{self, Candidate, Running};

/// Errors cross threads here, and end one figure or everything.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures everybody who is there, and prints what came of it.
pub fn compare() -> Outcome<()> {
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
