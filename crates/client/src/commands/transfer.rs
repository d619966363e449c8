//! What `get` and `put` have in common: their options, the walk through directories, the run of the engine, and the
//! summary. What the words mean stands in [`get`](super::get) and [`put`](super::put).

use std::collections::HashSet;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use sftp_wire::{Attributes, Times};

use super::links::copy_links;
use super::refusal;
use super::session::{RemotePath, Session};
use super::walk::{Walk, WalkResult};
use crate::link::{Link, RemoteError};
use crate::output::{Style, print};
use crate::plan::{ExistingEntry, Policy};
use crate::progress::{self, EventTarget};
use crate::report;
use crate::symlinks::LinkRule;
use crate::transfer::free_space::InsufficientSpace;
use crate::transfer::progress_hub::{ProgressHub, Totals};
use crate::transfer::{Engine, HashChoice, RemoteWork, SMALL_BYTES, Settings, Summary, Verify};
use base::error::{Error, Result};
use base::size::Size;
use base::visible::printable;

/// The options of `get` and `put`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct TransferArgs {
    /// Also transfer directories with their contents.
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// Keep the times and permissions of files and directories, as `sftp -p` does. Owners, groups and the set-id bits
    /// are not kept: what is new belongs to the user who makes it.
    #[arg(short, long)]
    pub preserve: bool,
    /// Replace files that exist and differ.
    #[arg(long, conflicts_with_all = ["skip", "rename", "update"])]
    pub overwrite: bool,
    /// Skip files that exist and differ.
    #[arg(long, conflicts_with_all = ["rename", "update"])]
    pub skip: bool,
    /// Store a file under another name if one exists that differs.
    #[arg(long, conflicts_with = "update")]
    pub rename: bool,
    /// Replace a file that exists and differs if the new one is newer, else skip it. With --links, the same holds for
    /// links, by the dates of the links themselves.
    #[arg(short, long)]
    pub update: bool,
    /// Send a file that replaces another to NAME.homeport.part first, and rename it when it is whole. With --overwrite
    /// this is the default where nothing speaks against it.
    #[arg(long)]
    pub temp: bool,
    /// Send or fetch at most this many bytes per second, all files together: 500K, 2MiB.
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    pub limit_rate: Option<NonZeroU64>,
    /// Spread files over this many connections (1 to 16), and large files (from 64 MiB) range by range: for far links,
    /// where each connection is slow. Fewer are made if there is less to do, or if the server allows no more.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: Option<u8>,
    /// Do not resume: a file that is only partly there counts as different.
    #[arg(long)]
    pub no_resume: bool,
    /// Say whether the hashes of both files are compared after a transfer.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub verify: Verify,
    /// Choose the hash that is compared: `fast` is SHA-256 where it is faster.
    #[arg(long, value_enum, value_name = "KIND", default_value_t)]
    pub hash: HashChoice,
    /// Copy symbolic links as links. Without this, links to files are followed, and those to directories are left out.
    #[arg(long)]
    pub links: bool,
    /// Follow symbolic links to directories, too.
    #[arg(long, conflicts_with = "links")]
    pub follow: bool,
    /// The files to transfer, and their destination.
    #[arg(required = true, value_name = "FILE")]
    pub words: Vec<OsString>,
}

impl TransferArgs {
    /// The settings of the engine that these options mean.
    pub fn settings(&self) -> Settings {
        Settings {
            conflicts: match (self.overwrite, self.skip, self.rename) {
                (true, _, _) => Policy::Overwrite,
                (_, true, _) => Policy::Skip,
                (_, _, true) => Policy::Rename,
                _ => Policy::Ask,
            },
            update: self.update,
            resume: !self.no_resume,
            verify: self.verify,
            hash: self.hash,
            preserve: self.preserve,
            temp: self.temp,
            limit_rate: self.limit_rate,
            parallel: connections(self.parallel),
        }
    }

    /// What these options mean for symbolic links.
    pub(super) fn link_rule(&self) -> LinkRule {
        LinkRule::of(self.links, self.follow)
    }
}

/// The number of connections that `--parallel` asks for.
pub(super) fn connections(parallel: Option<u8>) -> usize {
    usize::from(parallel.unwrap_or(1))
}

/// Reads a rate in bytes per second, for an option.
pub(super) fn rate(text: &str) -> Result<NonZeroU64> {
    let Size(rate) = text.parse::<Size>()?;
    NonZeroU64::new(rate).ok_or_else(|| Error::new("nothing could be transferred with a rate of 0"))
}

/// Whether files go into a directory, or one file gets the given name. Several files need a directory.
#[derive(Clone, Copy)]
pub(super) enum TargetKind {
    Directory,
    Name,
}

/// The files of a transfer with their destinations.
pub(super) enum TransferRoutes {
    /// Uploads, with what is known about the target if there is only one.
    Up(Vec<(PathBuf, Vec<u8>)>, Option<ExistingEntry>),
    Down(Vec<(Vec<u8>, PathBuf)>),
}

impl TransferRoutes {
    async fn walk(&self, mut walk: Walk<'_>) -> std::result::Result<WalkResult, RemoteError> {
        match self {
            Self::Up(routes, destination) => {
                for (local, remote) in routes {
                    walk.up(local, remote.clone(), *destination).await?;
                }
            }
            Self::Down(routes) => {
                for (remote, local) in routes {
                    walk.down(remote.clone(), local.clone()).await?;
                }
            }
        }
        Ok(walk.found)
    }

    /// The step that failed, for an error message.
    fn what(&self) -> &'static str {
        match self {
            Self::Up(..) => "make directories",
            Self::Down(_) => "list a directory",
        }
    }
}

pub(super) fn insufficient_space(place: &str, lack: InsufficientSpace, done: &str) -> Error {
    let missing = Size(lack.needed.saturating_sub(lack.free));
    let (needed, free) = (Size(lack.needed), Size(lack.free));
    Error::new(format!(
        "no room {place}: {needed} to be written, {free} free, {missing} missing; nothing was {done}"
    ))
}

/// For `map_err`: says that the server refuses to do `what`.
pub(super) fn refused(what: &'static str) -> impl Fn(RemoteError) -> Error {
    move |failed| Error::new(format!("cannot {what}")).because(failed)
}

/// One run of `get` or `put`.
pub(super) struct TransferRun<'a> {
    session: &'a Arc<Session>,
    args: &'a TransferArgs,
    hub: Arc<ProgressHub>,
    totals: Arc<Totals>,
    events: EventTarget,
    began: Instant,
}

impl<'a> TransferRun<'a> {
    pub(super) fn new(session: &'a Arc<Session>, args: &'a TransferArgs) -> Self {
        Self::with_events(session, args, EventTarget::Stdout)
    }

    /// A run whose objects for scripts go to `events`.
    pub(super) fn with_events(
        session: &'a Arc<Session>,
        args: &'a TransferArgs,
        events: EventTarget,
    ) -> Self {
        let (totals, observer) = progress::observer(session.output.style, events);
        let hub = ProgressHub::new(Arc::clone(&totals), observer);
        Self {
            session,
            args,
            hub,
            totals,
            events,
            began: Instant::now(),
        }
    }

    /// Walks through directories, and starts again if the connection breaks meanwhile.
    pub(super) async fn found(&self, routes: &TransferRoutes) -> Result<WalkResult> {
        self.repeated(routes.what(), |link| routes.walk(self.walk(link)))
            .await
    }

    /// Does work as [`Session::repeated`] does, unless Ctrl-C stops it. `what` names the work in an error.
    pub(super) async fn repeated<T, F>(&self, what: &'static str, work: impl Fn(Arc<Link>) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, RemoteError>>,
    {
        let working = async {
            let done = self.session.repeated(|link, _| work(link)).await;
            done.map_err(refusal::refused(what))
        };
        self.session.stoppable(working).await
    }

    /// The paths on the server that words stand for.
    pub(super) async fn sources(&self, words: &[OsString]) -> Result<Vec<RemotePath>> {
        let looking = async {
            let found = self.session.matching_all(words).await;
            found.map_err(refusal::refused("list a directory"))
        };
        self.session.stoppable(looking).await
    }

    fn walk(&self, link: Arc<Link>) -> Walk<'_> {
        Walk {
            link,
            hub: &self.hub,
            recursive: self.args.recursive,
            links: self.args.link_rule(),
            preserve: self.args.preserve,
            found: WalkResult::default(),
        }
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        let (remote, hub) = (Arc::clone(&self.session.remote), Arc::clone(&self.hub));
        Engine::new(remote, self.args.settings(), hub, self.session.stop())
    }

    /// Whether the target is a directory to put files into, or the name of the one file.
    pub(super) fn target_kind(
        &self,
        is_directory: bool,
        sources: usize,
        target: &[u8],
    ) -> Result<TargetKind> {
        match (is_directory, sources) {
            (true, _) => Ok(TargetKind::Directory),
            (false, 1) if !target.ends_with(b"/") || self.args.recursive => Ok(TargetKind::Name),
            (false, _) => Err(
                Error::new(format!("\"{}\" is not a directory", printable(target)))
                    .hint("make it first, or name one that is there"),
            ),
        }
    }

    pub(super) async fn transfer(
        self,
        engine: Arc<Engine>,
        mut found: WalkResult,
        into: TargetKind,
    ) -> Result<u8> {
        // A file may be named twice, or by two patterns.
        let (mut seen, hasher) = (HashSet::new(), RandomState::new());
        found
            .jobs
            .retain(|job| seen.insert(hasher.hash_one((&job.local, &job.remote))));
        // The line of a single large file says everything that a summary would say.
        let alone = matches!(&found.jobs[..], [job] if job.size >= SMALL_BYTES) && found.has_only_jobs();
        let bytes = found
            .jobs
            .iter()
            .fold(0_u64, |sum, job| sum.saturating_add(job.size));
        self.hub.expect(found.jobs.len() as u64, bytes);
        let mut summary = engine.run(std::mem::take(&mut found.jobs)).await;
        if !summary.stopped {
            copy_links(&engine, std::mem::take(&mut found.links), &mut summary).await;
        }
        summary.left_out += found.left_out;
        if self.args.preserve {
            if !summary.stopped {
                self.keep_remote(&engine, &found).await;
            }
            self.keep_local(&found);
        }
        summary.failed += found.failed;
        let trees = !(found.remote_directories.is_empty() && found.local_directories.is_empty());
        if trees && matches!(into, TargetKind::Name) && (summary.failed > 0 || summary.stopped) {
            self.hub.warn(
                "the same command would now copy the directory into the one that it has just made; \
                 name it with /. at its end to go on",
            );
        }
        // The bars disappear before the last line is printed.
        drop(engine);
        self.finish(&summary, alone)
    }

    /// Prints the summary, and returns the exit code. `alone`: the line of the one file has said everything.
    pub(super) fn finish(self, summary: &Summary, alone: bool) -> Result<u8> {
        let Self {
            hub,
            totals,
            session,
            events,
            began,
            ..
        } = self;
        drop(hub);
        let elapsed = began.elapsed().saturating_sub(totals.idle.total());
        let text = progress::summary(summary, &totals, elapsed);
        report::record("summary", &text);
        match session.output.style {
            Style::Json => {
                let object = progress::summary_event(summary, &totals, elapsed);
                match events {
                    EventTarget::Stdout => print(&format!("{object}\n"))?,
                    EventTarget::Stderr => report::write_object(&object),
                }
            }
            Style::Words if !alone => report::write(&text),
            Style::Words | Style::Quiet => {}
        }
        Ok(summary.exit_code())
    }

    /// Sets times and permissions of the server's directories, the innermost first: a new entry changes the time of its
    /// directory.
    async fn keep_remote(&self, engine: &Engine, found: &WalkResult) {
        for (path, attrs) in found.remote_directories.iter().rev() {
            let Err(failed) = RemoteWork::Set(path, attrs).run(&engine.context).await else {
                continue;
            };
            let name = printable(path);
            self.hub
                .warn(&format!("{name}: cannot keep times and permissions: {failed}"));
            if matches!(failed, RemoteError::ConnectionLost(_)) {
                // It is the same for all others.
                return;
            }
        }
    }

    /// Sets times and permissions of this machine's directories in the same order.
    fn keep_local(&self, found: &WalkResult) {
        for (path, attrs) in found.local_directories.iter().rev() {
            if let Err(error) = keep_local(path, attrs) {
                let name = printable(path.as_os_str().as_bytes());
                self.hub.warn(&format!(
                    "{name}: {}",
                    Error::new("cannot keep times and permissions").because(error)
                ));
            }
        }
    }
}

fn keep_local(path: &Path, attrs: &Attributes) -> io::Result<()> {
    let directory = std::fs::File::open(path)?;
    if let Some(Times { accessed, modified }) = attrs.times {
        let at = |secs: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(secs));
        directory.set_times(
            std::fs::FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified)),
        )?;
    }
    if let Some(mode) = attrs.permissions {
        use std::os::unix::fs::PermissionsExt as _;
        directory.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
    }
    Ok(())
}
