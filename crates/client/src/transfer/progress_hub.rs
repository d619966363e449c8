//! The counters of running transfers, and the observers that show them. Transfers only count; an observer reads the
//! counters as often as its display needs.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::TransferError;
use super::idle_clock::IdleClock;
use super::job::Job;
use super::outcome::Outcome;
use super::undone::UndoneNames;
use crate::link::{HashValue, RemoteError};
use crate::remote::prompts_above_progress::PausableDisplay;
use crate::verbose;

/// What a transfer does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The transfer looks at the target and decides what to send.
    Deciding,
    /// The transfer sends or receives the bytes of the file.
    Sending,
    /// The transfer compares the hashes of both files.
    Verifying,
}

/// Counts the bytes that have been compared in one stage of one file. What goes on to count after the stage has ended
/// changes nothing that is shown.
#[derive(Debug, Clone, Default)]
pub struct ComparedBytes(Arc<AtomicU64>);

impl ComparedBytes {
    /// Counts more bytes that were compared.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The number of bytes that were counted.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one file.
#[derive(Debug)]
pub struct FileProgress {
    /// The name that is shown.
    pub name: String,
    began: Instant,
    /// The idle time of the run when the transfer began.
    idle_before: Duration,
    /// When the first byte could be sent, and the idle time of the run by then.
    sending: OnceLock<(Instant, Duration)>,
    total: AtomicU64,
    /// The bytes that both files have.
    done: AtomicU64,
    /// The bytes that this run has transferred.
    moved: AtomicU64,
    /// The bytes that have been compared in this stage.
    compared: Mutex<ComparedBytes>,
    /// The hash of this machine's whole file, if it was computed.
    hash: Mutex<Option<HashValue>>,
    stage: AtomicU8,
    all: Arc<Totals>,
}

/// The counters of the whole run.
#[derive(Debug, Default)]
pub struct Totals {
    /// Bytes of all files that are known.
    pub bytes: AtomicU64,
    /// The bytes that both files have.
    pub done: AtomicU64,
    /// The bytes that this run has transferred.
    pub moved: AtomicU64,
    /// How many files are known.
    pub files: AtomicU64,
    /// How many files have ended.
    pub ended: AtomicU64,
    /// How many operations without bytes have ended, such as making a directory or copying a link.
    pub operations: AtomicU64,
    /// The time in which nothing moved because the user was asked.
    pub idle: IdleClock,
}

impl Totals {
    /// The progress of the run, as one number that grows with each byte, file and operation that is done. It falls when a
    /// file starts again.
    pub fn progress(&self) -> u64 {
        let counters = [&self.done, &self.ended, &self.operations];
        let counters = counters.map(|counter| counter.load(Ordering::Relaxed));
        counters.into_iter().fold(0, u64::saturating_add)
    }

    /// Counts an operation without bytes that has ended well.
    pub fn operation_ended(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }
}

impl FileProgress {
    /// The size of the file, in bytes.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// The number of bytes that both files have.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The number of bytes that this run has transferred.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// The number of bytes that have been compared in this stage. 0: that is not known.
    pub fn compared(&self) -> u64 {
        self.compared.lock().count()
    }

    /// The hash of this machine's whole file, if it was computed on the way.
    pub fn hash(&self) -> Option<HashValue> {
        *self.hash.lock()
    }

    /// Sets the hash of this machine's whole file.
    pub(crate) fn set_hash(&self, hash: HashValue) {
        *self.hash.lock() = Some(hash);
    }

    /// The counter of the bytes that are compared in this stage.
    pub(crate) fn comparison(&self) -> ComparedBytes {
        self.compared.lock().clone()
    }

    /// The time since the transfer began, without the time in which the user was asked.
    pub fn elapsed(&self) -> Duration {
        self.without_idle(self.began, self.idle_before)
    }

    /// The time since the first byte could be sent, without the time in which the user was asked.
    pub fn sending_time(&self) -> Duration {
        let (since, idle) = *self.sending.get().unwrap_or(&(self.began, self.idle_before));
        self.without_idle(since, idle)
    }

    fn without_idle(&self, since: Instant, idle: Duration) -> Duration {
        let idle = self.all.idle.total().saturating_sub(idle);
        since.elapsed().saturating_sub(idle)
    }

    /// The current stage of the transfer.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Deciding,
            1 => Stage::Sending,
            _ => Stage::Verifying,
        }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        if stage == Stage::Sending {
            self.sending
                .get_or_init(|| (Instant::now(), self.all.idle.total()));
        }
        *self.compared.lock() = ComparedBytes::default();
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Sets how many bytes have been compared in this stage.
    pub fn set_compared(&self, bytes: u64) {
        self.compared.lock().0.store(bytes, Ordering::Relaxed);
    }

    /// Sets the number of bytes that both files have: the beginning that was kept, or 0 for a new start.
    pub(crate) fn set_done(&self, bytes: u64) {
        let before = self.done.swap(bytes, Ordering::Relaxed);
        self.all
            .done
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Sets the size. The file may be larger or smaller than when it was found.
    pub(crate) fn set_total(&self, bytes: u64) {
        let before = self.total.swap(bytes, Ordering::Relaxed);
        self.all
            .bytes
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Subtracts the bytes that will not be transferred from the total.
    fn leave(&self) {
        let missing = self.total().wrapping_sub(self.done());
        self.all.bytes.fetch_sub(missing, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.all.done.fetch_add(bytes, Ordering::Relaxed);
        self.all.moved.fetch_add(bytes, Ordering::Relaxed);
        self.all.idle.moved();
    }
}

/// Shows the progress of transfers.
pub trait ProgressObserver: Send + Sync {
    /// The transfer of a file begins.
    fn began(&self, job: &Job, progress: &Arc<FileProgress>);

    /// A file's transfer has ended.
    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>);

    /// Prints that a name cannot be transferred, and why. The name is the bytes of a path; observers escape it.
    fn fail(&self, name: &[u8], why: &str);

    /// Prints that names are not done because there is no connection any more. They have failed.
    fn undone(&self, message: &str);

    /// Prints that a name is left out although nobody has decided that. The run does not count as a success then.
    fn left_out(&self, message: &str);

    /// Prints a warning, which does not end a transfer.
    fn warn(&self, message: &str);

    /// Draws nothing while `ask` runs, which prompts the user.
    fn pause(&self, ask: &mut dyn FnMut());

    /// Shows that the connection is made again at this time. `None`: it is there again, or given up.
    fn reconnecting(&self, at: Option<Instant>);
}

/// The counters of a run, and the observer that shows them.
pub struct ProgressHub {
    totals: Arc<Totals>,
    observer: Box<dyn ProgressObserver>,
    /// What could not be done without a connection. It is printed when the hub is dropped.
    undone: Mutex<Option<UndoneNames>>,
}

impl Drop for ProgressHub {
    fn drop(&mut self) {
        if let Some(undone) = self.undone.get_mut().take() {
            self.observer.undone(&undone.message());
        }
    }
}

impl ProgressHub {
    /// A hub in which nothing is under way. The observer reads the same `totals`.
    pub fn new(totals: Arc<Totals>, observer: Box<dyn ProgressObserver>) -> Arc<Self> {
        Arc::new(Self {
            totals,
            observer,
            undone: Mutex::default(),
        })
    }

    /// Adds files that will be transferred.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.totals.files.fetch_add(files, Ordering::Relaxed);
        self.totals.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The progress of the run, as [`Totals::progress`] counts it.
    pub fn done(&self) -> u64 {
        self.totals.progress()
    }

    /// The counters of the run.
    pub(super) fn totals(&self) -> &Arc<Totals> {
        &self.totals
    }

    /// Counts an operation without bytes that has ended well.
    pub fn operation_ended(&self) {
        self.totals.operation_ended();
    }

    /// Has the observer print that a name cannot be transferred, and why.
    pub fn fail(&self, name: &[u8], why: &str) {
        self.observer.fail(name, why);
    }

    /// Counts a name for which nothing is done, because there is no connection any more. The observer prints one message
    /// for all of them when the hub is dropped.
    pub fn not_done(&self, name: &str, why: &RemoteError) {
        let mut undone = self.undone.lock();
        match &mut *undone {
            Some(undone) => undone.add(),
            None => *undone = Some(UndoneNames::new(name.to_owned(), why.clone())),
        }
    }

    /// Has the observer print that a name is left out.
    pub fn left_out(&self, message: &str) {
        self.observer.left_out(message);
    }

    /// Has the observer print a warning.
    pub fn warn(&self, message: &str) {
        self.observer.warn(message);
    }

    pub(crate) fn begin(&self, job: &Job) -> Arc<FileProgress> {
        let progress = Arc::new(FileProgress {
            name: job.name(),
            began: Instant::now(),
            idle_before: self.totals.idle.total(),
            sending: OnceLock::new(),
            total: AtomicU64::new(job.size),
            done: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            compared: Mutex::default(),
            hash: Mutex::default(),
            stage: AtomicU8::new(0),
            all: Arc::clone(&self.totals),
        });
        self.observer.began(job, &progress);
        progress
    }

    pub(crate) fn end(
        &self,
        job: &Job,
        progress: &Arc<FileProgress>,
        result: &Result<Outcome, TransferError>,
    ) {
        match result {
            // Bytes that arrived without a reply before a connection broke count as well.
            Ok(Outcome::Sent { .. } | Outcome::Same(_)) => progress.set_done(progress.total()),
            // Bytes that will not be transferred are not part of the total.
            Ok(Outcome::Skipped) | Err(_) => progress.leave(),
        }
        self.totals.ended.fetch_add(1, Ordering::Relaxed);
        if let Err(TransferError::Disconnected(why)) = result {
            self.not_done(&progress.name, why);
        }
        if let (Ok(_), Some(hash)) = (result, progress.hash()) {
            let line = || format!("{}: {} {hash}", progress.name, hash.kind());
            verbose::say(verbose::STEPS, line);
        }
        self.observer.ended(job, progress, result);
    }
}

impl PausableDisplay for ProgressHub {
    fn say(&self, message: &str) {
        self.observer.warn(message);
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.totals.idle.during(|| self.observer.pause(ask));
    }

    fn reconnecting(&self, at: Option<Instant>) {
        self.observer.reconnecting(at);
    }
}
