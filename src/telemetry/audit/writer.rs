//! The thread that writes the audit log: it takes events from the queue, and writes them as lines.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::sink::{AuditSink, append, take_back};
use crate::telemetry::event_queue::{EventBatch, EventQueue};
use crate::telemetry::record::AuditLine;
use crate::telemetry::{direct, log_queue};
use base::error::Clause;
use base::report_interval::ReportInterval;

/// The target of the audit log's lines in the process's log, which is used if the audit log has no file of its own.
pub(in crate::telemetry) const LOG_TARGET: &str = "audit";

/// The most lines that are written at once: up to 4 MiB, if paths are long and consist of bytes that are not text.
const BATCH: usize = 128;

/// The shortest interval at which the process's log reports that the audit log cannot be written.
const REPORT_FAILURES_EVERY: Duration = Duration::from_secs(60);

/// The state of the thread that writes the audit log.
pub(super) struct AuditWriter {
    sink: AuditSink,
    next: Arc<Mutex<Option<AuditSink>>>,
    queue: Arc<EventQueue>,
    /// The random name of this run of the server.
    run: String,
    /// Whether the last write stopped in the middle of a line.
    torn: bool,
    /// Limits how often the process's log reports that a write failed. On a full disk, short lines may still find room
    /// between others.
    failure_reports: ReportInterval,
}

impl AuditWriter {
    /// Creates the state of a thread that writes what is in the queue to `sink`, and from then on to what is put into
    /// `next`.
    pub(super) fn new(
        sink: AuditSink,
        next: Arc<Mutex<Option<AuditSink>>>,
        queue: Arc<EventQueue>,
        run: String,
    ) -> Self {
        Self {
            torn: sink.is_torn(),
            sink,
            next,
            queue,
            run,
            failure_reports: ReportInterval::new(REPORT_FAILURES_EVERY),
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(&mut self) {
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
                log_queue::pause_after_write();
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
                if self.failure_reports.is_due() {
                    tracing::error!(
                        cause = %Clause(&error),
                        "cannot write the audit log: events are being lost (hint: make room on its disk, or correct the \
                         rights of its directory; the event \"lost\" counts them)"
                    );
                }
            }
        }
    }
}
