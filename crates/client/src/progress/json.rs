//! For scripts: one JSON object a line, on standard output. Its shape is an interface: fields are added, never changed.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::line;
use super::ticker::Ticker;
use crate::transfer::board::{Meter, Stage, Totals, Watch};
use crate::transfer::trouble::Trouble;
use crate::transfer::{Direction, Job, Outcome, Proof, Summary};
use base::visible::hex;

/// Of the progress of each large file.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Begin {
        direction: &'static str,
        #[serde(flatten)]
        names: &'a Names,
        size: u64,
    },
    Progress {
        #[serde(flatten)]
        names: &'a Names,
        stage: &'static str,
        done: u64,
        moved: u64,
        size: u64,
    },
    End {
        direction: &'static str,
        #[serde(flatten)]
        names: &'a Names,
        size: u64,
        result: &'static str,
        /// `null`, unless it was sent.
        resumed_from: Option<u64>,
        moved: u64,
        verified: &'static str,
        error: Option<String>,
        seconds: f64,
    },
    Warning {
        message: String,
    },
    Summary {
        sent: u64,
        same: u64,
        skipped: u64,
        failed: u64,
        differ: u64,
        stopped: bool,
        moved: u64,
        seconds: f64,
    },
}

/// JSON has no bytes: what is no UTF-8 is shown as well as it goes, and told in hexadecimal digits beside it.
#[derive(Serialize, Clone)]
struct Names {
    local: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_hex: Option<String>,
    remote: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_hex: Option<String>,
}

impl Names {
    fn of(job: &Job) -> Self {
        let hex = |bytes: &[u8]| std::str::from_utf8(bytes).is_err().then(|| hex(bytes));
        let local = job.local.as_os_str().as_bytes();
        Self {
            local: String::from_utf8_lossy(local).into_owned(),
            local_hex: hex(local),
            remote: String::from_utf8_lossy(&job.remote).into_owned(),
            remote_hex: hex(&job.remote),
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
        Proof::Sizes => "sizes",
        Proof::NotAsked => "no",
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The object behind all others, which the command prints when it is done.
pub fn summary(summary: &Summary, totals: &Totals, elapsed: Duration) -> String {
    text(&Event::Summary {
        sent: summary.sent,
        same: summary.same,
        skipped: summary.skipped,
        failed: summary.failed,
        differ: summary.differ,
        stopped: summary.stopped,
        moved: totals.moved.load(Relaxed),
        seconds: seconds(elapsed),
    })
}

fn text(event: &Event<'_>) -> String {
    // There are only strings for keys, and no number is infinite: it does not fail.
    serde_json::to_string(event).unwrap_or_default()
}

/// A large file in flight, and what was told of it last.
struct File {
    names: Names,
    meter: Arc<Meter>,
    told: (u64, Stage),
}

/// What the ticker and the transfers share.
struct Told<W> {
    /// `None`: nobody reads it any more.
    out: Option<W>,
    /// By the address of the meter, which it keeps alive.
    files: HashMap<usize, File>,
}

impl<W: Write> Told<W> {
    fn tell(&mut self, event: &Event<'_>) {
        // A line at once, and flushed: a script waits for it.
        let told = self.out.as_mut().map(|out| {
            writeln!(out, "{}", text(event))?;
            out.flush()
        });
        if let Some(Err(_)) = told {
            self.out = None;
        }
    }

    fn progress(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for file in files.values_mut() {
            let now = (file.meter.done(), file.meter.stage());
            if std::mem::replace(&mut file.told, now) == now {
                continue;
            }
            self.tell(&Event::Progress {
                names: &file.names,
                stage: match file.meter.stage() {
                    Stage::Deciding => "checking",
                    Stage::Sending => "sending",
                    Stage::Verifying => "verifying",
                },
                done: now.0,
                moved: file.meter.moved(),
                size: file.meter.total(),
            });
        }
        self.files = files;
    }
}

/// Tells of every event.
pub(super) struct Json<W> {
    told: Arc<Mutex<Told<W>>>,
    _ticker: Ticker,
}

impl<W: Write + Send + 'static> Json<W> {
    /// To this.
    pub fn start(out: W) -> Self {
        Self::every(EVERY, out)
    }

    pub(super) fn every(every: Duration, out: W) -> Self {
        let told = Arc::new(Mutex::new(Told {
            out: Some(out),
            files: HashMap::new(),
        }));
        let shared = Arc::clone(&told);
        let tick = move |_| shared.lock().unwrap_or_else(PoisonError::into_inner).progress();
        Self {
            told,
            _ticker: Ticker::start(every, tick),
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told<W>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send + 'static> Watch for Json<W> {
    fn began(&self, job: &Job, meter: &Arc<Meter>) {
        let names = Names::of(job);
        let mut told = self.told();
        told.tell(&Event::Begin {
            direction: way(job.direction),
            names: &names,
            size: job.size,
        });
        if line::is_large(meter) {
            let meter = Arc::clone(meter);
            let address = Arc::as_ptr(&meter) as usize;
            let told_of = (meter.done(), meter.stage());
            let file = File {
                names,
                meter,
                told: told_of,
            };
            told.files.insert(address, file);
        }
    }

    fn ended(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>) {
        let (result, resumed_from, verified, error) = match result {
            Ok(Outcome::Sent { resumed_from, proof }) => ("sent", Some(*resumed_from), known(*proof), None),
            Ok(Outcome::Same(proof)) => ("same", None, known(*proof), None),
            Ok(Outcome::Skipped) => ("skipped", None, "no", None),
            Err(trouble) => ("failed", None, "no", Some(line::fit(&trouble.to_string()))),
        };
        let mut told = self.told();
        told.files.remove(&(Arc::as_ptr(meter) as usize));
        told.tell(&Event::End {
            direction: way(job.direction),
            names: &Names::of(job),
            size: meter.total(),
            result,
            resumed_from,
            moved: meter.moved(),
            verified,
            error,
            seconds: seconds(meter.began.elapsed()),
        });
    }

    fn warn(&self, message: &str) {
        let message = line::fit(message);
        self.told().tell(&Event::Warning { message });
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        ask();
    }
}
