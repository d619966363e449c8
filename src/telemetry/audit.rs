//! The audit log: one JSON object per line for each event, in the order of the events.
//!
//! A separate thread writes it from a bounded queue in which each user has a part ([`super::event_queue`]): a slow disk
//! slows down only the users who fill the queue, and only for a limited time. Events that do not fit are counted
//! instead of kept. As soon as the disk accepts lines again, the audit log says how many are missing
//! (`{"event":"lost","count":…}`); the process's log says so at once.

mod sink;
mod writer;

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::event_queue::{EventQueue, QueueCapacity};
use super::record::AuditLine;
use crate::domain::event::{AdminRecord, Event};
use crate::domain::user::UserName;
use crate::session::events::{EventBackpressure, Subscriber};
use base::error::{Error, Result};
use base::regular::{Links, open_regular};
use base::report_interval::ReportInterval;
use sink::{append, cannot_open, ends_in_a_line};
use writer::AuditWriter;

pub(super) use sink::{AuditSink, probe};
pub(super) use writer::LOG_TARGET;

/// The limits of the queue: some seconds of a busy server. An event takes a few hundred bytes, and at most 9 KiB.
const CAPACITY: QueueCapacity = QueueCapacity {
    events: 16_384,
    bytes: 8 << 20,
};

/// The most time that the shutdown waits for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest interval at which the process's log reports lost events.
const REPORT_LOSSES_EVERY: Duration = Duration::from_secs(10);

/// Subscribes to events and writes them. When it is dropped, queued events are written first.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<EventQueue>,
    /// The random name of this run of the server.
    run: String,
    /// Limits how often the process's log reports lost events.
    loss_reports: ReportInterval,
    /// A channel that is closed when the thread ends.
    ended: Mutex<Receiver<()>>,
}

/// The file of an audit log, which can be opened again after a rotation.
#[derive(Debug, Clone)]
pub struct AuditFile {
    next: Arc<Mutex<Option<AuditSink>>>,
    queue: Arc<EventQueue>,
}

impl AuditLog {
    /// Opens the file (created with mode 0600 if it is missing) and starts the thread.
    pub(super) fn open(path: Option<&Path>) -> Result<(AuditLog, AuditFile)> {
        Self::start(AuditSink::open(path)?)
    }

    /// Returns the random name of this run of the server, which every line has.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Returns the counter of lost events.
    pub fn losses(&self) -> LossCounter {
        LossCounter(Arc::clone(&self.queue))
    }

    /// Starts the thread with an open sink. Tests pass a pipe, which can hang as a disk may.
    pub(super) fn start(sink: AuditSink) -> Result<(AuditLog, AuditFile)> {
        let run = random_name()?;
        let next = Arc::new(Mutex::new(None));
        let queue = Arc::new(EventQueue::new(CAPACITY));
        let (alive, ended) = channel();
        let mut writer = AuditWriter::new(sink, Arc::clone(&next), Arc::clone(&queue), run.clone());
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
            loss_reports: ReportInterval::new(REPORT_LOSSES_EVERY),
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
        if self.queue.push(Timestamp::now(), event) && self.loss_reports.is_due() {
            tracing::error!("the audit log cannot keep up: events are being lost");
        }
    }

    fn backpressure(&self, user: &UserName) -> Option<Arc<EventBackpressure>> {
        Some(self.queue.backpressure(user))
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

/// Appends the events that an operator has changed something, if the file exists, on behalf of a server that does not
/// run.
pub(super) fn append_admin(path: &Path, records: Vec<AdminRecord>) -> Result<()> {
    let mut file = match open_regular(path, OpenOptions::new().read(true).append(true), Links::Follow) {
        Ok(file) => file,
        // The server creates it when it starts.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(cannot_open(path, e)),
    };
    let run = random_name()?;
    let mut text = String::from(if ends_in_a_line(&file) { "\n" } else { "" });
    for (record, count) in records.into_iter().zip(1..) {
        let line = AuditLine {
            run: &run,
            time: Timestamp::now(),
            count,
        };
        text.push_str(&line.event(&Event::Admin(Box::new(record))));
        text.push('\n');
    }
    // A part of the line stays: cutting the file could cut what a server has written meanwhile. The next writer begins
    // a new line behind it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_behind_half_a_line_of_another_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "whole\nhalf").unwrap();
        let (log, _) = AuditLog::open(Some(path.as_path())).unwrap();
        log.on_event(&Event::Stopped {
            duration: Duration::ZERO,
        });
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("whole\nhalf\n{\"time\""), "{text}");
    }
}
