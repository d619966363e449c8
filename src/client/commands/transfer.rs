//! `get` and `put`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Session;
use super::args::TransferArgs;
use super::output::{Style, print};
use super::walk::{Found, Walk, below_local, below_remote};
use crate::client::names::parent;
use crate::client::packets::Attributes;
use crate::client::plan::There;
use crate::client::printable::printable;
use crate::client::progress;
use crate::client::remote::failed::Failed;
use crate::client::transfer::board::Board;
use crate::client::transfer::{Engine, SMALL_BYTES};
use crate::error::{Error, Result};
use crate::user::Size;

/// Several files go into one place, which must be a directory.
#[derive(Clone, Copy)]
enum Into {
    Directory,
    Name,
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
    let link = run.link().await?;
    // All at once: over a far link each round trip is felt.
    let (there, inside, above) =
        tokio::join!(link.look(target), link.space(target), link.space(above(target)));
    let there = there.map_err(refused("look at the target"))?;
    let is_directory = there.is_some_and(|attrs| attrs.is_directory() == Some(true));
    let space = if is_directory { inside } else { above };
    let space = match space {
        // What is wrong with the place shows when the file is to be made there.
        Err(failed) if failed.is_missing() => None,
        space => space.map_err(refused("look for room"))?,
    };
    let into = run.place(is_directory, sources.len(), target)?;
    let mut walk = run.walk(&link);
    for source in sources {
        let remote = match into {
            Into::Name => Some(target.to_vec()),
            Into::Directory => below_remote(target, &source),
        };
        let Some(remote) = remote else {
            return Err(Error::new(format!("{source:?} has no name to be stored under")));
        };
        let walking = async {
            // Under this very name nothing was there a moment ago.
            let seen = match (into, there) {
                (Into::Name, None) => Some(There::Nothing),
                _ => None,
            };
            let walked = walk.up(&source, remote, seen).await;
            walked.map_err(refused("make directories"))
        };
        session.stoppable(walking).await?;
    }
    let found = walk.found;
    let engine = run.engine();
    if let Some(lack) = engine
        .lacks_room(&found.jobs, space)
        .await
        .map_err(refused("look for room"))?
    {
        let missing = Size(lack.needed.saturating_sub(lack.free));
        return Err(Error::new(format!(
            "no room on the server: {} to be written, {} free, {missing} missing; nothing was sent",
            Size(lack.needed),
            Size(lack.free),
        ))
        .hint("make room, or ask for a larger quota"));
    }
    run.transfer(engine, found).await
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
    let link = run.link().await?;
    let mut sources = Vec::new();
    for pattern in patterns {
        sources.extend(
            session
                .matching(&link, pattern)
                .await?
                .into_iter()
                .map(|found| found.path),
        );
    }
    let is_directory = target.is_dir();
    let into = run.place(is_directory, sources.len(), target.as_os_str().as_bytes())?;
    let mut walk = run.walk(&link);
    for source in sources {
        let local = match into {
            Into::Name => Some(target.to_owned()),
            Into::Directory => match below_local(target, &source) {
                None => below_local(
                    target,
                    &link.realpath(&source).await.map_err(refused("resolve a path"))?,
                ),
                local => local,
            },
        };
        let Some(local) = local else {
            return Err(Error::new(format!(
                "\"{}\" has no name to be stored under",
                printable(&source)
            ))
            .hint("name a target that does not exist yet"));
        };
        let walking = async {
            let walked = walk.down(source, local).await;
            walked.map_err(refused("list a directory"))
        };
        session.stoppable(walking).await?;
    }
    let found = walk.found;
    let engine = run.engine();
    run.transfer(engine, found).await
}

fn refused(what: &'static str) -> impl Fn(Failed) -> Error {
    move |failed| Error::new(format!("cannot {what}")).because(failed)
}

/// One `get` or `put`.
struct Run<'a> {
    session: &'a Arc<Session>,
    args: &'a TransferArgs,
    board: Arc<Board>,
    totals: Arc<crate::client::transfer::board::Totals>,
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

    async fn link(&self) -> Result<Arc<crate::client::link::Link>> {
        self.session
            .remote
            .link()
            .await
            .map_err(|failed| Error::new(failed.to_string()))
    }

    fn walk<'b>(&'b self, link: &'b crate::client::link::Link) -> Walk<'b> {
        Walk {
            link,
            board: &self.board,
            recursive: self.args.recursive,
            found: Found::default(),
        }
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

    async fn transfer(self, engine: Arc<Engine>, mut found: Found) -> Result<u8> {
        // A large file that is alone has a line of its own, which says it all.
        let alone = matches!(&found.jobs[..], [job] if job.size >= SMALL_BYTES) && found.failed == 0;
        let bytes = found
            .jobs
            .iter()
            .fold(0_u64, |sum, job| sum.saturating_add(job.size));
        self.board.expect(found.jobs.len() as u64, bytes);
        let mut summary = engine.run(std::mem::take(&mut found.jobs)).await;
        if self.args.preserve {
            self.keep(&engine, &found).await;
        }
        summary.failed += found.failed;
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
    if let Some((accessed, modified)) = attrs.times {
        let at = |secs: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(secs));
        directory.set_times(
            std::fs::FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified)),
        )?;
    }
    if let Some(mode) = attrs.mode {
        use std::os::unix::fs::PermissionsExt as _;
        directory.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
    }
    Ok(())
}
