//! Counters in Prometheus' text format 0.0.4. A response updates them when it ends, not for each chunk.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::close_reason::CloseReason;
use crate::http::response::Body;
use crate::logging;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The classes of status that filmstrip sends.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of the histogram's buckets, in seconds: for a file in the page cache, on a disk, on a disk that
/// spins up.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Why a connection was refused with 503; [`Refused::sentence`] explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Address,
    TimedOut,
    NoResources,
}

impl Refused {
    const LABELS: [&'static str; 3] = ["address_limit", "timed_out", "no_resources"];

    pub fn sentence(self) -> &'static str {
        match self {
            Self::Address => "its address has --max-connections-per-ip connections open",
            Self::TimedOut => "--max-connections are open, and none closed in time",
            Self::NoResources => "no thread can be started for it",
        }
    }
}

#[derive(Debug, Default)]
pub struct Metrics {
    requests: [AtomicU64; CLASSES.len()],
    sent_bytes: AtomicU64,
    streams: Arc<AtomicU64>,
    refused: [AtomicU64; Refused::LABELS.len()],
    closed: [AtomicU64; CloseReason::COUNT],
    open: AtomicU64,
    idle: AtomicU64,
    /// Not cumulative, unlike what Prometheus reads; the last bucket has no upper bound.
    first_byte: [AtomicU64; BUCKETS.len() + 1],
    first_byte_nanoseconds: AtomicU64,
}

/// Counts as a running stream until it is dropped.
pub struct Stream(Arc<AtomicU64>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count(counters: &[AtomicU64], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// A response begins. Keep the result until it ends.
    pub fn begin(&self, body: &Body) -> Option<Stream> {
        matches!(body, Body::Slice(..) | Body::Slices(..)).then(|| {
            self.streams.fetch_add(1, Ordering::Relaxed);
            Stream(Arc::clone(&self.streams))
        })
    }

    /// A response ended after `sent` bytes of its body. `first_byte` is the time from the request's first byte to the
    /// response's.
    pub fn end(&self, status: u16, sent: u64, first_byte: Option<Duration>) {
        count(&self.requests, usize::from(status / 100).wrapping_sub(2));
        self.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        if let Some(took) = first_byte {
            count(&self.first_byte, BUCKETS.partition_point(|&end| end < took.as_secs_f64()));
            let nanoseconds = took.as_nanos().try_into().unwrap_or(u64::MAX);
            self.first_byte_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }

    pub fn refused(&self, why: Refused) {
        count(&self.refused, why as usize);
    }

    pub fn closed(&self, why: CloseReason) {
        count(&self.closed, why as usize);
    }

    /// The connections that are open, and how many of them are parked: idle, with an incomplete head, or in a lingering
    /// close.
    pub fn set_connections(&self, open: usize, idle: usize) {
        self.open.store(open as u64, Ordering::Relaxed);
        self.idle.store(idle.min(open) as u64, Ordering::Relaxed);
    }

    pub fn text(&self) -> String {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let one = |counter| vec![(String::new(), value(counter))];
        let labelled = |label: &str, names: &[&str], numbers: &[u64]| {
            let sample = |(name, number): (&&str, &u64)| (format!("{{{label}=\"{name}\"}}"), *number);
            names.iter().zip(numbers).map(sample).collect::<Vec<_>>()
        };
        let mut text = Text(String::new());
        let open = value(&self.open);
        let idle = value(&self.idle);
        // Behind an embedder's tiny_http::Server, connections aren't counted.
        if open > 0 {
            let states = labelled("state", &["busy", "idle"], &[open.saturating_sub(idle), idle]);
            let help = "Connections by state: busy (a worker has it), idle (its client is to send something).";
            text.family("connections", "gauge", help, states);
        }
        let requests = labelled("class", &CLASSES, &self.requests.each_ref().map(value));
        text.family("requests_total", "counter", "Requests that were answered, by the class of the status.", requests);
        let help = "Bytes of bodies that were sent, counted when a response ends.";
        text.family("sent_bytes_total", "counter", help, one(&self.sent_bytes));
        text.family("streams", "gauge", "Responses that are sending a file now.", one(&self.streams));
        let refused = labelled("reason", &Refused::LABELS, &self.refused.each_ref().map(value));
        text.family("refusals_total", "counter", "Connections that were refused with 503, by reason.", refused);
        let closed = labelled("reason", &CloseReason::labels(), &self.closed.each_ref().map(value));
        text.family("closes_total", "counter", "Connections that ended, by reason.", closed);
        let help = "Lines of the log that were lost because standard error could not be written.";
        text.family("log_lines_lost_total", "counter", help, vec![(String::new(), logging::lines_lost())]);
        self.histogram(&mut text);
        text.0
    }

    fn histogram(&self, text: &mut Text) {
        let mut total = 0;
        let mut samples = Vec::new();
        let ends = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (end, counter) in ends.zip(&self.first_byte) {
            total += counter.load(Ordering::Relaxed);
            samples.push((format!("_bucket{{le=\"{end}\"}}"), total.to_string()));
        }
        let sum = Duration::from_nanos(self.first_byte_nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        samples.extend([("_sum".into(), sum.to_string()), ("_count".into(), total.to_string())]);
        let help = "Time from a request's first byte to its response's.";
        text.family("time_to_first_byte_seconds", "histogram", help, samples);
    }
}

struct Text(String);

impl Text {
    /// Writes a metric with a line for each sample: the rest of its name, and its value.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: Vec<(String, impl Display)>) {
        // Writing to a String can't fail.
        let _ = writeln!(self.0, "# HELP filmstrip_{name} {help}\n# TYPE filmstrip_{name} {kind}");
        for (rest, value) in samples {
            let _ = writeln!(self.0, "filmstrip_{name}{rest} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_label() {
        let last = Refused::NoResources;
        assert_eq!(Refused::LABELS.len(), last as usize + 1);
        assert_eq!(Refused::LABELS[last as usize], "no_resources");
    }

    #[test]
    fn what_happened_is_what_is_told() {
        let metrics = Metrics::default();
        for (status, sent, milliseconds) in
            [(200, 10, Some(1)), (206, 5, Some(700)), (404, 0, Some(20_000)), (503, 0, None)]
        {
            metrics.end(status, sent, milliseconds.map(Duration::from_millis));
        }
        metrics.refused(Refused::TimedOut);
        metrics.closed(CloseReason::Stalled);
        metrics.set_connections(2, 1);
        let text = metrics.text();
        for line in [
            "filmstrip_requests_total{class=\"2xx\"} 2",
            "filmstrip_requests_total{class=\"3xx\"} 0",
            "filmstrip_requests_total{class=\"5xx\"} 1",
            "filmstrip_sent_bytes_total 15",
            "filmstrip_refusals_total{reason=\"timed_out\"} 1",
            "filmstrip_connections{state=\"busy\"} 1",
            "filmstrip_connections{state=\"idle\"} 1",
            "filmstrip_closes_total{reason=\"stalled\"} 1",
            "filmstrip_time_to_first_byte_seconds_bucket{le=\"0.0005\"} 0",
            "filmstrip_time_to_first_byte_seconds_bucket{le=\"0.001\"} 1",
            "filmstrip_time_to_first_byte_seconds_bucket{le=\"1\"} 2",
            "filmstrip_time_to_first_byte_seconds_bucket{le=\"+Inf\"} 3",
            "filmstrip_time_to_first_byte_seconds_sum 20.701",
            "filmstrip_time_to_first_byte_seconds_count 3",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert!(!Metrics::default().text().contains("filmstrip_connections"), "none is known");
    }

    #[test]
    fn a_stream_counts_while_it_runs() {
        let metrics = Metrics::default();
        let running = |metrics: &Metrics| metrics.text().contains("\nfilmstrip_streams 1\n");
        let file = || std::fs::File::open("Cargo.toml").unwrap();
        let stream = metrics.begin(&Body::Slice(file().into(), 0..1));
        assert!(running(&metrics));
        drop(stream);
        assert!(!running(&metrics) && metrics.begin(&Body::Empty).is_none());
    }
}
