//! `sync`: makes one directory like another, across the connection.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::filter_args::FilterArgs;
use super::server_words::UsageError;
use super::session::Session;
use super::transfer::{connections, rate};
use super::two_trees;
use super::verb::{StdinUse, Verb};
use crate::connect::Target;
use crate::names::{is_single_name, join};
use crate::plan::Policy;
use crate::symlinks::LinkRule;
use crate::sync::{Rules, SyncOptions, SyncSession, Trees};
use crate::transfer::{Direction, Settings, Verify};
use base::error::{Error, Result};

/// Make a directory like another, here or on the server
///
/// Files that differ in size or time are replaced. Nothing is deleted without --delete.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport sync [OPTIONS] DIR [USER@]HOST:DIR\n       homeport sync [OPTIONS] [USER@]HOST:DIR DIR",
    after_help = "Examples:\n  homeport sync DIR HOST:DIR\n  homeport sync HOST:DIR DIR\n\n\
    The contents of the first directory go into the second."
)]
pub struct SyncArgs {
    /// Show what would be done, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Delete what the first directory does not have, after everything else has succeeded.
    #[arg(long)]
    pub delete: bool,
    /// Change nothing if more than this many names would be deleted. Up to as many are deleted without a question.
    #[arg(long, value_name = "N", requires = "delete")]
    pub max_delete: Option<u64>,
    /// Delete names without a question.
    #[arg(short, long, requires = "delete")]
    pub yes: bool,
    /// Move what would be replaced or deleted to this directory of the second side, relative to the target or absolute.
    /// The first directory must have nothing of that name.
    #[arg(long, value_name = "DIR")]
    pub backup_dir: Option<OsString>,
    /// Leave files alone that are newer in the second directory. Links are made like those of the first one all the
    /// same.
    #[arg(short, long)]
    pub update: bool,
    /// Compare files of the same size by their contents, whatever their times are.
    #[arg(short, long)]
    pub checksum: bool,
    /// Take times for equal that are at most this many seconds apart.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub modify_window: u32,
    /// Keep the permissions of files, too. Times are always kept, owners and groups never.
    #[arg(short, long)]
    pub preserve: bool,
    /// Copy symbolic links as links. Without this, links to files stand for the files, and others are left out.
    #[arg(long)]
    pub links: bool,
    /// Follow symbolic links to directories of the source, too.
    #[arg(long, conflicts_with = "links")]
    pub follow: bool,
    /// The options that say which names take part.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Say whether the hashes of both files are compared after a transfer.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub verify: Verify,
    /// Send or fetch at most this many bytes per second, all files together: 500K, 2MiB.
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    pub limit_rate: Option<NonZeroU64>,
    /// Spread files over this many connections (1 to 16), and large files range by range.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: Option<u8>,
    /// The two directories: the source and the target.
    #[arg(required = true, value_name = "DIR")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for SyncArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let trees = two_trees::trees(session, &self.words)?;
        let options = self.options(&trees)?;
        crate::sync::sync(&sync_session(session), &trees, &options).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        two_trees::take_server(&mut self.words)
    }

    fn prepare(&mut self, stdin: StdinUse) -> std::result::Result<(), UsageError> {
        self.filter.read(stdin)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::LocalDirectories]
    }
}

/// The parts of a session that a sync needs.
pub(super) fn sync_session(session: &Arc<Session>) -> SyncSession {
    SyncSession {
        remote: Arc::clone(&session.remote),
        output: session.output,
        stop: session.stop(),
    }
}

impl SyncArgs {
    fn options(&self, trees: &Trees) -> Result<SyncOptions> {
        let mut filter = self.filter.filter()?;
        let backup_dir = self.backup_dir.as_ref();
        let backup_dir = backup_dir
            .map(|directory| backup_directory(trees, directory.as_bytes()))
            .transpose()?;
        // Backups inside of the target take no part.
        filter.reserved = backup_dir
            .clone()
            .filter(|directory| !directory.starts_with(b"/"));
        filter.links = LinkRule::of(self.links, self.follow);
        Ok(SyncOptions {
            rules: Rules {
                delete: self.delete,
                update: self.update,
                checksum: self.checksum,
                modes: self.preserve,
                window: self.modify_window,
            },
            filter,
            dry_run: self.dry_run,
            yes: self.yes,
            max_delete: self.max_delete,
            backup_dir,
            settings: Settings {
                conflicts: Policy::Overwrite,
                verify: self.verify,
                limit_rate: self.limit_rate,
                parallel: connections(self.parallel),
                ..Settings::default()
            },
        })
    }
}

/// The directory for backups: relative to the target if it lies in it, else absolute.
fn backup_directory(trees: &Trees, directory: &[u8]) -> Result<Vec<u8>> {
    let top = match trees.direction {
        Direction::Up => trees.remote.clone(),
        Direction::Down => {
            let top = std::path::absolute(&trees.local);
            let top = top.map_err(|error| Error::new("cannot find the target directory").because(error))?;
            top.into_os_string().into_vec()
        }
    };
    let parts = |path: &[u8]| {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b".." => drop(parts.pop()),
                part if is_single_name(part) => parts.push(part.to_vec()),
                _ => {}
            }
        }
        parts
    };
    let (top, place) = (parts(&top), parts(&join(&top, directory)));
    match place.strip_prefix(&top[..]) {
        Some([]) => {
            Err(Error::new("the directory for backups is the target itself")
                .hint("name one in it, or beside it"))
        }
        Some(inside) => Ok(inside.join(&b'/')),
        None if top.starts_with(&place) => {
            Err(Error::new("the directory for backups holds the target").hint("name one in it, or beside it"))
        }
        None => Ok([b"/", &place.join(&b'/')[..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_never_lie_where_the_target_is() {
        let trees = Trees {
            direction: Direction::Up,
            local: "x".into(),
            remote: b"/home/a/t".to_vec(),
        };
        for (directory, expected) in [
            ("old", Some("old")),
            ("/home/a/t/old/", Some("old")),
            ("./old/./b", Some("old/b")),
            ("../old", Some("/home/a/old")),
            ("/other", Some("/other")),
            (".", None),
            ("old/..", None),
            ("/home/a", None),
            ("/", None),
        ] {
            let found = backup_directory(&trees, directory.as_bytes()).ok();
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{directory}");
        }
    }
}
