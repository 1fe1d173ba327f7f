//! The results as Markdown: the median of the rounds, and the median of the ratios to another server in the same round.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::measure::Measure;
use crate::servers::{BARE, BEFORE, Candidate, PEER, Running};

/// A column of a table.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    decimals: usize,
    ratio: bool,
}

impl Column {
    /// A column with ratios to the peers.
    pub const fn ratio(title: &'static str, decimals: usize) -> Self {
        Self { title, decimals, ratio: true }
    }

    /// A column without ratios.
    pub const fn plain(title: &'static str, decimals: usize) -> Self {
        Self { title, decimals, ratio: false }
    }
}

/// The results of one measurement.
pub struct Table {
    /// Its heading.
    pub title: &'static str,
    columns: &'static [Column],
    /// The servers that the ratios refer to; [`BEFORE`] is each row's own earlier build.
    peers: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    server: &'static str,
    /// The round, and a value per column.
    figures: Vec<(usize, Vec<f64>)>,
}

impl Row {
    /// Whether the ratio of `row` to `peer` refers to this row.
    fn is_peer(&self, peer: &str, row: &Self) -> bool {
        match peer {
            BEFORE => self.server == format!("{}, {BEFORE}", row.server),
            _ => self.server == peer,
        }
    }
}

impl Table {
    /// An empty table with a row for each server that `measure` includes.
    pub fn new(measure: &Measure, servers: &[(Candidate, Running)]) -> Self {
        let servers = servers.iter().map(|(candidate, _)| candidate).filter(|candidate| (measure.includes)(candidate));
        let rows: Vec<Row> = servers.map(|server| Row { server: server.name, figures: Vec::new() }).collect();
        let is_known = |peer: &&str| rows.iter().any(|row| rows.iter().any(|other| other.is_peer(peer, row)));
        Self {
            title: measure.title,
            columns: measure.columns,
            peers: [BEFORE, PEER, BARE].into_iter().filter(is_known).collect(),
            rows,
        }
    }

    /// Adds the values of one server in one round.
    pub fn add(&mut self, round: usize, server: &str, figures: Vec<f64>) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.server == server) {
            row.figures.push((round, figures));
        }
    }

    /// The median of a server's column; NaN if it is unknown.
    pub fn figure(&self, server: &str, column: &str) -> f64 {
        self.find(server, column).map_or(f64::NAN, |(row, column)| self.median(row, column))
    }

    /// The median of a server's ratios to `peer`; NaN if it is unknown.
    pub fn ratio_to(&self, peer: &str, server: &str, column: &str) -> f64 {
        self.find(server, column).map_or(f64::NAN, |(row, column)| self.ratio(row, column, peer))
    }

    fn find(&self, server: &str, column: &str) -> Option<(&Row, usize)> {
        let row = self.rows.iter().find(|row| row.server == server)?;
        Some((row, self.columns.iter().position(|of| of.title == column)?))
    }

    fn median(&self, row: &Row, column: usize) -> f64 {
        median(row.figures.iter().map(|(_, figures)| figures[column]))
    }

    /// The median of the ratios to `peer`, in the rounds in which both were measured.
    fn ratio(&self, row: &Row, column: usize, peer: &str) -> f64 {
        let Some(peer) = self.rows.iter().find(|other| other.is_peer(peer, row)) else { return f64::NAN };
        let of_peer = |round| peer.figures.iter().find(|(of, _)| *of == round).map(|(_, figures)| figures[column]);
        median(row.figures.iter().filter_map(|(round, figures)| Some(figures[column] / of_peer(*round)?)))
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "## {}\n\n| |", self.title)?;
        let peers = |column: &Column| if column.ratio { self.peers.as_slice() } else { &[] };
        for column in self.columns {
            write!(f, " {} |", column.title)?;
            for peer in peers(column) {
                write!(f, " × {peer} |")?;
            }
        }
        let width: usize = self.columns.iter().map(|column| 1 + peers(column).len()).sum();
        write!(f, "\n|---|{}", "---:|".repeat(width))?;
        for row in &self.rows {
            write!(f, "\n| {} |", row.server)?;
            for (at, column) in self.columns.iter().enumerate() {
                write!(f, " {} |", figure(self.median(row, at), column.decimals))?;
                for peer in peers(column) {
                    write!(f, " {} |", figure(self.ratio(row, at, peer), 2))?;
                }
            }
        }
        writeln!(f)
    }
}

/// A number, or a dash if it is unknown.
pub fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".into() }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => sorted[n / 2 - 1].midpoint(sorted[n / 2]),
    }
}

/// Explains the tables. `others`: the share of processor time that other processes used.
pub fn preamble(rounds: usize, took: Duration, others: f64) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let control = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
    format!(
        "Each value is the median of at least {rounds} rounds, each ratio the median of the ratios within a \
         round; {took:.0?} in all. {processors} processors, shared with the clients; other processes used \
         {others:.0} % of them (above 5 %, trust the CPU columns rather than the rates). Congestion control: \
         {control}. No server writes an access log: filmstrip runs with `RUST_LOG=warn`. 1 GB is 10^9 bytes. CPU is \
         the processor time of the server, in user mode and in the kernel; memory is the sum of the proportional set \
         sizes (PSS) of its processes. The bare loop is the upper bound: read 4096 bytes, send 4096 bytes, a thread \
         per connection, no checks.\n",
        others = others * 100.0,
        control = control.trim(),
    )
}
