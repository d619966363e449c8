//! Progress for scripts: one JSON object a line, on standard output. Its shape is an interface, which
//! `docs/json.md` describes: members are added, never changed.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::line;
use super::ticker::Ticker;
use crate::link::HashKind;
use crate::output::{JsonPath, json_line};
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver, Stage, Totals};
use crate::transfer::{Direction, Job, Outcome, Proof, Summary};

/// The time between two reports about a large file.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum JsonEvent<'a> {
    Begin {
        direction: &'static str,
        #[serde(flatten)]
        names: &'a JobNames,
        size: u64,
    },
    Progress {
        #[serde(flatten)]
        names: &'a JobNames,
        stage: &'static str,
        done: u64,
        moved: u64,
        /// `null` while it is not known.
        compared: Option<u64>,
        size: u64,
    },
    End {
        direction: &'static str,
        #[serde(flatten)]
        names: &'a JobNames,
        size: u64,
        result: &'static str,
        /// `null`, unless it was sent.
        resumed_from: Option<u64>,
        moved: u64,
        verified: &'static str,
        /// The hash of this machine's file, if it is known and of this kind.
        md5: Option<String>,
        sha256: Option<String>,
        error: Option<String>,
        seconds: f64,
    },
    Error {
        #[serde(flatten)]
        path: ErrorPath,
        message: String,
    },
    Warning {
        message: String,
    },
    Reconnecting {
        seconds: f64,
    },
    Summary {
        sent: u64,
        same: u64,
        skipped: u64,
        links: u64,
        failed: u64,
        differ: u64,
        stopped: bool,
        unfinished: u64,
        moved: u64,
        seconds: f64,
    },
}

/// The names of a job. JSON has no bytes: a name that is not UTF-8 is shown as well as it can be, with its bytes in
/// hexadecimal digits beside it.
#[derive(Serialize, Clone)]
struct JobNames {
    local: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_hex: Option<String>,
    remote: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_hex: Option<String>,
}

impl JobNames {
    fn of(job: &Job) -> Self {
        let local = JsonPath::of(job.local.as_os_str().as_bytes());
        let remote = JsonPath::of(&job.remote);
        Self {
            local: local.text,
            local_hex: local.hex,
            remote: remote.text,
            remote_hex: remote.hex,
        }
    }
}

/// The path that an error is about, in the same form.
#[derive(Serialize)]
struct ErrorPath {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl ErrorPath {
    fn of(path: &[u8]) -> Self {
        let JsonPath { text, hex } = JsonPath::of(path);
        Self {
            path: text,
            path_hex: hex,
        }
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

fn known(proof: Proof) -> &'static str {
    match proof {
        Proof::Md5 => "md5",
        Proof::Sha256 => "sha256",
        Proof::Sizes => "sizes",
        Proof::NotAsked => "no",
    }
}

/// A time in seconds, exact to the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The last object, which the command prints when it is done.
pub fn summary(summary: &Summary, totals: &Totals, elapsed: Duration) -> String {
    json_line(&JsonEvent::Summary {
        sent: summary.sent,
        same: summary.same,
        skipped: summary.skipped + summary.left_out,
        links: summary.links,
        // What it counted before there was `unfinished`.
        failed: summary.failed + summary.interrupted,
        differ: summary.differ,
        stopped: summary.stopped,
        unfinished: summary.interrupted + summary.not_begun,
        moved: totals.moved.load(Relaxed),
        seconds: seconds(elapsed),
    })
}

/// A large file in flight, and what was last reported about it.
struct ReportedFile {
    names: JobNames,
    progress: Arc<FileProgress>,
    reported: ReportedProgress,
}

/// What the last object about a file has said.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ReportedProgress {
    done: u64,
    compared: u64,
    stage: Stage,
}

impl ReportedProgress {
    fn of(progress: &FileProgress) -> Self {
        Self {
            done: progress.done(),
            compared: progress.compared(),
            stage: progress.stage(),
        }
    }
}

/// What the ticker and the transfers share.
struct EventWriter<W> {
    /// The output, or `None` once it is closed.
    out: Option<W>,
    /// The large files in flight, by the address of their counters, which each keeps alive.
    files: HashMap<usize, ReportedFile>,
}

impl<W: Write> EventWriter<W> {
    fn write(&mut self, event: &JsonEvent<'_>) {
        // The event is written as a whole line and flushed, because a script may wait for it.
        let written = self.out.as_mut().map(|out| {
            writeln!(out, "{}", json_line(event))?;
            out.flush()
        });
        if let Some(Err(_)) = written {
            self.out = None;
        }
    }

    fn write_progress(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for file in files.values_mut() {
            let now = ReportedProgress::of(&file.progress);
            if std::mem::replace(&mut file.reported, now) == now {
                continue;
            }
            self.write(&JsonEvent::Progress {
                names: &file.names,
                stage: match now.stage {
                    Stage::Deciding => "checking",
                    Stage::Sending => "sending",
                    Stage::Verifying => "verifying",
                },
                done: now.done,
                moved: file.progress.moved(),
                compared: Some(now.compared).filter(|bytes| *bytes > 0),
                size: file.progress.total(),
            });
        }
        self.files = files;
    }
}

/// Prints an object for every event.
pub(super) struct JsonLines<W> {
    writer: Arc<Mutex<EventWriter<W>>>,
    _ticker: Ticker,
}

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Starts to print to `out`.
    pub fn start(out: W) -> Self {
        Self::every(EVERY, out)
    }

    pub(super) fn every(every: Duration, out: W) -> Self {
        let writer = Arc::new(Mutex::new(EventWriter {
            out: Some(out),
            files: HashMap::new(),
        }));
        let shared = Arc::clone(&writer);
        let tick = move |_| shared.lock().write_progress();
        Self {
            writer,
            _ticker: Ticker::start(every, tick),
        }
    }

    fn writer(&self) -> parking_lot::MutexGuard<'_, EventWriter<W>> {
        self.writer.lock()
    }
}

impl<W: Write + Send + 'static> ProgressObserver for JsonLines<W> {
    fn began(&self, job: &Job, progress: &Arc<FileProgress>) {
        let names = JobNames::of(job);
        let mut writer = self.writer();
        writer.write(&JsonEvent::Begin {
            direction: way(job.direction),
            names: &names,
            size: job.size,
        });
        if line::is_large(progress) {
            let progress = Arc::clone(progress);
            let address = Arc::as_ptr(&progress) as usize;
            let reported = ReportedProgress::of(&progress);
            let file = ReportedFile {
                names,
                progress,
                reported,
            };
            writer.files.insert(address, file);
        }
    }

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        let (result, resumed_from, verified, error) = match result {
            Ok(Outcome::Sent { resumed_from, proof }) => ("sent", Some(*resumed_from), known(*proof), None),
            Ok(Outcome::Same(proof)) => ("same", None, known(*proof), None),
            Ok(Outcome::Skipped) => ("skipped", None, "no", None),
            Err(error) => ("failed", None, "no", Some(line::fit(&error.to_string()))),
        };
        let hash = progress.hash().filter(|_| error.is_none());
        let of_kind = |kind| {
            hash.filter(|hash| hash.kind() == kind)
                .map(|hash| hash.to_string())
        };
        let mut writer = self.writer();
        writer.files.remove(&(Arc::as_ptr(progress) as usize));
        writer.write(&JsonEvent::End {
            direction: way(job.direction),
            names: &JobNames::of(job),
            size: progress.total(),
            result,
            resumed_from,
            moved: progress.moved(),
            verified,
            md5: of_kind(HashKind::Md5),
            sha256: of_kind(HashKind::Sha256),
            error,
            seconds: seconds(progress.elapsed()),
        });
    }

    fn fail(&self, name: &[u8], why: &str) {
        let (path, message) = (ErrorPath::of(name), line::fit(why));
        self.writer().write(&JsonEvent::Error { path, message });
    }

    fn undone(&self, message: &str) {
        self.warn(message);
    }

    fn left_out(&self, message: &str) {
        self.warn(message);
    }

    fn warn(&self, message: &str) {
        let message = line::fit(message);
        self.writer().write(&JsonEvent::Warning { message });
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }

    fn reconnecting(&self, at: Option<Instant>) {
        if let Some(at) = at {
            let seconds = seconds(at.saturating_duration_since(Instant::now()));
            self.writer().write(&JsonEvent::Reconnecting { seconds });
        }
    }
}
