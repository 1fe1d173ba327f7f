//! What happened, as numbers that Prometheus collects (text format 0.0.4).
//!
//! Each response touches a few counters when it ends, and none on its way: no chunk waits for another connection's. So
//! the bytes of a film count when its response is over, and the streams that are running are a number of their own.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::admission::Admission;
use crate::connection::Ending;
use crate::http::response::Body;

/// What the text is, to whoever collects it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The classes of status that there are here.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Upper ends of the histogram's buckets, in seconds: a file in the page cache, a disk, a disk that has to wake up.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Why a newcomer was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// There was neither a place nor room to wait.
    QueueFull,
    /// No place became free in time.
    Waited,
}

/// Their names, in order.
const TURNED_AWAY: [&str; 2] = ["queue_full", "waited"];

/// The counters of one site.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [AtomicU64; CLASSES.len()],
    sent_bytes: AtomicU64,
    streams: Arc<AtomicU64>,
    turned_away: [AtomicU64; TURNED_AWAY.len()],
    closes: [AtomicU64; Ending::ALL.len()],
    /// The buckets, each without those below it; the last one has no end.
    first_byte: [AtomicU64; BUCKETS.len() + 1],
    first_byte_nanoseconds: AtomicU64,
    /// Who is inside is not counted here: the one who knows is asked.
    admission: OnceLock<Arc<Admission>>,
}

/// A file is being sent, until this is dropped.
#[derive(Debug)]
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
    /// From now on the connections of `admission` are told too.
    pub fn ask(&self, admission: Arc<Admission>) {
        // A site has one server; a second one's connections would be no better to tell than the first one's.
        let _ = self.admission.set(admission);
    }

    /// A response begins; keep what this gives until it ends.
    pub fn begin(&self, body: &Body) -> Option<Stream> {
        matches!(body, Body::Slice(..) | Body::Slices(..)).then(|| {
            self.streams.fetch_add(1, Ordering::Relaxed);
            Stream(Arc::clone(&self.streams))
        })
    }

    /// A response of `status` ended, of whose body `sent` bytes went out; the first byte of it went out this long after
    /// the request's first byte came in.
    pub fn end(&self, status: u16, sent: u64, first_byte: Option<Duration>) {
        count(&self.requests, usize::from(status / 100).wrapping_sub(2));
        self.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        if let Some(took) = first_byte {
            count(&self.first_byte, BUCKETS.partition_point(|&end| end < took.as_secs_f64()));
            let nanoseconds = took.as_nanos().try_into().unwrap_or(u64::MAX);
            self.first_byte_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        }
    }

    /// A newcomer was turned away.
    pub fn turned_away(&self, why: TurnedAway) {
        count(&self.turned_away, why as usize);
    }

    /// A connection ended.
    pub fn closed(&self, why: Ending) {
        count(&self.closes, why as usize);
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let labelled = |label: &'static str, names: &[&'static str], counters: &[AtomicU64]| {
            let sample = |(name, counter)| (format!("{{{label}=\"{name}\"}}"), value(counter));
            names.iter().zip(counters).map(sample).collect::<Vec<_>>()
        };
        let mut text = Text(String::new());
        if let Some(admission) = self.admission.get() {
            let census = admission.census();
            let states = [("busy", census.busy), ("idle", census.idle), ("waiting", census.waiting)];
            let samples = states.map(|(state, number)| (format!("{{state=\"{state}\"}}"), number));
            text.family("connections", "gauge", "Connections by state; those that wait have no place yet.", samples);
        }
        text.family(
            "requests_total",
            "counter",
            "Requests that were answered, by the class of the status.",
            labelled("class", &CLASSES, &self.requests),
        );
        text.family(
            "sent_bytes_total",
            "counter",
            "Bytes of bodies that were sent, counted when a response ends.",
            [(String::new(), value(&self.sent_bytes))],
        );
        text.family(
            "streams",
            "gauge",
            "Responses that are sending a file now.",
            [(String::new(), value(&self.streams))],
        );
        text.family(
            "refusals_total",
            "counter",
            "Connections that were turned away, by reason.",
            labelled("reason", &TURNED_AWAY, &self.turned_away),
        );
        text.family(
            "closes_total",
            "counter",
            "Connections that ended, by reason.",
            labelled("reason", &Ending::ALL.map(Ending::label), &self.closes),
        );
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
    /// A metric: what it is, and a line for each of its samples, whose names go on where the metric's ends.
    fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, impl Display)>,
    ) {
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
    fn every_reason_has_a_place_of_its_own() {
        for (at, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, at, "{ending:?}");
        }
        assert_eq!(TURNED_AWAY[TurnedAway::Waited as usize], "waited");
        let labels: std::collections::HashSet<_> = Ending::ALL.map(Ending::label).into();
        assert_eq!(labels.len(), Ending::ALL.len());
    }

    #[test]
    fn what_happened_is_what_is_told() {
        let metrics = Metrics::default();
        for (status, sent, milliseconds) in
            [(200, 10, Some(1)), (206, 5, Some(700)), (404, 0, Some(20_000)), (503, 0, None)]
        {
            metrics.end(status, sent, milliseconds.map(Duration::from_millis));
        }
        metrics.turned_away(TurnedAway::Waited);
        metrics.closed(Ending::Stalled);
        let text = metrics.text();
        for line in [
            "filmstrip_requests_total{class=\"2xx\"} 2",
            "filmstrip_requests_total{class=\"3xx\"} 0",
            "filmstrip_requests_total{class=\"5xx\"} 1",
            "filmstrip_sent_bytes_total 15",
            "filmstrip_refusals_total{reason=\"waited\"} 1",
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
        assert!(!text.contains("filmstrip_connections"), "nobody knows of any");
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
