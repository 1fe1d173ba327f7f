//! The program's log: lines on standard error that nothing ever waits for.
//!
//! `env_logger` filters and formats (`RUST_LOG`, `info` by default). Its lines go into a queue, from which one thread
//! writes them to standard error. A pipe that nobody reads, or a terminal stopped by Ctrl-S, blocks only that thread. A
//! line that finds the queue full, or that can't be written, is lost. As soon as lines can be written again, the log
//! says how many were lost.
//!
//! The queue holds 2048 lines. Only a hostile client makes them long: one of the access log has at most some 4 KiB, and
//! a full queue of these 8 MiB.

// tracing-appender's writer brings tracing-subscriber, time and crossbeam, and tells nobody what it dropped;
// flexi_logger replaces env_logger. Both are more than this file.

use std::io::{self, IsTerminal, Write};
use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Messages that the queue holds; a message is a line, as a rule.
const QUEUE: usize = 2048;

/// Bytes after which lines are written, even if there are more in the queue.
const BATCH: usize = 64 * 1024;

/// How long [`Log::flush`] waits.
const FLUSH: Duration = Duration::from_secs(1);

/// A process has one standard error, so that one counter serves, and the metrics need not be handed a log.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that were lost since the program started.
pub fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// A handle to the queue. Clones share it.
#[derive(Debug, Clone)]
pub struct Log {
    queue: SyncSender<Message>,
    unreported: Unreported,
}

#[derive(Debug)]
enum Message {
    /// One or several whole lines.
    Lines(Vec<u8>),
    /// Asks for an answer once everything before it is written.
    Flush(SyncSender<()>),
}

/// The number of lines that were lost, and that the log hasn't reported yet.
#[derive(Debug, Clone, Default)]
struct Unreported(Arc<AtomicU64>);

impl Unreported {
    /// Counts lines that are lost.
    fn add(&self, text: &[u8]) {
        let lines = text.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.0.fetch_add(lines, Ordering::Relaxed);
        LOST.fetch_add(lines, Ordering::Relaxed);
    }

    /// Reports the lines that were lost, if there are any. If that fails too, the next report has them.
    fn report_to(&self, out: &mut impl Write) {
        let lost = self.0.load(Ordering::Relaxed);
        if lost > 0 && out.write_all(report(lost, Timestamp::now()).as_bytes()).is_ok() {
            self.0.fetch_sub(lost, Ordering::Relaxed);
        }
    }
}

/// Lets `log` and panics write to standard error without waiting for it.
///
/// # Errors
/// When the thread that writes can't be started.
pub fn init() -> io::Result<Log> {
    let log = Log::start(io::stderr())?;
    // With a pipe as its target env_logger can't tell, so that it is told.
    let colors = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let env = env_logger::Env::default().default_filter_or("info").default_write_style_or(if colors {
        "always"
    } else {
        "never"
    });
    env_logger::Builder::from_env(env).target(env_logger::Target::Pipe(Box::new(log.clone()))).init();
    // The usual hook writes to standard error itself, and would wait for it.
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(log)
}

impl Log {
    fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let unreported = Unreported::default();
        let log = Self { queue, unreported: unreported.clone() };
        let write = move || write_to(out, &messages, &unreported);
        thread::Builder::new().name("log".into()).stack_size(64 * 1024).spawn(write)?;
        Ok(log)
    }

    /// Waits until everything is written, or for a second at most.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        // `send` would wait for ever where nobody reads, and std has no `send_timeout`.
        while let Err(TrySendError::Full(unsent)) = self.queue.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            message = unsent;
            thread::sleep(Duration::from_millis(5));
        }
        // An error says that the second is over, or that the thread is gone: both times there is nothing to wait for.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Write for Log {
    /// Takes whole lines, as `env_logger` writes them, and takes them at once.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Lines(lines.to_vec())).is_err() {
            self.unreported.add(lines);
        }
        Ok(lines.len())
    }

    /// Does nothing, because it is called after every line. [`Log::flush`] is what waits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to `out` what comes into the queue, many lines at a time where there are many.
fn write_to(mut out: impl Write, messages: &Receiver<Message>, unreported: &Unreported) {
    let mut text = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut flush = None;
        for message in once(first).chain(messages.try_iter()) {
            match message {
                Message::Lines(lines) => text.extend_from_slice(&lines),
                Message::Flush(done) => flush = Some(done),
            }
            if flush.is_some() || text.len() >= BATCH {
                break;
            }
        }
        if out.write_all(&text).is_err() {
            unreported.add(&text);
        }
        text.clear();
        unreported.report_to(&mut out);
        if let Some(done) = flush {
            // The one who asked may have gone.
            let _ = done.send(());
        }
    }
}

/// In `env_logger`'s format, past its filter: who filters warnings out wants to know of lost errors, too.
fn report(lost: u64, now: Timestamp) -> String {
    let lines = if lost == 1 { "1 log line was" } else { &format!("{lost} log lines were") };
    format!("[{now:.0} WARN  filmstrip::logging] {lines} lost: standard error could not be written\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// A standard error that hands over what is written to it, and then waits until it may go on; without anybody to
    /// hand it to, it is broken.
    struct Gate(Sender<String>, Receiver<()>);

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let broken = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.0.send(String::from_utf8(text.to_vec()).unwrap()).map_err(broken)?;
            self.1.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A log whose thread waits in the midst of its first line; `lost` lines more than the queue holds came after that.
    fn stuck(lost: usize) -> (Log, Receiver<String>, Sender<()>) {
        let (sender, written) = channel();
        let (go_on, receiver) = channel();
        let mut log = Log::start(Gate(sender, receiver)).unwrap();
        log.write_all(b"first\n").unwrap();
        assert_eq!(written.recv().unwrap(), "first\n");
        for number in 0..QUEUE + lost {
            log.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        (log, written, go_on)
    }

    fn unreported(log: &Log) -> u64 {
        log.unreported.0.load(Ordering::Relaxed)
    }

    #[test]
    fn where_nobody_reads_the_queue_has_a_bound_and_a_flush_has_an_end() {
        let (log, _written, _go_on) = stuck(3);
        assert_eq!(unreported(&log), 3);
        assert!(lines_lost() >= 3);
        let started = Instant::now();
        log.flush();
        assert!(started.elapsed() >= FLUSH);
        assert!(started.elapsed() < 20 * FLUSH, "{:?}", started.elapsed());
    }

    #[test]
    fn once_lines_are_read_again_the_log_says_how_many_are_missing() {
        let (mut log, written, go_on) = stuck(3);
        go_on.send(()).unwrap();
        let report = written.recv().unwrap();
        assert!(report.contains(" 3 log lines were lost: "), "{report}");
        let mut rest = String::new();
        while !rest.ends_with(&format!("line {}\n", QUEUE - 1)) {
            go_on.send(()).unwrap();
            rest += &written.recv().unwrap();
        }
        assert!(rest.starts_with("line 0\nline 1\n"), "{rest}");
        assert_eq!(rest.lines().count(), QUEUE);
        log.write_all(b"later\n").unwrap();
        go_on.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), "later\n", "lost lines are reported once");
        assert_eq!(unreported(&log), 0);
    }

    #[test]
    fn what_can_not_be_written_is_counted_and_ends_nothing() {
        let (sender, written) = channel();
        let (_go_on, receiver) = channel();
        drop(written);
        let mut log = Log::start(Gate(sender, receiver)).unwrap();
        for round in 1..=3 {
            log.write_all(b"line\n").unwrap();
            log.flush();
            assert_eq!(unreported(&log), round);
        }
    }

    #[test]
    fn a_flush_waits_for_what_is_in_a_full_queue() {
        let (log, written, go_on) = stuck(0);
        let reader = thread::spawn(move || {
            let mut text = String::new();
            // Ends when the log is dropped.
            while go_on.send(()).is_ok() {
                let Ok(more) = written.recv() else { break };
                text += &more;
            }
            text
        });
        log.flush();
        drop(log);
        let text = reader.join().unwrap();
        assert!(text.ends_with(&format!("line {}\n", QUEUE - 1)), "{text}");
        assert_eq!(text.lines().count(), QUEUE);
    }

    #[test]
    fn a_report_looks_like_any_other_line() {
        let want = "[1970-01-01T00:00:00Z WARN  filmstrip::logging] 2 log lines were lost: \
                    standard error could not be written\n";
        assert_eq!(report(2, Timestamp::UNIX_EPOCH), want);
        assert!(report(1, Timestamp::UNIX_EPOCH).contains("] 1 log line was lost: "));
    }
}
