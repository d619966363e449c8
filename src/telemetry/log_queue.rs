//! Carries the log's lines to standard error through a bounded queue, from which a separate thread writes.
//!
//! A thread that logs never waits: otherwise a journal or a terminal that hangs would stop the whole server, one thread
//! after the other. When the queue is full, lines are dropped and counted, and the log says how many as soon as it is
//! read again. Only the audit log's thread waits for room ([`may_wait`]), because it has its own queue, in which losses
//! are counted.
//!
//! At the end of the process, [`Flush`] waits for a limited time until all lines are written.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing_subscriber::fmt::MakeWriter;

/// The size of the queue in bytes: thousands of lines, which are short.
const CAPACITY: usize = 1 << 20;
/// The pause of a thread that writes lines, after each write.
const WRITE_PAUSE: Duration = Duration::from_millis(2);
/// The most time that the end of the process waits for the last lines to be read.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Allows this thread, from now on, to wait when the queue is full.
pub(super) fn may_wait() {
    MAY_WAIT.set(true);
}

/// Waits for a moment after a write. Lines that come meanwhile are written together, and whoever adds them need not
/// wake the thread, which would cost two system calls for each event of a busy server.
pub(super) fn pause_after_write() {
    std::thread::sleep(WRITE_PAUSE);
}

/// A bounded queue of log lines. All clones share the same queue.
#[derive(Clone)]
pub(super) struct LogQueue(Arc<LogQueueShared>);

struct LogQueueShared {
    state: Mutex<LogQueueState>,
    /// Signals that lines were added or removed.
    changed: Condvar,
}

#[derive(Default)]
struct LogQueueState {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// Whether the thread is writing the lines that it has taken.
    writing: bool,
}

impl LogQueue {
    /// Starts the thread, which writes to `to` as long as the process lives.
    pub(super) fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self(Arc::new(LogQueueShared {
            state: Mutex::default(),
            changed: Condvar::new(),
        }));
        let writer = queue.clone();
        let thread = std::thread::Builder::new().name("log".into());
        thread.spawn(move || writer.write_all_to(to))?;
        Ok(queue)
    }

    fn state(&self) -> MutexGuard<'_, LogQueueState> {
        self.0.state.lock()
    }

    /// Adds a line that has no newline yet, behind a prefix.
    pub(super) fn push_line(&self, prefix: &str, line: &str) {
        self.push(format!("{prefix}{line}\n").as_bytes());
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        // A line that is longer than the whole queue is still accepted when the queue is empty.
        while state.bytes + line.len() > CAPACITY && state.bytes > 0 {
            if !MAY_WAIT.get() {
                state.dropped += 1;
                return;
            }
            self.0.changed.wait(&mut state);
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.0.changed.notify_all();
    }

    fn write_all_to(&self, mut to: impl Write) {
        let mut state = self.state();
        loop {
            while state.lines.is_empty() && state.dropped == 0 {
                self.0.changed.wait(&mut state);
            }
            let lines = std::mem::take(&mut state.lines);
            let dropped = std::mem::take(&mut state.dropped);
            state.writing = true;
            // Bytes that are being written still count, so that the queue never holds more than its limit.
            drop(state);
            let mut text: Vec<u8> = lines.into_iter().flatten().collect();
            let taken = text.len();
            if dropped > 0 {
                text.extend(lost(dropped).into_bytes());
            }
            // An error here cannot be reported anywhere.
            let _ = to.write_all(&text).and_then(|()| to.flush());
            state = self.state();
            state.bytes = state.bytes.saturating_sub(taken);
            state.writing = false;
            self.0.changed.notify_all();
            drop(state);
            pause_after_write();
            state = self.state();
        }
    }

    /// Waits until all lines are written, or until `at_most` has passed.
    fn flush(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut state = self.state();
        while !state.lines.is_empty() || state.dropped > 0 || state.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.0.changed.wait_for(&mut state, left);
        }
    }
}

/// Returns the line that reports lost lines. It is JSON, which people can read as well.
fn lost(count: u64) -> String {
    let now = Timestamp::now();
    format!(
        "{{\"timestamp\":\"{now:.3}\",\"level\":\"WARN\",\"message\":\"lines of this log were lost\",\"count\":{count}}}\n"
    )
}

impl<'w> MakeWriter<'w> for LogQueue {
    type Writer = LogQueue;

    fn make_writer(&'w self) -> Self::Writer {
        self.clone()
    }
}

/// The log passes one whole line to each call.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits, when it is dropped, until the log is written, for a limited time. The code that ends the process must keep
/// it.
pub struct Flush(pub(super) LogQueue);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.flush(FLUSH_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A writer whose reader accepts one write for each permission, and all writes when no more permissions can come.
    struct Slow {
        begun: mpsc::Sender<usize>,
        permissions: mpsc::Receiver<()>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(bytes.len());
            let _ = self.permissions.recv();
            self.text.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logging_does_not_wait_for_the_reader_and_losses_are_reported() {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let (begun, begins) = mpsc::channel();
        let (permit, permissions) = mpsc::channel();
        let slow = Slow {
            begun,
            permissions,
            text: Arc::clone(&text),
        };
        let queue = LogQueue::start(slow).unwrap();
        let mut log = queue.clone();
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let room = (CAPACITY - 6) / line.len();
        log.write_all(b"first\n").unwrap();
        assert_eq!(begins.recv().unwrap(), 6);
        // The reader hangs, so this would never return if the log waited for it.
        (0..5000).for_each(|_| log.write_all(&line).unwrap());
        let held = |queue: &LogQueue| {
            let state = queue.state();
            assert!(state.bytes <= CAPACITY, "{}", state.bytes);
            (state.lines.len(), state.dropped)
        };
        assert_eq!(held(&queue), (room, 5000 - room as u64));
        // The end of the process does not wait forever.
        queue.flush(Duration::from_millis(1));
        // Bytes that are being written count as well, and a loss at that time is reported even without another line.
        permit.send(()).unwrap();
        assert!(begins.recv().unwrap() > room * line.len());
        log.write_all(&line).unwrap();
        assert_eq!(held(&queue), (0, 1));
        drop(permit);
        // Only a failing test waits for this long.
        queue.flush(Duration::from_secs(600));
        assert_eq!(held(&queue), (0, 0));
        let text = String::from_utf8(text.lock().clone()).unwrap();
        let kept = text.lines().filter(|line| line.starts_with('x')).count();
        let lost = text.lines().filter(|line| line.contains("lost")).map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["count"].as_u64().unwrap()
        });
        assert_eq!(
            (kept, lost.collect::<Vec<_>>()),
            (room, vec![5000 - room as u64, 1])
        );
    }

    #[test]
    fn the_audit_log_thread_waits_and_loses_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = LogQueue::start(writer).unwrap();
        let audit = std::thread::spawn({
            let mut queue = queue;
            move || {
                may_wait();
                (0..5000).for_each(|n| writeln!(queue, "{n:>999}").unwrap());
            }
        });
        let lines = io::BufRead::lines(io::BufReader::new(reader)).take(5000);
        for (n, line) in lines.enumerate() {
            assert_eq!(line.unwrap().trim_start(), n.to_string());
        }
        audit.join().unwrap();
    }
}
