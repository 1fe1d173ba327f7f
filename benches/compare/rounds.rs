//! The rounds: everybody is measured in turns, and a failure costs one figure.
//!
//! A signal to stop ends the measuring, and then, as every other way out, the servers and the folder.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::data::Data;
use crate::ethernet::Cable;
use crate::load;
use crate::measure::{MEASURES, Machine, Measure, Place};
use crate::report::{self, Table};
use crate::servers::{self, Candidate, Running};

/// Errors cross threads here, and end one figure or everything.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the figure before leaves behind, connections that close above all, is done by then.
const REST: Duration = Duration::from_millis(50);

/// Measures everybody who is there, and prints what came of it: everything whose title has a word of `wanted` in it, or
/// all of it where none is.
pub fn compare(wanted: &[&str]) -> Outcome<()> {
    let begun = Instant::now();
    let before = Machine::now();
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    load::raise_open_files_limit();
    let rounds = std::env::var("FILMSTRIP_BENCH_ROUNDS").map_or(Ok(5), |rounds| rounds.parse::<usize>())?.max(1);
    let data = Data::make()?;
    let mut notes = Vec::new();
    let is_wanted = |measure: &&Measure| wanted.is_empty() || wanted.iter().any(|word| measure.title.contains(word));
    let mut measures: Vec<&Measure> = MEASURES.iter().filter(is_wanted).collect();
    let here = field(&data, None, &mut notes);
    let cable = match measures.iter().any(|measure| measure.place == Place::Cable).then(Cable::lay).transpose() {
        Ok(cable) => cable,
        Err(reason) => {
            notes.push(format!("There is no cable: {reason}."));
            measures.retain(|measure| measure.place != Place::Cable);
            None
        }
    };
    let there = cable.as_ref().map_or(Vec::new(), |cable| field(&data, Some(cable), &mut notes));
    let field_of = |measure: &Measure| if measure.place == Place::Cable { &there } else { &here };
    let mut tables: Vec<Table> = measures.iter().map(|measure| Table::new(measure, field_of(measure))).collect();
    for round in 0..rounds {
        for (measure, table) in measures.iter().zip(&mut tables) {
            if round < measure.rounds.of(rounds) {
                eprintln!("round {} of {rounds}, after {:.0?}: {}", round + 1, begun.elapsed(), measure.title);
                take(measure, table, round, field_of(measure), &data, &mut notes);
                if interrupted.load(Ordering::Relaxed) {
                    return Err("interrupted".into());
                }
            }
        }
    }
    // What the servers used counts as ours once they have ended.
    drop((here, there, cable));
    println!("# filmstrip side by side\n");
    println!("{}", report::preamble(rounds, begun.elapsed(), Machine::now().share_of_others_since(&before)));
    for note in notes {
        println!("- {note}");
    }
    for table in &tables {
        println!("\n{table}");
    }
    Ok(())
}

/// Everybody who is there, started.
fn field(data: &Data, cable: Option<&Cable>, notes: &mut Vec<String>) -> Vec<(Candidate, Running)> {
    let mut field = Vec::new();
    for candidate in servers::candidates() {
        match candidate.start(data, cable) {
            Ok(running) => field.push((candidate, running)),
            Err(reason) => notes.push(format!("{} is left out: {reason}.", candidate.name)),
        }
    }
    field
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
    // Nobody is always the first, whom the end of the measure before may still disturb.
    let (late, early) = field.split_at(round % field.len().max(1));
    let order = early.iter().chain(late).filter(|(candidate, _)| measure.concerns(candidate));
    for (candidate, running) in order {
        thread::sleep(REST);
        let figures = match measure.fresh {
            true => candidate.start(data, None).and_then(|fresh| (measure.take)(&fresh)),
            false => (measure.take)(running),
        };
        match figures {
            Ok(figures) => table.add(round, candidate.name, figures),
            Err(error) => notes.push(format!("round {}, {}, {}: {error}.", round + 1, measure.title, candidate.name)),
        }
    }
}
