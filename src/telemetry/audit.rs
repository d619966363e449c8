//! The audit log: one JSON object per line for each event, in the order of the events.
//!
//! A separate thread writes it from a bounded queue in which each user has a part ([`super::event_queue`]): a slow disk
//! slows down only the users who fill the queue, and only for a limited time. Events that do not fit are counted
//! instead of kept. As soon as the disk accepts lines again, the audit log says how many are missing
//! (`{"event":"lost","count":…}`); the process's log says so at once.

use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::event_queue::{EventBatch, EventQueue, QueueCapacity};
use super::record::AuditLine;
use super::{direct, log_queue};
use crate::domain::event::{AdminRecord, Event};
use crate::domain::user::UserName;
use crate::session::events::{EventBackpressure, Subscriber};
use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The target of the audit log's lines in the process's log, which is used if the audit log has no file of its own.
pub(super) const LOG_TARGET: &str = "audit";

/// The limits of the queue: some seconds of a busy server. An event takes a few hundred bytes, and at most 9 KiB.
const CAPACITY: QueueCapacity = QueueCapacity {
    events: 16_384,
    bytes: 8 << 20,
};

/// The most lines that are written at once: up to 4 MiB, if paths are long and consist of bytes that are not text.
const BATCH: usize = 128;

/// The most time that the shutdown waits for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest interval at which the process's log reports lost events.
const REPORT_LOSSES_EVERY: Duration = Duration::from_secs(10);

/// The shortest interval at which the process's log reports that the audit log cannot be written.
const REPORT_FAILURES_EVERY: Duration = Duration::from_secs(60);

/// Subscribes to events and writes them. When it is dropped, queued events are written first.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<EventQueue>,
    /// The random name of this run of the server.
    run: String,
    /// The time at which the process's log last reported lost events.
    losses_reported_at: Mutex<Option<Instant>>,
    /// A channel that is closed when the thread ends.
    ended: Mutex<Receiver<()>>,
}

/// The file of an audit log, which can be opened again after a rotation.
#[derive(Debug, Clone)]
pub struct AuditFile {
    next: Arc<Mutex<Option<AuditSink>>>,
    queue: Arc<EventQueue>,
}

/// The destination of the audit log's lines.
#[derive(Debug)]
pub(super) enum AuditSink {
    /// The lines go to a separate file.
    File(File),
    /// The lines go to the process's log.
    Log,
}

impl AuditSink {
    fn open(path: Option<&Path>) -> Result<AuditSink> {
        let Some(path) = path else {
            return Ok(AuditSink::Log);
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        // The operator may have put a link there, which points to a larger disk.
        let file = open_regular(path, &options, Links::Follow);
        file.map(AuditSink::File).map_err(|e| cannot_open(path, e))
    }

    /// Returns whether the last line is not whole, because its writer was interrupted.
    fn is_torn(&self) -> bool {
        match self {
            AuditSink::File(file) => ends_in_a_line(file),
            AuditSink::Log => false,
        }
    }
}

/// Returns whether a file ends within a line. One that cannot be read counts as whole.
fn ends_in_a_line(file: &File) -> bool {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut last = [b'\n'];
    let read = length.checked_sub(1).map(|at| file.read_at(&mut last, at));
    matches!(read, Some(Ok(1))) && last != *b"\n"
}

/// Appends the event that an operator has changed something, if the file exists, on behalf of a server that does not run.
pub(super) fn append_admin(path: &Path, record: AdminRecord) -> Result<()> {
    let mut file = match open_regular(path, OpenOptions::new().read(true).append(true), Links::Follow) {
        Ok(file) => file,
        // The server creates it when it starts.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(cannot_open(path, e)),
    };
    let line = AuditLine {
        run: &random_name()?,
        time: Timestamp::now(),
        count: 1,
    };
    let before = if ends_in_a_line(&file) { "\n" } else { "" };
    let text = format!("{before}{}\n", line.event(&Event::Admin(Box::new(record))));
    // A part of the line stays: cutting the file could cut what a server has written meanwhile. The next writer begins a
    // new line behind it.
    append(&mut file, text.as_bytes()).map_err(|(_, error)| {
        Error::new(format!("cannot write to audit log \"{}\"", path.display())).because(error)
    })
}

/// Returns a name that no other run of a server has.
fn random_name() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new("cannot start the audit log").because(e.to_string()))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn cannot_open(path: &Path, cause: io::Error) -> Error {
    let kept_out = match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            advice::view(path.parent().unwrap_or(path)).or_else(|| advice::outside_of_sandbox(path))
        }
        _ => None,
    };
    let hint = kept_out.unwrap_or_else(|| {
        "[log] audit in the configuration names it; its directory must exist and be ours".to_owned()
    });
    Error::new(format!("cannot open audit log \"{}\"", path.display()))
        .because(cause)
        .hint(hint)
}

/// Opens the file as [`AuditSink::open`] does, but does not create it. Returns `false` if the file is missing and can
/// be created.
pub(super) fn probe(path: &Path) -> Result<bool> {
    let cannot = |cause| cannot_open(path, cause);
    match open_regular(path, OpenOptions::new().read(true).append(true), Links::Follow) {
        Ok(_) => Ok(true),
        // Opening a dangling link creates the file that it points to.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let target = std::fs::read_link(path).map(|target| path.with_file_name(target));
            let target = target.unwrap_or_else(|_| path.to_owned());
            let dir = target.parent().unwrap_or(Path::new("/"));
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            accessat(CWD, dir, rights, AtFlags::EACCESS).map_err(|errno| match errno {
                rustix::io::Errno::NOENT => {
                    cannot(e).hint(format!("its directory is missing: mkdir {}", advice::quoted(dir)))
                }
                errno => cannot(errno.into()),
            })?;
            Ok(false)
        }
        Err(e) => Err(cannot(e)),
    }
}

impl AuditLog {
    /// Opens the file (created with mode 0600 if it is missing) and starts the thread.
    pub(super) fn open(path: Option<&Path>) -> Result<(AuditLog, AuditFile)> {
        Self::start(AuditSink::open(path)?)
    }

    /// Returns the counter of lost events.
    pub fn losses(&self) -> LossCounter {
        LossCounter(Arc::clone(&self.queue))
    }

    /// Starts the thread with an open sink. Tests pass a pipe, which can hang as a disk may.
    pub(super) fn start(sink: AuditSink) -> Result<(AuditLog, AuditFile)> {
        let run = random_name()?;
        let torn = sink.is_torn();
        let next = Arc::new(Mutex::new(None));
        let queue = Arc::new(EventQueue::new(CAPACITY));
        let (alive, ended) = channel();
        let mut writer = AuditWriter {
            sink,
            next: Arc::clone(&next),
            queue: Arc::clone(&queue),
            run: run.clone(),
            torn,
            failure_reported_at: None,
        };
        let work = move || {
            writer.run();
            drop(alive);
        };
        let spawned = std::thread::Builder::new().name("audit".into()).spawn(work);
        spawned.map_err(|e| Error::new("cannot start the audit log").because(e))?;
        let file = AuditFile {
            next,
            queue: Arc::clone(&queue),
        };
        let log = AuditLog {
            queue,
            run,
            losses_reported_at: Mutex::default(),
            ended: Mutex::new(ended),
        };
        Ok((log, file))
    }
}

/// The number of events that the audit log has lost.
#[derive(Debug, Clone)]
pub struct LossCounter(Arc<EventQueue>);

impl LossCounter {
    /// Returns the number of events that were lost since the start.
    pub fn total(&self) -> u64 {
        self.0.lost_in_all()
    }
}

impl Subscriber for AuditLog {
    fn on_event(&self, event: &Event) {
        if self.queue.push(Timestamp::now(), event) && self.losses_are_due() {
            tracing::error!("the audit log cannot keep up: events are being lost");
        }
    }

    fn backpressure(&self, user: &UserName) -> Option<Arc<EventBackpressure>> {
        Some(self.queue.backpressure(user))
    }
}

impl AuditLog {
    /// Returns the random name of this run of the server, which every line has.
    pub fn run(&self) -> &str {
        &self.run
    }

    fn losses_are_due(&self) -> bool {
        let mut last = self.losses_reported_at.lock();
        let now = Instant::now();
        let due = last.is_none_or(|last| now.duration_since(last) >= REPORT_LOSSES_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue.close();
        let ended = self.ended.get_mut();
        let _ = ended.recv_timeout(FLUSH_TIMEOUT);
    }
}

impl AuditFile {
    /// Opens the file again, or another file. Queued lines may still go to the old one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened. The old file then stays in use.
    pub fn reopen(&self, path: Option<&Path>) -> Result<()> {
        let sink = AuditSink::open(path)?;
        *self.next.lock() = Some(sink);
        self.queue.wake();
        Ok(())
    }
}

/// The pause after each write. Events that arrive during the pause are written together, and their sessions need not
/// wake the thread, which would cost a system call for every small file.
const WRITE_PAUSE: Duration = Duration::from_millis(2);

/// Writes the whole text. On an error, it also returns the number of bytes that were written before.
fn append(file: &mut File, text: &[u8]) -> std::result::Result<(), (u64, io::Error)> {
    let mut rest = text;
    while !rest.is_empty() {
        let error = match file.write(rest) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err(((text.len() - rest.len()) as u64, error));
    }
    Ok(())
}

/// Truncates what was written last, so that no partial line remains. Only the server does so: commands append to the file
/// only while no server runs.
fn take_back(file: &File, written: u64) -> bool {
    let cut = file
        .metadata()
        .and_then(|meta| file.set_len(meta.len().saturating_sub(written)));
    cut.is_ok()
}

/// The state of the thread that writes the audit log.
struct AuditWriter {
    sink: AuditSink,
    next: Arc<Mutex<Option<AuditSink>>>,
    queue: Arc<EventQueue>,
    /// The random name of this run of the server.
    run: String,
    /// Whether the last write stopped in the middle of a line.
    torn: bool,
    /// The time at which the process's log has last reported a write that failed. On a full disk, short lines may still
    /// find room between others.
    failure_reported_at: Option<Instant>,
}

impl AuditWriter {
    fn run(&mut self) {
        log_queue::may_wait();
        loop {
            let batch = self.queue.take(BATCH);
            let ended = batch.ended;
            let more_may_wait = batch.entries.len() == BATCH;
            if let Some(sink) = self.next.lock().take() {
                self.torn = sink.is_torn();
                self.sink = sink;
            }
            self.write(batch);
            if ended {
                return;
            }
            if !more_may_wait {
                std::thread::sleep(WRITE_PAUSE);
            }
        }
    }

    fn write(&mut self, batch: EventBatch) {
        let EventBatch { entries, lost, .. } = batch;
        let count: u64 = entries.iter().map(|entry| entry.count).sum();
        let run = &self.run;
        let lines = entries.into_iter().map(|entry| {
            let line = AuditLine {
                run,
                time: entry.time,
                count: entry.count,
            };
            line.event(&entry.event)
        });
        let losses = (lost > 0).then(|| {
            let line = AuditLine {
                run,
                time: Timestamp::now(),
                count: lost,
            };
            line.lost()
        });
        let lines: Vec<String> = lines.chain(losses).collect();
        let file = match &mut self.sink {
            AuditSink::File(file) => file,
            AuditSink::Log => {
                for line in lines {
                    match direct::log() {
                        Some(log) => log.push_line(&line),
                        None => tracing::info!(target: LOG_TARGET, "{line}"),
                    }
                }
                return;
            }
        };
        if lines.is_empty() {
            return;
        }
        let mut text = if self.torn {
            String::from("\n")
        } else {
            String::new()
        };
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        match append(file, text.as_bytes()) {
            Ok(()) => self.torn = false,
            Err((written, error)) => {
                self.torn |= written > 0 && !take_back(file, written);
                self.queue.not_written(count, lost);
                let is_due = |at: Instant| at.elapsed() >= REPORT_FAILURES_EVERY;
                if self.failure_reported_at.is_none_or(is_due) {
                    tracing::error!(%error, "cannot write the audit log: events are being lost");
                    self.failure_reported_at = Some(Instant::now());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        append(&mut file, b"whole\n").unwrap();
        append(&mut file, b"half").unwrap();
        assert!(take_back(&file, 4));
        append(&mut file, b"next\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole\nnext\n");
        assert!(!ends_in_a_line(&File::open(&path).unwrap()));
        append(&mut file, b"half").unwrap();
        assert!(ends_in_a_line(&File::open(&path).unwrap()));
        let (log, _) = AuditLog::open(Some(path.as_path())).unwrap();
        log.on_event(&Event::Stopped {
            duration: Duration::ZERO,
        });
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("whole\nnext\nhalf\n{\"time\""), "{text}");
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(append(&mut full, b"x").unwrap_err().0, 0);
    }
}
