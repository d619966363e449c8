//! What follows the transfer of one file: its times, and its name where it came under another one.

use std::sync::Arc;
use std::time::Instant;

use sftp_wire::Attributes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::backup::Backups;
use super::change_error::ChangeError;
use super::target::TargetTree;
use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::{FileProgress, ProgressObserver};
use crate::transfer::{Direction, Job, Outcome, temporary_name};

/// How many files are finished at once.
const AT_ONCE: usize = 64;

/// A transfer that has ended.
pub(super) struct EndedTransfer {
    /// The path of the target, as bytes.
    pub(super) target: Vec<u8>,
    /// Whether the file is there now.
    pub(super) succeeded: bool,
}

/// The path of a job's target, as bytes.
pub(super) fn target_of(job: &Job) -> &[u8] {
    match job.direction {
        Direction::Up => &job.remote,
        Direction::Down => job.local.as_os_str().as_encoded_bytes(),
    }
}

/// Shows transfers as another observer does, and reports each that has ended.
pub(super) struct ReportingObserver {
    shown: Box<dyn ProgressObserver>,
    ended: mpsc::UnboundedSender<EndedTransfer>,
}

impl ReportingObserver {
    /// Returns the observer, and the end at which its reports arrive.
    pub(super) fn new(shown: Box<dyn ProgressObserver>) -> (Self, mpsc::UnboundedReceiver<EndedTransfer>) {
        let (ended, reports) = mpsc::unbounded_channel();
        (Self { shown, ended }, reports)
    }
}

impl ProgressObserver for ReportingObserver {
    fn began(&self, job: &Job, progress: &Arc<FileProgress>) {
        self.shown.began(job, progress);
    }

    fn ended(&self, job: &Job, progress: &Arc<FileProgress>, result: &Result<Outcome, TransferError>) {
        self.shown.ended(job, progress, result);
        // Without a receiver the sync is over.
        let _ = self.ended.send(EndedTransfer {
            target: target_of(job).to_vec(),
            succeeded: matches!(result, Ok(Outcome::Sent { .. } | Outcome::Same(_))),
        });
    }

    fn fail(&self, name: &[u8], why: &str) {
        self.shown.fail(name, why);
    }

    fn undone(&self, message: &str) {
        self.shown.undone(message);
    }

    fn left_out(&self, message: &str) {
        self.shown.left_out(message);
    }

    fn warn(&self, message: &str) {
        self.shown.warn(message);
    }

    fn pause(&self, ask: &mut dyn FnMut()) {
        self.shown.pause(ask);
    }

    fn reconnecting(&self, at: Option<Instant>) {
        self.shown.reconnecting(at);
    }
}

/// What is done when a file has arrived.
#[derive(Debug, Clone)]
pub(super) struct Finish {
    /// The path below the top of the target.
    pub(super) path: Vec<u8>,
    /// Whether it arrives under a temporary name.
    pub(super) temporary: bool,
    /// Whether what has the name goes to the backups.
    pub(super) backed_up: bool,
    /// The times and permissions to set.
    pub(super) attrs: Attributes,
    /// Why it is sent, for messages.
    pub(super) reason: Option<&'static str>,
}

impl Finish {
    /// Sets the attributes of a file that has arrived, and gives it its name.
    async fn run(&self, target: &TargetTree, backups: Option<&Backups>) -> Result<(), ChangeError> {
        let arrived = match self.temporary {
            true => temporary_name(&self.path),
            false => self.path.clone(),
        };
        if self.attrs != Attributes::default() {
            let set = target.set(&arrived, &self.attrs).await;
            set.map_err(ChangeError::context("cannot keep the times"))?;
        }
        if !self.temporary {
            return Ok(());
        }
        if let Some(backups) = backups.filter(|_| self.backed_up) {
            backups.take(target, &self.path).await?;
        }
        let named = target.rename(&arrived, &self.path).await;
        named.map_err(ChangeError::context("cannot give the file its name"))
    }
}

/// Files that are being finished, and what has become of them.
pub(super) struct Finisher {
    pub(super) target: TargetTree,
    pub(super) backups: Option<Arc<Backups>>,
    running: JoinSet<(Finish, Result<(), ChangeError>)>,
    /// The files that are finished, and those that failed.
    results: Vec<(Finish, Result<(), ChangeError>)>,
}

impl Finisher {
    pub(super) fn new(target: TargetTree, backups: Option<Arc<Backups>>) -> Self {
        Self {
            target,
            backups,
            running: JoinSet::new(),
            results: Vec::new(),
        }
    }

    /// Starts to finish a file. Waits for others if there are many.
    pub(super) async fn start(&mut self, finish: Finish) {
        while self.running.len() >= AT_ONCE {
            self.take_one().await;
        }
        let (target, backups) = (self.target.clone(), self.backups.clone());
        self.running.spawn(async move {
            let result = finish.run(&target, backups.as_deref()).await;
            (finish, result)
        });
    }

    async fn take_one(&mut self) {
        if let Some(Ok(result)) = self.running.join_next().await {
            self.results.push(result);
        }
    }

    /// Waits until all are finished, and returns the results.
    pub(super) async fn finish(&mut self) -> Vec<(Finish, Result<(), ChangeError>)> {
        while !self.running.is_empty() {
            self.take_one().await;
        }
        std::mem::take(&mut self.results)
    }
}
