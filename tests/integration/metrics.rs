//! `/metrics`: what they count, and their format.

use std::fs::{self, File};
use std::process::Command;

use crate::support::{Client, Folder, Running, eventually, find_program};

/// The value of a sample in the metrics.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
}

#[test]
fn a_counter_moves_by_exactly_what_was_sent() {
    let folder = Folder::new().with("film.mp4", vec![7; 100_000]);
    let server = Running::over(&folder);
    let mut scraper = Client::connect(server.address);
    let mut scrape = || scraper.ask("/metrics").text().to_owned();
    let first = scrape();
    let mut client = Client::connect(server.address);
    for (method, range, status) in [
        ("GET", None, 200),
        ("GET", Some("bytes=10-19"), 206),
        ("GET", Some("bytes=100000-"), 416),
        ("HEAD", None, 200),
    ] {
        let field = range.map(|range| ("Range", range));
        assert_eq!(client.request(method, "/video/film.mp4", field.as_slice()).status, status, "{method} {range:?}");
    }
    drop(client);
    let unsatisfiable = "The file has 100000 bytes. The requested range is beyond its end.\n".len();
    let moved = |name: &str, now: &str, then: &str| sample(now, name) - sample(then, name);
    let mut now = scrape();
    let mut scrapes = first.len();
    // The last response is counted shortly after its last byte, and the close shortly before its connection is gone.
    eventually("four requests and the close are counted, and only the connection of the scrape is busy", || {
        scrapes += now.len();
        now = scrape();
        moved("filmstrip_closes_total{reason=\"client_closed\"}", &now, &first) == 1.0
            && sample(&now, "filmstrip_connections{state=\"busy\"}") == 1.0
    });
    let bytes = moved("filmstrip_sent_bytes_total", &now, &first);
    assert_eq!(bytes, (100_000 + 10 + unsatisfiable + scrapes) as f64);
    assert_eq!(moved("filmstrip_requests_total{class=\"4xx\"}", &now, &first), 1.0);
    assert_eq!(sample(&now, "filmstrip_streams"), 0.0);
    let count = sample(&now, "filmstrip_time_to_first_byte_seconds_count");
    let requests = ["2xx", "3xx", "4xx", "5xx"]
        .map(|class| sample(&now, &format!("filmstrip_requests_total{{class=\"{class}\"}}")));
    assert_eq!(count, requests.iter().sum::<f64>());
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = find_program("promtool", "prometheus") else { return };
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    Client::get(server.address, "/video/film.mp4");
    let metrics = folder.file("metrics");
    fs::write(&metrics, Client::get(server.address, "/metrics").body).unwrap();
    let checked =
        Command::new(promtool).args(["check", "metrics"]).stdin(File::open(metrics).unwrap()).output().unwrap();
    assert!(checked.status.success() && checked.stdout.is_empty() && checked.stderr.is_empty(), "{checked:?}");
}
