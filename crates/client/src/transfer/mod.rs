//! Files from one end to the other: what is there is looked at first, only what is missing is sent, and what has
//! arrived is proven.
//!
//! A transfer's states: *deciding* (looking, hashing what is there, perhaps asking), *sending*, *verifying*, *ended*.
//! When the connection breaks it goes back to *deciding* on the next one, and then what is there is its own: a part
//! that is no beginning of the file is sent anew without a question. What bounds it: [`LARGE`] files at once, [`SMALL`]
//! small ones, and the link's room for bytes under way.

pub mod board;
mod decide;
mod digest;
mod download;
mod ends;
mod part;
mod pump;
pub mod room;
mod sink;
mod summary;
pub mod trouble;
mod upload;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use sftp_wire::Attributes;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::plan::{Conflict, Policy, There};
use super::printable::printable;
use super::remote::Remote;
use super::remote::failed::Failed;
use board::{Board, Meter};
pub use summary::Summary;
use trouble::Trouble;

/// Large files at once: more only makes the disks seek.
const LARGE: usize = 4;
/// Small files at once: each costs some round trips, which they share.
const SMALL: usize = 64;
/// Below this a file is small: it is sent in one piece.
pub const SMALL_BYTES: u64 = 64 << 10;
/// Connections that may break in a row without a byte of progress.
const FRUITLESS: usize = 5;
/// Names that are tried for a file whose own is taken.
const MAX_RENAMES: u32 = 1000;

/// What is tried behind a name that is taken.
fn endings() -> impl Iterator<Item = String> {
    (1..MAX_RENAMES).map(|number| format!(".{number}"))
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// One file to transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which way.
    pub direction: Direction,
    /// On this machine.
    pub local: PathBuf,
    /// On the server.
    pub remote: Vec<u8>,
    /// As it was when it was found, in bytes.
    pub size: u64,
    /// What stands where an upload goes, if that was seen just now.
    pub there: Option<There>,
    /// What the server has told of a file that is to be fetched, just now.
    pub known: Option<Attributes>,
}

impl Job {
    /// Where it goes, at whichever end that is.
    fn target(&self) -> &Path {
        match self.direction {
            Direction::Up => Path::new(OsStr::from_bytes(&self.remote)),
            Direction::Down => &self.local,
        }
    }

    /// The same, to be stored with something behind the name.
    fn renamed(&self, ending: &str) -> Self {
        let mut job = self.clone();
        match self.direction {
            Direction::Up => job.remote.extend_from_slice(ending.as_bytes()),
            Direction::Down => job.local = part::with_ending(&self.local, ending),
        }
        job.there = None;
        job
    }

    /// What is shown of it: where it comes from.
    pub fn name(&self) -> String {
        match self.direction {
            Direction::Up => printable(self.local.as_os_str().as_bytes()),
            Direction::Down => printable(&self.remote),
        }
    }
}

/// Are hashes compared after a transfer?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Verify {
    /// Whenever the server can hash.
    #[default]
    Auto,
    /// It is an error if it cannot.
    Always,
    /// Only sizes.
    Never,
}

/// How files are transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What is there and differs.
    pub conflicts: Policy,
    /// May a part that is there be completed?
    pub resume: bool,
    /// Is it proven?
    pub verify: Verify,
    /// Are times and permissions kept?
    pub preserve: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            conflicts: Policy::Ask,
            resume: true,
            verify: Verify::Auto,
            preserve: false,
        }
    }
}

/// How far both ends are known to hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By MD5 of both.
    Md5,
    /// The server cannot hash: only the sizes were compared.
    Sizes,
    /// It was not asked for.
    NotAsked,
}

/// How a transfer ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent.
    Sent {
        /// Bytes that were there already.
        resumed_from: u64,
        /// What is known of the result.
        proof: Proof,
    },
    /// It was there already.
    Same(Proof),
    /// It was left alone, as was decided.
    Skipped,
}

/// What all transfers of a run share.
pub struct Engine {
    /// The server.
    pub remote: Arc<Remote>,
    /// How.
    pub settings: Settings,
    /// Who watches.
    pub board: Arc<Board>,
    /// Cancelled: stop, and leave what can be resumed.
    pub stop: CancellationToken,
    /// One question at a time, and what was answered for all.
    answers: Mutex<Option<Policy>>,
    /// Hashes of the names under which files of this run are stored: no two of them have the same.
    claimed: std::sync::Mutex<HashSet<u64>>,
    hasher: RandomState,
    /// Set once no connection could be made: what is still to be done would only wait for the same.
    gone: Mutex<Option<Failed>>,
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
}

impl Engine {
    /// Nothing is under way yet.
    pub fn new(
        remote: Arc<Remote>,
        settings: Settings,
        board: Arc<Board>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let screen: std::sync::Weak<Board> = Arc::downgrade(&board);
        remote.beside(screen);
        Arc::new(Self {
            remote,
            settings,
            board,
            stop,
            answers: Mutex::new(None),
            claimed: std::sync::Mutex::default(),
            hasher: RandomState::new(),
            gone: Mutex::new(None),
            large: Arc::new(Semaphore::new(LARGE)),
            small: Arc::new(Semaphore::new(SMALL)),
        })
    }

    fn claimed(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This name is taken from now on; `false`: it was before.
    fn claim(&self, name: &Path) -> bool {
        self.claimed().insert(self.hasher.hash_one(name))
    }

    fn is_claimed(&self, name: &Path) -> bool {
        self.claimed().contains(&self.hasher.hash_one(name))
    }

    /// Transfers all of them; one that fails does not keep the others from it.
    pub async fn run(self: &Arc<Self>, jobs: Vec<Job>) -> Summary {
        let mut summary = Summary::default();
        let mut running = JoinSet::new();
        let first: Vec<bool> = jobs.iter().map(|job| self.claim(job.target())).collect();
        for (job, first) in jobs.into_iter().zip(first) {
            if self.stop.is_cancelled() {
                summary.stopped = true;
                break;
            }
            let places = if job.size < SMALL_BYTES {
                &self.small
            } else {
                &self.large
            };
            let Ok(place) = Arc::clone(places).acquire_owned().await else {
                break;
            };
            let engine = Arc::clone(self);
            running.spawn(async move {
                let result = engine.transfer(&job, first).await;
                drop(place);
                result
            });
            while let Some(ended) = running.try_join_next() {
                count(&mut summary, ended);
            }
        }
        while let Some(ended) = running.join_next().await {
            count(&mut summary, ended);
        }
        if summary.stopped {
            self.remote.questions_end().await;
        }
        summary
    }

    /// A job that is not the `first` of its name in this run gets another, if that was asked for.
    fn under_own_name(&self, job: &Job, first: bool) -> Option<Job> {
        match self.settings.conflicts {
            _ if first => Some(job.clone()),
            Policy::Rename => endings()
                .map(|ending| job.renamed(&ending))
                .find(|job| self.claim(job.target())),
            _ => None,
        }
    }

    /// The connection; a new one if the last is lost.
    ///
    /// # Errors
    /// When none can be made now, or none could be made before in this run.
    pub async fn link(&self) -> Result<Arc<Link>, Failed> {
        let mut gone = self.gone.lock().await;
        if let Some(failed) = &*gone {
            return Err(failed.clone());
        }
        let link = self.remote.link().await;
        *gone = link.as_ref().err().cloned();
        link
    }

    /// Transfers one file, on as many connections as it takes.
    async fn transfer(&self, job: &Job, first: bool) -> Result<Outcome, Trouble> {
        let meter = self.board.begin(job);
        let result = match self.under_own_name(job, first) {
            Some(job) => self.attempts(job, &meter).await,
            None => Err(Trouble::Twice),
        };
        self.board.end(job, &meter, &result);
        result
    }

    async fn attempts(&self, mut job: Job, meter: &Meter) -> Result<Outcome, Trouble> {
        let (mut fruitless, mut ours, mut replaces, mut furthest) = (0, false, false, 0);
        loop {
            let attempt = async {
                let link = self.link().await.map_err(Trouble::Ended)?;
                let attempt = Attempt {
                    engine: self,
                    link,
                    job: &mut job,
                    meter,
                    ours: &mut ours,
                    replaces: &mut replaces,
                };
                match attempt.job.direction {
                    Direction::Up => attempt.upload().await,
                    Direction::Down => attempt.download().await,
                }
            };
            let result = tokio::select! {
                // First: who is stopped must not get a turn, at a question or at dialing, that another has just given up.
                biased;
                () = self.stop.cancelled() => Err(Trouble::Stopped),
                result = attempt => result,
            };
            match result {
                Err(Trouble::Lost(lost)) => {
                    // Not what was moved: what has arrived without an answer shows at the next beginning, and what
                    // is sent again and again is no progress.
                    fruitless = if meter.done() > furthest { 0 } else { fruitless + 1 };
                    furthest = furthest.max(meter.done());
                    if fruitless >= FRUITLESS {
                        return Err(Trouble::Ended(lost.into()));
                    }
                }
                result => return result,
            }
        }
    }

    /// How a conflict is settled: as was said before, or by asking.
    async fn settle(&self, job: &Job, conflict: Conflict) -> Result<Policy, Trouble> {
        let refused = || Trouble::Conflict(conflict);
        if self.settings.conflicts != Policy::Ask {
            return Ok(self.settings.conflicts);
        }
        let mut answers = self.answers.lock().await;
        if self.stop.is_cancelled() {
            return Err(Trouble::Stopped);
        }
        if let Some(policy) = *answers {
            return Ok(policy);
        }
        let question = format!(
            "{}: {conflict}.\n[o]verwrite, [s]kip, [r]ename, the same for all with a capital letter? ",
            job.name()
        );
        let prompts = Arc::clone(self.remote.prompts());
        let asked = tokio::task::spawn_blocking(move || prompts.line(&question));
        let answer = asked.await.map_err(|_| refused())?.map_err(|_| refused())?;
        let policy = match answer.trim().chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('o') => Policy::Overwrite,
            Some('s') => Policy::Skip,
            Some('r') => Policy::Rename,
            _ => return Err(refused()),
        };
        if answer.trim().starts_with(char::is_uppercase) {
            *answers = Some(policy);
        }
        Ok(policy)
    }
}

fn count(summary: &mut Summary, ended: Result<Result<Outcome, Trouble>, tokio::task::JoinError>) {
    match ended {
        Ok(result) => summary.count(&result),
        Err(_) => summary.failed += 1,
    }
}

/// One attempt at one file, on one connection.
struct Attempt<'a> {
    engine: &'a Engine,
    link: Arc<Link>,
    /// As it was given, but for a name that was changed on the way.
    job: &'a mut Job,
    meter: &'a Meter,
    /// What grows (an upload's file, a download's part) was begun by this very run: it can be replaced without a question.
    ours: &'a mut bool,
    /// Somebody has decided that what has a download's name is replaced.
    replaces: &'a mut bool,
}
