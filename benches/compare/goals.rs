//! What filmstrip should reach, as ratios to other servers in the same rounds, or as figures.

use std::fmt::{self, Display};

use crate::measure::MEASURES;
use crate::report::{Table, figure};
use crate::rounds::Outcome;
use crate::servers::{BARE, DEFAULT, PEER, PEERS, SENDFILE, candidates};

/// One goal.
struct Goal {
    /// The title of its table.
    table: &'static str,
    server: &'static str,
    column: &'static str,
    wanted: Wanted,
    /// The servers that it is compared with; each ratio must be as wanted. Without any, the figure must be.
    peers: &'static [&'static str],
}

enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

use Wanted::{AtLeast, AtMost};

const GOALS: &[Goal] = &[
    goal("One stream", DEFAULT, "GB/s", AtLeast(1.0), &[BARE]),
    goal("Four streams", DEFAULT, "GB/s", AtLeast(1.05), &[BARE]),
    goal("One stream, Ethernet-size segments", DEFAULT, "GB/s", AtLeast(0.95), &[BARE]),
    goal("One stream, Ethernet-size segments", DEFAULT, "CPU-s/GB", AtMost(1.05), &[BARE]),
    goal("One stream over a veth pair at MTU 1500", DEFAULT, "GB/s", AtLeast(0.95), &[BARE]),
    goal("One stream over a veth pair at MTU 1500", DEFAULT, "CPU-s/GB", AtMost(1.05), &[BARE]),
    goal("One stream", SENDFILE, "GB/s", AtLeast(1.0), &PEERS),
    goal("One stream", SENDFILE, "CPU-s/GB", AtMost(1.0), &[PEER]),
    goal("Four streams", SENDFILE, "GB/s", AtLeast(1.3), &PEERS),
    goal("Four streams", SENDFILE, "CPU-s/GB", AtMost(1.0), &[PEER]),
    goal("Ranges of 1 KiB, 32 kept connections", DEFAULT, "requests/s", AtLeast(1.3), &[PEER]),
    goal("Ranges of 1 KiB, 32 kept connections", DEFAULT, "p99 ms", AtMost(1.0), &[PEER]),
    goal("Ranges of 64 KiB, 32 kept connections", SENDFILE, "requests/s", AtLeast(1.1), &[PEER]),
    goal("New connections, 1 KiB each", DEFAULT, "connections/s", AtLeast(1.1), &[PEER]),
    goal("First byte of a seek beside 50 streams", DEFAULT, "p50 ms", AtMost(1.0), &PEERS),
    goal("First byte of a seek beside 50 streams", DEFAULT, "p99 ms", AtMost(1.0), &PEERS),
    goal("2,000 viewers at 2 Mbit/s", DEFAULT, "memory MiB", AtMost(1.0), &[PEER]),
    goal("2,000 viewers at 2 Mbit/s", DEFAULT, "at full rate", AtLeast(2000.0), &[]),
    goal("6,000 viewers at 0.4 Mbit/s", DEFAULT, "memory MiB", AtMost(90.0), &[]),
    goal("6,000 viewers at 0.4 Mbit/s", DEFAULT, "at full rate", AtLeast(6000.0), &[]),
    goal("Start", DEFAULT, "first answer after ms", AtMost(5.0), &[]),
    goal("Start", DEFAULT, "program MB", AtMost(4.0), &[]),
];

const fn goal(
    table: &'static str,
    server: &'static str,
    column: &'static str,
    wanted: Wanted,
    peers: &'static [&'static str],
) -> Goal {
    Goal { table, server, column, wanted, peers }
}

impl Goal {
    /// The value that must be as wanted: the figure, or the least favourable ratio, with its peer.
    fn decisive(&self, table: &Table) -> (f64, &'static str) {
        if self.peers.is_empty() {
            return (table.figure(self.server, self.column), "");
        }
        let ratios = self.peers.iter().map(|peer| (table.ratio_to(peer, self.server, self.column), *peer));
        let ratios = ratios.filter(|(ratio, _)| ratio.is_finite());
        let least = match self.wanted {
            AtLeast(_) => ratios.min_by(|(a, _), (b, _)| a.total_cmp(b)),
            AtMost(_) => ratios.max_by(|(a, _), (b, _)| a.total_cmp(b)),
        };
        least.unwrap_or((f64::NAN, "–"))
    }
}

/// A table of the goals whose tables are there.
pub struct Goals<'t>(pub &'t [Table]);

impl Display for Goals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Goals\n\n| | figure | × | of | wanted | met |\n|---|---:|---:|---|---|---|")?;
        for goal in GOALS {
            let Some(table) = self.0.iter().find(|table| table.title == goal.table) else { continue };
            let (value, peer) = goal.decisive(table);
            let (wanted, met) = match goal.wanted {
                AtLeast(bound) => (format!("at least {bound}"), value >= bound),
                AtMost(bound) => (format!("at most {bound}"), value <= bound),
            };
            let met = match met {
                _ if value.is_nan() => "not measured",
                true => "yes",
                false => "no",
            };
            let ratio = if goal.peers.is_empty() { String::new() } else { figure(value, 3) };
            writeln!(
                f,
                "| {}, {}: {} | {} | {ratio} | {peer} | {wanted} | {met} |",
                goal.table,
                goal.server,
                goal.column,
                figure(table.figure(goal.server, goal.column), 3),
            )?;
        }
        Ok(())
    }
}

/// Checks that each goal names a table, a column and servers.
pub fn check() -> Outcome<()> {
    let servers = candidates(None);
    for goal in GOALS {
        let measure = MEASURES.iter().find(|measure| measure.title == goal.table);
        let measure = measure.ok_or_else(|| format!("there is no table {:?}", goal.table))?;
        if !measure.columns.iter().any(|column| column.title == goal.column) {
            return Err(format!("{:?} has no column {:?}", goal.table, goal.column).into());
        }
        for name in goal.peers.iter().chain([&goal.server]) {
            if !servers.iter().any(|server| server.name == *name && (measure.includes)(server)) {
                return Err(format!("{:?} has no row {name:?}", goal.table).into());
            }
        }
    }
    Ok(())
}
