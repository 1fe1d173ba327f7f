//! What is measured; processor time and memory of a server's processes, from proc(5).

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::data::Data;
use crate::report::Column;
use crate::rounds::Outcome;
use crate::servers::{Candidate, Running};
use crate::{first_frame, load};

/// How long one measurement takes.
const LENGTH: Duration = Duration::from_millis(800);

/// How long the viewers read.
const VIEWING_TIME: Duration = Duration::from_secs(4);

/// How long clients ask for listings.
const STORM: Duration = Duration::from_secs(3);

/// Ethernet's maximum segment size. With TCP timestamps, a segment has 1448 bytes.
const ETHERNET: u32 = 1460;

const GB: f64 = 1e9;
const MIB: f64 = 1024.0 * 1024.0;

/// One measurement, which becomes one table.
pub struct Measure {
    /// The table's heading.
    pub title: &'static str,
    /// The table's columns.
    pub columns: &'static [Column],
    /// How often it is measured for each round.
    pub repeats: usize,
    /// Whether a new server is started for each measurement.
    pub fresh: bool,
    /// The network between clients and servers.
    pub network: Network,
    /// Provides what it needs beside the servers, or says what is missing.
    pub prepare: fn(&Data) -> Outcome<()>,
    /// Whether a server has a row.
    pub includes: fn(&Candidate) -> bool,
    /// Measures one value per column.
    pub take: fn(&Running) -> Outcome<Vec<f64>>,
}

/// The network between clients and servers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The loopback interface.
    Loopback,
    /// A veth pair.
    Veth,
}

const BULK: &[Column] = &[Column::ratio("GB/s", 2), Column::ratio("CPU-s/GB", 3)];
const RANGES: &[Column] = &[
    Column::ratio("requests/s", 0),
    Column::ratio("CPU µs each", 1),
    Column::plain("p50 ms", 2),
    Column::ratio("p99 ms", 2),
];
const LISTINGS: &[Column] = &[
    Column::ratio("answers/s", 0),
    Column::ratio("slowest ms", 0),
    Column::ratio("CPU ms each", 1),
    Column::plain("MB each", 2),
];
const VIEWERS: &[Column] = &[
    Column::plain("at full rate", 0),
    Column::ratio("memory MiB", 1),
    Column::plain("threads", 0),
    Column::ratio("CPU-s/GB", 2),
];

/// All measurements, in the order of the report.
pub const MEASURES: &[Measure] = &[
    steady("One stream", BULK, |server| bulk(server, 1, None)),
    steady("Four streams", BULK, |server| bulk(server, 4, None)),
    steady("One stream, Ethernet-size segments", BULK, |server| bulk(server, 1, Some(ETHERNET))),
    Measure {
        network: Network::Veth,
        ..steady("One stream over a veth pair at MTU 1500", BULK, |server| bulk(server, 1, None))
    },
    steady("Ranges of 1 KiB, 32 kept connections", RANGES, |server| ranges(server, 1024)),
    steady("Ranges of 64 KiB, 32 kept connections", RANGES, |server| ranges(server, 64 * 1024)),
    steady(
        "New connections, 1 KiB each",
        &[Column::ratio("connections/s", 0), Column::ratio("CPU µs each", 1)],
        |server| {
            let window = load::new_connections(server.address, &server.processes(), LENGTH)?;
            Ok(vec![window.rate(), window.cost() * 1e6])
        },
    ),
    steady(
        "First byte of a seek beside 50 streams",
        &[Column::ratio("p50 ms", 2), Column::ratio("p99 ms", 2), Column::plain("the streams, GB/s", 2)],
        |server| {
            let seeks = load::seeks(server.address, &server.processes(), 50, 200)?;
            Ok(vec![seeks.p50 * 1e3, seeks.p99 * 1e3, seeks.window.rate() / GB])
        },
    ),
    steady(
        "Twenty streams of a film that is not in the page cache",
        &[Column::ratio("GB/s", 2), Column::ratio("first byte p50 ms", 1), Column::plain("worst ms", 1)],
        |server| {
            let cold = load::cold(server.address, &server.film, 20)?;
            Ok(vec![cold.rate / GB, cold.p50 * 1e3, cold.worst * 1e3])
        },
    ),
    Measure {
        includes: |server| server.paths().page.is_some(),
        ..steady("Listing storm: 50 clients of `/`, 20,000 videos", LISTINGS, |server| {
            listings(server, server.paths.page, "text/html")
        })
    },
    Measure {
        includes: |server| server.paths().json.is_some(),
        ..steady("Listing storm: 50 clients of `/api/videos`, 20,000 videos", LISTINGS, |server| {
            listings(server, server.paths.json, "application/json")
        })
    },
    Measure {
        prepare: |_| match rustix::process::geteuid().is_root() {
            true => Ok(()),
            false => Err("only root may drop the page cache".into()),
        },
        includes: |server| server.paths().page.is_some(),
        ..steady("Listing of 20,000 videos after drop_caches", &[Column::ratio("ms", 0)], |server| {
            let wanted = (server.paths.page.ok_or("it has no listing")?, "text/html");
            Ok(vec![load::cold_listing(server.address, wanted, &server.film)? * 1e3])
        })
    },
    Measure {
        prepare: first_frame::prepare,
        includes: |server| server.paths().player.is_some(),
        ..steady(
            "First frame of a film in Chromium",
            &[Column::ratio("p50 ms", 0), Column::plain("worst ms", 0)],
            |server| {
                let player = server.paths.player.ok_or("it has no player")?;
                let times = first_frame::times(server.address, player)?;
                Ok(vec![load::quantile(&times, 0.5), load::quantile(&times, 1.0)])
            },
        )
    },
    fresh("2,000 viewers at 2 Mbit/s", VIEWERS, |server| viewers(server, 2000, 2e6)),
    fresh("6,000 viewers at 0.4 Mbit/s", VIEWERS, |server| viewers(server, 6000, 0.4e6)),
    Measure {
        repeats: 4,
        ..fresh(
            "Start",
            &[
                Column::ratio("first answer after ms", 1),
                Column::plain("memory then, MiB", 1),
                Column::plain("program MB", 2),
            ],
            |server| {
                let size = server.program_size.map_or(f64::NAN, |size| size as f64 / 1e6);
                Ok(vec![server.start_up.as_secs_f64() * 1e3, server.processes().memory() as f64 / MIB, size])
            },
        )
    },
];

const fn steady(title: &'static str, columns: &'static [Column], take: fn(&Running) -> Outcome<Vec<f64>>) -> Measure {
    Measure {
        title,
        columns,
        repeats: 1,
        fresh: false,
        network: Network::Loopback,
        prepare: |_| Ok(()),
        includes: |_| true,
        take,
    }
}

const fn fresh(title: &'static str, columns: &'static [Column], take: fn(&Running) -> Outcome<Vec<f64>>) -> Measure {
    Measure { fresh: true, includes: |server| !server.is_bare(), ..steady(title, columns, take) }
}

fn bulk(server: &Running, streams: usize, segment: Option<u32>) -> Outcome<Vec<f64>> {
    let window = load::bulk(server.address, &server.processes(), streams, segment, LENGTH)?;
    Ok(vec![window.rate() / GB, window.cost() * GB])
}

fn ranges(server: &Running, size: u64) -> Outcome<Vec<f64>> {
    let ranges = load::ranges(server.address, &server.processes(), size, LENGTH)?;
    Ok(vec![ranges.window.rate(), ranges.window.cost() * 1e6, ranges.p50 * 1e3, ranges.p99 * 1e3])
}

fn listings(server: &Running, path: Option<&str>, accept: &str) -> Outcome<Vec<f64>> {
    let wanted = (path.ok_or("it has no listing")?, accept);
    let storm = load::listing_storm(server.address, &server.processes(), wanted, 50, STORM)?;
    Ok(vec![storm.window.rate(), storm.worst * 1e3, storm.window.cost() * 1e3, storm.size as f64 / 1e6])
}

fn viewers(server: &Running, count: usize, bits: f64) -> Outcome<Vec<f64>> {
    let viewers = load::viewers(server.address, &server.processes(), count, bits, VIEWING_TIME)?;
    let memory = viewers.memory as f64 / MIB;
    Ok(vec![viewers.at_full_rate as f64, memory, viewers.threads as f64, viewers.window.cost() * GB])
}

/// A server's processes: the first one and its descendants.
pub struct Processes(Vec<u32>);

impl Processes {
    /// `root` and its descendants.
    pub fn below(root: u32) -> Self {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            if let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok())
                && let Some(parent) = stat(process).and_then(|fields| fields.get(1)?.parse().ok())
            {
                children.entry(parent).or_default().push(process);
            }
        }
        let mut found = vec![root];
        let mut at = 0;
        while let Some(process) = found.get(at) {
            found.extend(children.remove(process).unwrap_or_default());
            at += 1;
        }
        Self(found)
    }

    /// Their processor time, in user mode and in the kernel.
    pub fn cpu_seconds(&self) -> f64 {
        let ticks = |process: &u32| {
            let fields = stat(*process)?;
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        };
        self.0.iter().filter_map(ticks).sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Their memory in bytes. A shared page is divided by the number of processes that share it (PSS).
    pub fn memory(&self) -> u64 {
        self.0.iter().filter_map(|process| field(*process, "smaps_rollup", "Pss:")).sum::<u64>() * 1024
    }

    /// The number of their threads.
    pub fn threads(&self) -> u64 {
        self.0.iter().filter_map(|process| field(*process, "status", "Threads:")).sum()
    }

    /// Kills all but the first, which is the caller's child.
    pub fn kill_children(&self) {
        for process in self.0.iter().skip(1) {
            if let Some(process) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }
}

/// `/proc/<pid>/stat` from the third field on. The second one may contain spaces.
fn stat(process: u32) -> Option<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// The number after `name` in a file of the process in `/proc`.
fn field(process: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time of the machine since it started, in ticks.
pub struct Machine {
    busy: u64,
    idle: u64,
    /// That of this process and its children that have ended.
    ours: u64,
}

impl Machine {
    /// The current values.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; the rest is included in these.
        let sum = |from: std::ops::Range<usize>| ticks.get(from).into_iter().flatten().sum::<u64>();
        let own = stat(std::process::id()).unwrap_or_default();
        let ours = own.get(11..15).into_iter().flatten().flat_map(|ticks| ticks.parse::<u64>()).sum();
        Self { busy: sum(0..3) + sum(5..8), idle: sum(3..5), ours }
    }

    /// The share of processor time that other processes used.
    pub fn share_of_others_since(&self, before: &Self) -> f64 {
        let (busy, idle) = (self.busy - before.busy, self.idle - before.idle);
        busy.saturating_sub(self.ours - before.ours) as f64 / (busy + idle).max(1) as f64
    }
}
