//! What all transfers of a run share: the server, the settings, the names that are taken, and the user's answers.

use parking_lot::MutexGuard;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::breaks::Breaks;
use super::conflict_question::{ConflictAnswer, ConflictFacts, ConflictQuestion};
use super::error::TransferError;
use super::job::Job;
use super::pace::Pace;
use super::progress_hub::ProgressHub;
use super::run_connection::RunConnection;
use super::settings::Settings;
use super::temporary_names::TemporaryNames;
use crate::link::{Link, NoHash, RemoteError};
use crate::plan::{Conflict, Policy};
use crate::remote::Remote;
use crate::remote::connections::{ConnectionLease, Connections};
use base::visible::printable;

/// What all transfers of a run share.
pub struct TransferContext {
    /// The server to which files go, or from which they come.
    pub remote: Arc<Remote>,
    /// How the files are transferred.
    pub settings: Settings,
    /// The counters, and the observer that shows them.
    pub hub: Arc<ProgressHub>,
    /// The token that stops transfers in a state that can be resumed.
    pub stop: CancellationToken,
    /// The answer that applies to all conflicts. It is locked while a prompt is open, so that there is one prompt at a
    /// time.
    answers: Mutex<Option<ConflictAnswer>>,
    /// Hashes of the names under which files of this run are stored: no two files have the same name.
    claimed: parking_lot::Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// The limit of the bytes per second.
    pub(super) pace: Pace,
    /// The connections of the run.
    pub(super) connections: Arc<Connections>,
    /// Whether connections of this run end at servers with different files.
    sees_other_files: AtomicBool,
    /// What is known about temporary names on this server.
    pub(super) temporary_names: TemporaryNames,
    /// The kinds of warnings that were given, of those that are given once.
    warned: parking_lot::Mutex<HashSet<&'static str>>,
    /// The connection of the run, on which work is repeated when it breaks.
    pub connection: Arc<RunConnection>,
}

impl TransferContext {
    /// A context in which no name is taken and nothing was answered.
    pub(super) fn new(
        remote: Arc<Remote>,
        settings: Settings,
        hub: Arc<ProgressHub>,
        stop: CancellationToken,
    ) -> Self {
        let connections = Connections::new(Arc::clone(&remote), settings.parallel);
        let totals = Arc::clone(hub.totals());
        Self {
            pace: Pace::new(settings.limit_rate),
            connection: RunConnection::new(Arc::clone(&remote), Arc::clone(&connections), totals),
            connections,
            remote,
            settings,
            hub,
            stop,
            answers: Mutex::new(settings.update.then_some(ConflictAnswer::OnlyNewer)),
            claimed: parking_lot::Mutex::default(),
            hasher: RandomState::new(),
            sees_other_files: AtomicBool::new(false),
            temporary_names: TemporaryNames::default(),
            warned: parking_lot::Mutex::default(),
        }
    }

    fn claimed(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.claimed.lock()
    }

    /// Takes a name for a file of this run. Returns `false` if it was taken before.
    pub(super) fn claim(&self, name: &Path) -> bool {
        self.claimed().insert(self.hasher.hash_one(name))
    }

    /// Whether a file of this run has the name.
    pub(super) fn is_claimed(&self, name: &Path) -> bool {
        self.claimed().contains(&self.hasher.hash_one(name))
    }

    /// Warns of something that holds for many files, if no warning of this kind was given before in this run.
    pub(super) fn warn_once(&self, kind: &'static str, message: impl FnOnce() -> String) {
        if self.warned.lock().insert(kind) {
            self.hub.warn(&message());
        }
    }

    /// The number of connections that may write one file.
    pub(super) fn connections_of_upload(&self) -> usize {
        match self.sees_other_files.load(Ordering::Relaxed) {
            true => 1,
            false => self.settings.parallel,
        }
    }

    /// Remembers that connections of this run see different files, so that each file is sent by one of them.
    pub(super) fn upload_by_one_connection(&self) {
        self.sees_other_files.store(true, Ordering::Relaxed);
        self.warn_once("other files", || {
            "the connections of --parallel do not see the same files, as with servers behind a load balancer; each file is \
             sent over one connection"
                .to_owned()
        });
    }

    /// Warns once in a run that a file is written in place, because a temporary name did not work.
    pub(super) fn warn_in_place(&self, temporary: &[u8], refusal: &TransferError) {
        self.warn_once("temporary names", || {
            format!(
                "{}: {refusal}; files are written in place instead of to a temporary name",
                printable(temporary)
            )
        });
    }

    /// The breaks that one file, or one operation on the server, has seen: none so far.
    pub fn breaks(&self) -> Breaks {
        self.connection.breaks()
    }

    /// The connection: see [`RunConnection::link`].
    ///
    /// # Errors
    /// When none can be made now, or none could be made before in this run.
    pub async fn link(&self) -> Result<Arc<Link>, RemoteError> {
        self.connection.link().await
    }

    /// The connection for a job: the one with the fewest jobs of those that are up. If none is, the first is made again.
    ///
    /// # Errors
    /// When none can be made now, or none could be made before in this run.
    pub(super) async fn lease(&self) -> Result<ConnectionLease, RemoteError> {
        self.connection.lease().await
    }

    /// Warns that a hash cannot be had, and what is done instead: once in the whole run, because it is usually the
    /// server's nature.
    pub(super) fn warn_unproven(&self, job: &Job, reason: &NoHash, what: &str) {
        self.warn_once("hashes", || {
            let once = "other files of this run are not mentioned";
            format!("{}: {reason}; {what} ({once})", job.name())
        });
    }

    /// Decides a conflict: by the settings, by an answer that was given for all, or by asking until there is an answer.
    ///
    /// # Errors
    /// When the user cannot be asked, or stops the run, or the connection is lost.
    pub(super) async fn resolve_conflict(
        &self,
        link: &Link,
        job: &Job,
        conflict: Conflict,
    ) -> Result<Policy, TransferError> {
        if self.settings.conflicts != Policy::Ask {
            return Ok(self.settings.conflicts);
        }
        let mut answers = self.answers.lock().await;
        if self.stop.is_cancelled() {
            return Err(TransferError::Stopped);
        }
        let facts = ConflictFacts::of(link, job).await?;
        if let Some(policy) = answers.and_then(|answer| answer.policy(&facts)) {
            return Ok(policy);
        }
        let question = ConflictQuestion { job, conflict, facts };
        let mut text = question.text(&jiff::tz::TimeZone::system());
        loop {
            let typed = self.ask(std::mem::replace(&mut text, question.again())).await;
            let typed = typed.map_err(|_| TransferError::Conflict(conflict))?;
            let Some((answer, for_all)) = question.answer(&typed) else {
                continue;
            };
            if answer == ConflictAnswer::Quit {
                self.stop.cancel();
                return Err(TransferError::Stopped);
            }
            if for_all {
                *answers = Some(answer);
            }
            if let Some(policy) = answer.policy(&facts) {
                return Ok(policy);
            }
        }
    }

    async fn ask(&self, text: String) -> std::io::Result<String> {
        let prompts = Arc::clone(self.remote.prompts());
        let asked = tokio::task::spawn_blocking(move || prompts.line(&text)).await;
        asked.map_err(std::io::Error::other)?
    }
}
