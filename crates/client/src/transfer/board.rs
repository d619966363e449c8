//! What is under way, for those who show it. Transfers only count; who shows it looks at the counters as often as a
//! screen needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use super::trouble::Trouble;
use super::{Job, Outcome};
use crate::remote::aside::Screen;

/// What a transfer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking at what is there.
    Deciding,
    /// Bytes are moving.
    Sending,
    /// Comparing hashes.
    Verifying,
}

/// The counters of one file.
#[derive(Debug)]
pub struct Meter {
    /// What is shown of it.
    pub name: String,
    /// When it had its turn.
    pub began: Instant,
    total: AtomicU64,
    /// Bytes that are at both ends.
    done: AtomicU64,
    /// Bytes that were moved by this run.
    moved: AtomicU64,
    stage: AtomicU8,
    all: Arc<Totals>,
}

/// The counters of the whole.
#[derive(Debug, Default)]
pub struct Totals {
    /// Bytes of all files that are known.
    pub bytes: AtomicU64,
    /// Bytes that are at both ends.
    pub done: AtomicU64,
    /// Bytes that were moved by this run.
    pub moved: AtomicU64,
    /// Files that are known.
    pub files: AtomicU64,
    /// Files that have ended.
    pub ended: AtomicU64,
}

impl Meter {
    /// Of the file, in bytes.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// At both ends, in bytes.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Moved by this run, in bytes.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// What it does.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Deciding,
            1 => Stage::Sending,
            _ => Stage::Verifying,
        }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// So many bytes are at both ends from now on, as a beginning or after a new one.
    pub(crate) fn set_done(&self, bytes: u64) {
        let before = self.done.swap(bytes, Ordering::Relaxed);
        self.all
            .done
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// The file is larger or smaller than it was when it was found.
    pub(crate) fn set_total(&self, bytes: u64) {
        let before = self.total.swap(bytes, Ordering::Relaxed);
        self.all
            .bytes
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// What has not come by now will not: it is no part of the whole any more.
    fn leave(&self) {
        let missing = self.total().wrapping_sub(self.done());
        self.all.bytes.fetch_sub(missing, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.all.done.fetch_add(bytes, Ordering::Relaxed);
        self.all.moved.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Who shows it.
pub trait Watch: Send + Sync {
    /// A file has its turn.
    fn began(&self, job: &Job, meter: &Arc<Meter>);

    /// It has ended.
    fn ended(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>);

    /// Something is to be said that does not end a file.
    fn warn(&self, message: &str);

    /// Nothing is drawn while this runs, which asks somebody.
    fn pause(&self, ask: &mut dyn FnMut());
}

/// All meters, and who shows them.
pub struct Board {
    totals: Arc<Totals>,
    watch: Box<dyn Watch>,
}

impl Board {
    /// Nothing is under way yet. `totals` is what the watcher sees too.
    pub fn new(totals: Arc<Totals>, watch: Box<dyn Watch>) -> Arc<Self> {
        Arc::new(Self { totals, watch })
    }

    /// Files that will come.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.totals.files.fetch_add(files, Ordering::Relaxed);
        self.totals.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says something.
    pub fn warn(&self, message: &str) {
        self.watch.warn(message);
    }

    pub(crate) fn begin(&self, job: &Job) -> Arc<Meter> {
        let meter = Arc::new(Meter {
            name: job.name(),
            began: Instant::now(),
            total: AtomicU64::new(job.size),
            done: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            stage: AtomicU8::new(0),
            all: Arc::clone(&self.totals),
        });
        self.watch.began(job, &meter);
        meter
    }

    pub(crate) fn end(&self, job: &Job, meter: &Arc<Meter>, result: &Result<Outcome, Trouble>) {
        match result {
            // What arrived without an answer before a connection broke counts as well.
            Ok(Outcome::Sent { .. } | Outcome::Same(_)) => meter.set_done(meter.total()),
            // What will not come is not waited for.
            Ok(Outcome::Skipped) | Err(_) => meter.leave(),
        }
        self.totals.ended.fetch_add(1, Ordering::Relaxed);
        self.watch.ended(job, meter, result);
    }
}

impl Screen for Board {
    fn say(&self, message: &str) {
        self.watch.warn(message);
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.watch.pause(ask);
    }
}
