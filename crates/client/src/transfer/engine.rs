//! Runs many transfers: how many at once, how often each is retried, and the summary.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, FileState};
use super::breaks::ProgressAtBreak;
use super::context::TransferContext;
use super::cut::cut_after_stop;
use super::download::Download;
use super::error::TransferError;
use super::job::{Direction, Job, SMALL_BYTES, endings};
use super::outcome::Outcome;
use super::progress_hub::{FileProgress, ProgressHub};
use super::settings::Settings;
use super::small_files::{SmallFilePlace, SmallFiles};
use super::summary::Summary;
use super::upload::Upload;
use crate::plan::Policy;
use crate::remote::Remote;

/// How many large files are transferred at once, unless there are more connections: more only makes the disks seek.
const LARGE: usize = 4;

/// Transfers files, some at once.
pub struct Engine {
    /// What its transfers share with each other.
    pub context: TransferContext,
    large: Arc<Semaphore>,
    small: SmallFiles,
    /// Lets one file at a time go on of those that the last break has left where they were.
    after_breaks: Semaphore,
}

impl Engine {
    /// Creates an idle engine. From now on, prompts pause the display of `hub`.
    pub fn new(
        remote: Arc<Remote>,
        settings: Settings,
        hub: Arc<ProgressHub>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let display: std::sync::Weak<ProgressHub> = Arc::downgrade(&hub);
        remote.set_display(display);
        Arc::new(Self {
            large: Arc::new(Semaphore::new(LARGE.max(settings.parallel))),
            context: TransferContext::new(remote, settings, hub, stop),
            small: SmallFiles::new(),
            after_breaks: Semaphore::new(1),
        })
    }

    /// Transfers all files. A failure does not stop the others.
    pub async fn run(self: &Arc<Self>, jobs: Vec<Job>) -> Summary {
        let mut summary = Summary::default();
        let mut running = JoinSet::new();
        let claim = |job: &Job| self.context.claim(job.target());
        let first: Vec<bool> = jobs.iter().map(claim).collect();
        let mut waiting = jobs.into_iter().zip(first);
        while let Some((job, first)) = waiting.next() {
            if self.context.stop.is_cancelled() {
                summary.stopped = true;
                summary.not_begun += 1 + waiting.len() as u64;
                break;
            }
            let place = match job.size < SMALL_BYTES {
                true => JobPlace::Small(self.small.place().await),
                // The semaphore is never closed.
                false => JobPlace::Large(Arc::clone(&self.large).acquire_owned().await.ok()),
            };
            let engine = Arc::clone(self);
            running.spawn(async move { engine.transfer(&job, first, place).await });
            while let Some(ended) = running.try_join_next() {
                count(&mut summary, ended);
            }
        }
        while let Some(ended) = running.join_next().await {
            count(&mut summary, ended);
        }
        if summary.stopped {
            self.context.remote.wait_for_questions().await;
        }
        summary
    }

    /// The job under the name that it gets. One that is not the `first` of its name in this run gets another name, if
    /// that was asked for.
    fn under_own_name(&self, job: &Job, first: bool) -> Option<Job> {
        match self.context.settings.conflicts {
            _ if first => Some(job.clone()),
            Policy::Rename => endings()
                .map(|ending| job.renamed(&ending))
                .find(|job| self.context.claim(job.target())),
            _ => None,
        }
    }

    /// Transfers one file, on as many connections as it takes, and gives its place back.
    async fn transfer(&self, job: &Job, first: bool, place: JobPlace) -> Result<Outcome, TransferError> {
        let progress = self.context.hub.begin(job);
        let result = match self.under_own_name(job, first) {
            Some(job) => self.attempts(job, &progress, place.small()).await,
            None => Err(TransferError::SameName),
        };
        self.context.hub.end(job, &progress, &result);
        result
    }

    /// Waits until no other file goes on alone. A small file waits without its turn, which the file that goes on may
    /// need.
    async fn alone(&self, place: Option<&SmallFilePlace>) -> Option<SemaphorePermit<'_>> {
        let waiting = self.after_breaks.acquire();
        let permit = match place {
            Some(place) => place.aside(waiting).await,
            None => waiting.await,
        };
        permit.ok()
    }

    async fn attempts(
        &self,
        job: Job,
        progress: &FileProgress,
        place: Option<&SmallFilePlace>,
    ) -> Result<Outcome, TransferError> {
        let hub = &self.context.hub;
        let mut breaks = self.context.breaks();
        let mut file = FileState::new(job);
        loop {
            let attempt = async {
                // Several files at once would share what the connection carries until it breaks again, and none of them
                // would get further.
                let _alone = match breaks.was_fruitless() {
                    true => self.alone(place).await,
                    false => None,
                };
                let lease = self.context.lease().await.map_err(TransferError::Disconnected)?;
                let attempt = Attempt {
                    context: &self.context,
                    link: &lease.link,
                    progress,
                    place,
                };
                match file.job.direction {
                    Direction::Up => Upload::new(attempt, &mut file).run().await,
                    Direction::Down => Download::new(attempt, &mut file).run().await,
                }
            };
            let result = tokio::select! {
                // This comes first: a stopped transfer must not take over a prompt or a connection attempt that another
                // has just given up.
                biased;
                () = self.context.stop.cancelled() => Err(TransferError::Stopped),
                result = attempt => result,
            };
            match result {
                Err(TransferError::ConnectionLost(lost)) => {
                    // Bytes that arrived without a reply show at the next attempt.
                    let reached = ProgressAtBreak {
                        run: hub.done(),
                        file: progress.done(),
                    };
                    if !breaks.allow_another(reached) {
                        return Err(TransferError::Disconnected(lost.into()));
                    }
                }
                result => {
                    if matches!(result, Err(TransferError::Stopped)) {
                        cut_after_stop(&self.context, &file).await;
                    }
                    return result;
                }
            }
        }
    }
}

/// The place of a file among those that are transferred at once.
enum JobPlace {
    Small(SmallFilePlace),
    Large(#[allow(dead_code, reason = "held")] Option<OwnedSemaphorePermit>),
}

impl JobPlace {
    fn small(&self) -> Option<&SmallFilePlace> {
        match self {
            Self::Small(place) => Some(place),
            Self::Large(_) => None,
        }
    }
}

fn count(summary: &mut Summary, ended: Result<Result<Outcome, TransferError>, tokio::task::JoinError>) {
    match ended {
        Ok(result) => summary.count(&result),
        Err(_) => summary.failed += 1,
    }
}
