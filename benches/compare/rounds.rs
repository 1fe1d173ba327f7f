//! The rounds: the servers are measured in turns, and a failure affects one measurement.
//!
//! SIGINT or SIGTERM ends the benchmark; the servers are stopped and the folder is removed.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::data::Data;
use crate::earlier;
use crate::ethernet::Veth;
use crate::goals::Goals;
use crate::load;
use crate::measure::{MEASURES, Machine, Measure, Network};
use crate::report::{self, Table};
use crate::servers::{self, Candidate, Running};

/// An error ends one measurement or the benchmark, and may come from another thread.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A pause between measurements, in which the connections of the previous one close.
const REST: Duration = Duration::from_millis(50);

/// Measures all installed servers, and an `earlier` revision of filmstrip, and prints the tables: those whose title
/// contains one of `words`, or all if there are no words.
pub fn compare(earlier: Option<&str>, words: &[&str]) -> Outcome<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let earlier = earlier.map(earlier::build).transpose()?;
    let begun = Instant::now();
    let before = Machine::now();
    load::raise_open_files_limit();
    let rounds = std::env::var("FILMSTRIP_BENCH_ROUNDS").map_or(Ok(5), |rounds| rounds.parse::<usize>())?.max(1);
    let data = Data::make()?;
    let mut notes = Vec::new();
    let is_selected = |measure: &&Measure| words.is_empty() || words.iter().any(|word| measure.title.contains(word));
    let mut measures: Vec<&Measure> = MEASURES.iter().filter(is_selected).collect();
    measures.retain(|measure| match (measure.prepare)(&data) {
        Ok(()) => true,
        Err(reason) => {
            notes.push(format!("{} is omitted: {reason}.", measure.title));
            false
        }
    });
    let on_loopback = start_all(earlier.as_deref(), &data, None, &mut notes);
    let veth = match measures.iter().any(|measure| measure.network == Network::Veth).then(Veth::create).transpose() {
        Ok(veth) => veth,
        Err(reason) => {
            notes.push(format!("There is no veth pair: {reason}."));
            measures.retain(|measure| measure.network != Network::Veth);
            None
        }
    };
    let behind_veth =
        veth.as_ref().map_or(Vec::new(), |veth| start_all(earlier.as_deref(), &data, Some(veth), &mut notes));
    let servers_of = |measure: &Measure| match measure.network {
        Network::Loopback => &on_loopback,
        Network::Veth => &behind_veth,
    };
    let mut tables: Vec<Table> = measures.iter().map(|measure| Table::new(measure, servers_of(measure))).collect();
    let most = measures.iter().map(|measure| rounds * measure.repeats).max().unwrap_or(0);
    for round in 0..most {
        for (measure, table) in measures.iter().zip(&mut tables) {
            if round < rounds * measure.repeats {
                eprintln!("round {} of {most}, after {:.0?}: {}", round + 1, begun.elapsed(), measure.title);
                take(measure, table, round, servers_of(measure), &data, &mut notes);
                if interrupted.load(Ordering::Relaxed) {
                    return Err("interrupted".into());
                }
            }
        }
    }
    // The processor time of the servers counts as this process's once they have ended.
    drop((on_loopback, behind_veth, veth));
    println!("# filmstrip and other servers\n");
    println!("{}", report::preamble(rounds, begun.elapsed(), Machine::now().share_of_others_since(&before)));
    for note in notes {
        println!("- {note}");
    }
    for table in &tables {
        println!("\n{table}");
    }
    println!("\n{}", Goals(&tables));
    Ok(())
}

/// Starts all installed servers.
fn start_all(
    earlier: Option<&Path>,
    data: &Data,
    veth: Option<&Veth>,
    notes: &mut Vec<String>,
) -> Vec<(Candidate, Running)> {
    let mut servers = Vec::new();
    for candidate in servers::candidates(earlier) {
        match candidate.start(data, veth) {
            Ok(running) => servers.push((candidate, running)),
            Err(reason) => notes.push(format!("{} is omitted: {reason}.", candidate.name)),
        }
    }
    servers
}

/// Measures each server once. A failure becomes a note and does not affect the other servers.
fn take(
    measure: &Measure,
    table: &mut Table,
    round: usize,
    servers: &[(Candidate, Running)],
    data: &Data,
    notes: &mut Vec<String>,
) {
    // The order rotates: the previous measurement may still disturb the first server.
    let (late, early) = servers.split_at(round % servers.len().max(1));
    let order = early.iter().chain(late).filter(|(candidate, _)| (measure.includes)(candidate));
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
