//! `get` and `put`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sftp_wire::{Attributes, Times};

use super::args::TransferArgs;
use super::output::{Style, print};
use super::walk::{Found, Walk, into_local, into_remote, is_inside};
use super::{Named, Session};
use crate::names::parent;
use crate::plan::There;
use crate::printable::printable;
use crate::progress;
use crate::remote::failed::Failed;
use crate::transfer::board::Board;
use crate::transfer::room::{NoRoom, lacks_room_here};
use crate::transfer::{Engine, SMALL_BYTES};
use base::error::{Error, Result};
use base::size::Size;

/// Connections that may break while directories are walked through.
const WALKS: usize = 5;

/// Several files go into one place, which must be a directory.
#[derive(Clone, Copy)]
enum Into {
    Directory,
    Name,
}

/// What goes where.
enum Goals {
    /// What is known of the only one's place, too.
    Up(Vec<(PathBuf, Vec<u8>)>, Option<There>),
    Down(Vec<(Vec<u8>, PathBuf)>),
}

impl Goals {
    async fn walk(&self, mut walk: Walk<'_>) -> std::result::Result<Found, Failed> {
        match self {
            Self::Up(goals, there) => {
                for (local, remote) in goals {
                    walk.up(local, remote.clone(), *there).await?;
                }
            }
            Self::Down(goals) => {
                for (remote, local) in goals {
                    walk.down(remote.clone(), local.clone()).await?;
                }
            }
        }
        Ok(walk.found)
    }

    /// In words.
    fn what(&self) -> &'static str {
        match self {
            Self::Up(..) => "make directories",
            Self::Down(_) => "list a directory",
        }
    }
}

/// Sends files of this machine to `target`, an absolute path of the server.
///
/// # Errors
/// When nothing could be begun. What fails on the way is told and counted: the exit code says so.
pub async fn put(
    session: &Arc<Session>,
    args: &TransferArgs,
    sources: Vec<PathBuf>,
    target: &[u8],
) -> Result<u8> {
    let run = Run::new(session, args);
    let link = session.link().await?;
    // All at once: over a far link each round trip is felt.
    let looking = async {
        Ok(tokio::join!(
            link.look(target),
            link.space(target),
            link.space(above(target))
        ))
    };
    let (there, inside, above) = session.stoppable(looking).await?;
    let there = there.map_err(refused("look at the target"))?;
    let is_directory = there.is_some_and(|attrs| attrs.is_directory() == Some(true));
    let space = if is_directory { inside } else { above };
    let space = match space {
        // What is wrong with the place shows when the file is to be made there.
        Err(failed) if failed.is_missing() => None,
        space => space.map_err(refused("look for room"))?,
    };
    let into = run.place(is_directory, sources.len(), target)?;
    let goal = |source: PathBuf| {
        let remote = match into {
            Into::Name => target.to_vec(),
            Into::Directory => into_remote(target, &source),
        };
        (source, remote)
    };
    let goals = sources.into_iter().map(goal).collect();
    // Under this very name nothing was there a moment ago.
    let seen = match (into, there) {
        (Into::Name, None) => Some(There::Nothing),
        _ => None,
    };
    let found = run.found(&Goals::Up(goals, seen)).await?;
    let engine = run.engine();
    let looking = async {
        let lack = engine.lacks_room(&found.jobs, space).await;
        lack.map_err(refused("look for room"))
    };
    if let Some(lack) = session.stoppable(looking).await? {
        return Err(no_room("on the server", lack, "sent").hint("make room, or ask for a larger quota"));
    }
    run.transfer(engine, found, into).await
}

fn no_room(place: &str, lack: NoRoom, done: &str) -> Error {
    let missing = Size(lack.needed.saturating_sub(lack.free));
    let (needed, free) = (Size(lack.needed), Size(lack.free));
    Error::new(format!(
        "no room {place}: {needed} to be written, {free} free, {missing} missing; nothing was {done}"
    ))
}

/// The directory that a path lies in.
fn above(path: &[u8]) -> &[u8] {
    match parent(path) {
        b"" => b".",
        above => above,
    }
}

/// Fetches files of the server to `target`.
///
/// # Errors
/// When nothing could be begun. What fails on the way is told and counted: the exit code says so.
pub async fn get(
    session: &Arc<Session>,
    args: &TransferArgs,
    patterns: &[OsString],
    target: &Path,
) -> Result<u8> {
    let run = Run::new(session, args);
    let link = session.link().await?;
    let matching = async {
        let mut sources = Vec::new();
        for pattern in patterns {
            sources.extend(session.matching(&link, pattern).await?);
        }
        Ok(sources)
    };
    let sources = session.stoppable(matching).await?;
    let is_directory = target.is_dir();
    let into = run.place(is_directory, sources.len(), target.as_os_str().as_bytes())?;
    let goal = |source: Named| {
        let local = match into {
            Into::Name => target.to_owned(),
            // Under which name, if any, is decided by what was typed.
            Into::Directory if is_inside(&source.shown) || session.is_home(&source.path) => target.to_owned(),
            Into::Directory => into_local(target, &source.path),
        };
        (source.path, local)
    };
    let goals = sources.into_iter().map(goal).collect();
    let found = run.found(&Goals::Down(goals)).await?;
    let engine = run.engine();
    if let Some(lack) = lacks_room_here(&found.jobs, engine.settings.conflicts) {
        return Err(no_room("here", lack, "fetched").hint("make room, or choose another directory"));
    }
    run.transfer(engine, found, into).await
}

fn refused(what: &'static str) -> impl Fn(Failed) -> Error {
    move |failed| Error::new(format!("cannot {what}")).because(failed)
}

/// One `get` or `put`.
struct Run<'a> {
    session: &'a Arc<Session>,
    args: &'a TransferArgs,
    board: Arc<Board>,
    totals: Arc<crate::transfer::board::Totals>,
    began: Instant,
}

impl<'a> Run<'a> {
    fn new(session: &'a Arc<Session>, args: &'a TransferArgs) -> Self {
        let (totals, watch) = progress::watcher(session.output.style);
        let board = Board::new(Arc::clone(&totals), watch);
        Self {
            session,
            args,
            board,
            totals,
            began: Instant::now(),
        }
    }

    /// Walks, and begins anew when the connection breaks meanwhile.
    async fn found(&self, goals: &Goals) -> Result<Found> {
        let work = async {
            for _ in 1..WALKS {
                match goals.walk(self.walk().await?).await {
                    Err(Failed::Lost(_)) => {}
                    walked => return walked.map_err(refused(goals.what())),
                }
            }
            goals
                .walk(self.walk().await?)
                .await
                .map_err(refused(goals.what()))
        };
        self.session.stoppable(work).await
    }

    async fn walk(&self) -> Result<Walk<'_>> {
        Ok(Walk {
            link: self.session.link().await?,
            board: &self.board,
            recursive: self.args.recursive,
            found: Found::default(),
        })
    }

    fn engine(&self) -> Arc<Engine> {
        let (remote, board) = (Arc::clone(&self.session.remote), Arc::clone(&self.board));
        Engine::new(remote, self.args.settings(), board, self.session.stop())
    }

    /// Into the directory that is there, or under the name that is given?
    fn place(&self, is_directory: bool, sources: usize, target: &[u8]) -> Result<Into> {
        match (is_directory, sources) {
            (true, _) => Ok(Into::Directory),
            (false, 1) if !target.ends_with(b"/") || self.args.recursive => Ok(Into::Name),
            (false, _) => Err(Error::new(format!("\"{}\" is no directory", printable(target)))
                .hint("make it first, or name one that is there")),
        }
    }

    async fn transfer(self, engine: Arc<Engine>, mut found: Found, into: Into) -> Result<u8> {
        // Named twice, or by two patterns.
        let (mut seen, hasher) = (HashSet::new(), RandomState::new());
        found
            .jobs
            .retain(|job| seen.insert(hasher.hash_one((&job.local, &job.remote))));
        // A large file that is alone has a line of its own, which says it all.
        let alone = matches!(&found.jobs[..], [job] if job.size >= SMALL_BYTES) && found.failed == 0;
        let bytes = found
            .jobs
            .iter()
            .fold(0_u64, |sum, job| sum.saturating_add(job.size));
        self.board.expect(found.jobs.len() as u64, bytes);
        let mut summary = engine.run(std::mem::take(&mut found.jobs)).await;
        if self.args.preserve && !summary.stopped {
            self.keep(&engine, &found).await;
        }
        summary.failed += found.failed;
        let trees = !(found.remote_directories.is_empty() && found.local_directories.is_empty());
        if trees && matches!(into, Into::Name) && (summary.failed > 0 || summary.stopped) {
            self.board.warn(
                "the same command would now copy the directory into the one that it has made; \
                 name it with /. at its end to go on",
            );
        }
        let Self {
            board,
            totals,
            session,
            began,
            ..
        } = self;
        // What is drawn goes, before the last line.
        drop((engine, board));
        let elapsed = began.elapsed();
        match session.output.style {
            Style::Json => print(&format!(
                "{}\n",
                progress::summary_event(&summary, &totals, elapsed)
            ))?,
            Style::Words if !alone => eprintln!("{}", progress::summary(&summary, &totals, elapsed)),
            Style::Words | Style::Quiet => {}
        }
        Ok(summary.exit_code())
    }

    /// Times and permissions of directories, the innermost first: what is put into one changes its time.
    async fn keep(&self, engine: &Engine, found: &Found) {
        // Without a connection the files have failed, and have said so.
        if !found.remote_directories.is_empty()
            && let Ok(link) = engine.link().await
        {
            for (path, attrs) in found.remote_directories.iter().rev() {
                if let Err(failed) = link.set(path, attrs).await {
                    self.board.warn(&format!(
                        "{}: cannot keep times and permissions: {failed}",
                        printable(path)
                    ));
                }
            }
        }
        for (path, attrs) in found.local_directories.iter().rev() {
            if let Err(error) = keep_local(path, attrs) {
                let name = printable(path.as_os_str().as_bytes());
                self.board.warn(&format!(
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
