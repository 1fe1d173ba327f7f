//! The program's log: lines on standard error that nothing ever waits for.
//!
//! `env_logger` filters and formats (`RUST_LOG`, `info` by default). Its lines go into a bounded queue, which one
//! thread writes to standard error: a pipe that nobody reads, or a terminal stopped by Ctrl-S, holds up that thread
//! alone. A line that doesn't fit into the queue, or can't be written, is lost; once lines can be written again, the
//! log says how many were.

// tracing-appender's writer brings tracing-subscriber, time and crossbeam, and tells nobody what it dropped;
// flexi_logger replaces env_logger. Both are more than this file.

use std::io::{self, IsTerminal, Write};
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

/// Bytes that the queue holds, some two thousand lines; as many may be on their way out of it.
const CAPACITY: usize = 256 * 1024;

/// How long [`Log::flush`] waits.
const FLUSH: Duration = Duration::from_secs(1);

/// A process has one standard error, so that one counter serves, and the metrics need not be handed a log.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that were lost since the program started.
pub fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The way to standard error. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Debug, Default)]
struct Queue {
    text: Vec<u8>,
    is_writing: bool,
    /// Lines that were lost and not yet reported. They belong behind `text`.
    lost: u64,
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
        let log = Self::default();
        let queue = log.clone();
        thread::Builder::new().name("log".into()).stack_size(64 * 1024).spawn(move || queue.write_to(out))?;
        Ok(log)
    }

    /// Waits until everything is written, or for a second at most.
    pub fn flush(&self) {
        let is_pending = |queue: &mut Queue| queue.is_writing || !queue.text.is_empty();
        // Whoever poisoned it has nothing left to write.
        let _ = self.0.1.wait_timeout_while(self.queue(), FLUSH, is_pending);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to `out` what comes into the queue, for ever.
    fn write_to(&self, mut out: impl Write) {
        loop {
            let is_idle = |queue: &mut Queue| queue.text.is_empty();
            let mut queue = self.0.1.wait_while(self.queue(), is_idle).unwrap_or_else(PoisonError::into_inner);
            queue.is_writing = true;
            let (text, mut lost) = (take(&mut queue.text), take(&mut queue.lost));
            drop(queue);
            if out.write_all(&text).is_err() {
                let lines = count_lines(&text);
                LOST.fetch_add(lines, Ordering::Relaxed);
                lost += lines;
            }
            if lost > 0 && out.write_all(report(lost, Timestamp::now()).as_bytes()).is_ok() {
                lost = 0;
            }
            let mut queue = self.queue();
            queue.is_writing = false;
            queue.lost += lost;
            self.0.1.notify_all();
        }
    }
}

impl Write for Log {
    /// Takes whole lines, as `env_logger` writes them, and takes them at once.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        if queue.text.len() + lines.len() > CAPACITY {
            let lost = count_lines(lines);
            queue.lost += lost;
            LOST.fetch_add(lost, Ordering::Relaxed);
        } else {
            queue.text.extend_from_slice(lines);
            if !queue.is_writing {
                self.0.1.notify_all();
            }
        }
        Ok(lines.len())
    }

    /// Nothing: this is called after every line. [`Log::flush`] is what waits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// In `env_logger`'s format, past its filter: who filters warnings out wants to know of lost errors, too.
fn report(lost: u64, now: Timestamp) -> String {
    let lines = if lost == 1 { "1 log line was" } else { &format!("{lost} log lines were") };
    format!("[{now:.0} WARN  filmstrip::logging] {lines} lost: standard error could not be written\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

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
        let ((sender, written), (go_on, receiver)) = (channel(), channel());
        let mut log = Log::start(Gate(sender, receiver)).unwrap();
        log.write_all(b"first\n").unwrap();
        assert_eq!(written.recv().unwrap(), "first\n");
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        (0..CAPACITY / line.len() + lost).for_each(|_| log.write_all(&line).unwrap());
        (log, written, go_on)
    }

    #[test]
    fn where_nobody_reads_the_queue_has_a_bound_and_a_flush_has_an_end() {
        let (log, _written, _go_on) = stuck(3);
        assert_eq!(log.queue().text.len(), CAPACITY);
        assert_eq!(log.queue().lost, 3);
        assert!(lines_lost() >= 3);
        let started = Instant::now();
        log.flush();
        assert!(started.elapsed() >= FLUSH);
    }

    #[test]
    fn once_lines_are_read_again_the_log_says_how_many_are_missing_and_where() {
        let (mut log, written, go_on) = stuck(3);
        go_on.send(()).unwrap();
        assert_eq!(written.recv().unwrap().len(), CAPACITY);
        log.write_all(b"later\n").unwrap();
        go_on.send(()).unwrap();
        let report = written.recv().unwrap();
        assert!(report.contains(" 3 log lines were lost: "), "{report}");
        go_on.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), "later\n");
    }

    #[test]
    fn what_can_not_be_written_is_counted_and_ends_nothing() {
        let ((sender, written), (_go_on, receiver)) = (channel(), channel());
        drop(written);
        let mut log = Log::start(Gate(sender, receiver)).unwrap();
        for round in 1..=3 {
            log.write_all(b"line\n").unwrap();
            log.flush();
            assert_eq!(log.queue().lost, round);
        }
    }

    #[test]
    fn a_flush_waits_for_what_is_being_written() {
        let (log, written, go_on) = stuck(0);
        let reader = thread::spawn(move || {
            go_on.send(()).unwrap();
            assert_eq!(written.recv().unwrap().len(), CAPACITY);
            go_on.send(()).unwrap();
            written
        });
        log.flush();
        assert!(log.queue().text.is_empty());
        assert!(!log.queue().is_writing);
        assert!(reader.join().unwrap().try_recv().is_err(), "nothing else was written");
    }

    #[test]
    fn a_report_looks_like_any_other_line() {
        let want = "[1970-01-01T00:00:00Z WARN  filmstrip::logging] 2 log lines were lost: \
                    standard error could not be written\n";
        assert_eq!(report(2, Timestamp::UNIX_EPOCH), want);
        assert!(report(1, Timestamp::UNIX_EPOCH).contains("] 1 log line was lost: "));
    }
}
