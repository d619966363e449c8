//! `ls`: lists directories of the server, as names or with a line for each.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgAction, Args};
use sftp_wire::Attributes;

use super::candidates::Candidates;
use super::ls_output::{Heading, LsFormat, show};
use super::named_paths::NamedPaths;
use super::server_words::{BareHost, UsageError, take_server, words_or_current_directory};
use super::session::{RemotePath, Session};
use super::verb::Verb;
use super::walk::MAX_DEPTH;
use crate::connect::Target;
use crate::link::{Answered as _, ConnectionLost, Link, Name, RemoteError};
use crate::names::{is_single_name, join};
use base::error::Result;

/// List directories of the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:\n  \
        homeport ls -lh HOST:docs            with sizes and local times\n  \
        homeport ls -lt HOST:'*.log'         the newest first\n  \
        homeport ls -d HOST:docs             the directory itself"
)]
pub struct LsArgs {
    /// Show a line for each entry, with its permissions, owner, size and local time.
    #[arg(short)]
    pub long: bool,
    /// Also show names that begin with a dot.
    #[arg(short, long, short_alias = 'A')]
    pub all: bool,
    /// Show sizes with units, as in 1.2 MiB.
    #[arg(short = 'h', long)]
    pub human: bool,
    /// Show directories themselves, not what is in them.
    #[arg(short, long)]
    pub directory: bool,
    /// Also list the directories below. Links are not followed.
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Append a sign to names: / directory, @ link, * executable, | pipe, = socket.
    #[arg(long)]
    pub classify: bool,
    /// Show one name per line, even in a terminal.
    #[arg(short = '1')]
    pub single: bool,
    /// End each name with a NUL byte instead of a line end, for xargs -0.
    #[arg(short = '0', long)]
    pub null: bool,
    /// Show the newest files first.
    #[arg(short = 't', conflicts_with = "by_size")]
    pub by_time: bool,
    /// Show the largest files first.
    #[arg(short = 'S')]
    pub by_size: bool,
    /// Reverse the order of the list.
    #[arg(short = 'r', long)]
    pub reverse: bool,
    /// Show this help, and do nothing else.
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// The files, directories or patterns to list. The default is the current directory.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for LsArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(ls(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        take_server(&mut self.words, BareHost::Allowed)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

impl LsArgs {
    fn format(&self) -> LsFormat {
        LsFormat {
            long: self.long,
            human: self.human,
            classify: self.classify,
            single: self.single,
            null: self.null,
        }
    }
}

async fn ls(session: &Arc<Session>, args: &LsArgs) -> Result<u8> {
    let mut names = NamedPaths::new(session, words_or_current_directory(&args.words));
    let (mut files, mut directories, mut code) = (Vec::new(), Vec::new(), 0);
    while let Some(found) = names.next().await? {
        let path = &found.path[..];
        let looking = session.repeated(|link, _| async move { named(&link, args, path).await });
        match looking.await {
            Ok(attrs) if attrs.is_directory() == Some(true) && !args.directory => directories.push(found),
            Ok(attrs) => files.push(Name {
                name: found.shown.into(),
                long: Default::default(),
                attrs,
            }),
            Err(failed) => code = code.max(names.fail(&found, failed, "")?),
        }
    }
    let several = directories.len() + usize::from(!files.is_empty()) > 1;
    let mut heading = Heading::new(session, several || args.recursive, args.null);
    if !files.is_empty() {
        sort(&mut files, args);
        show(session, args.format(), &session.directory(), &files).await?;
        heading.follows_output();
    }
    let mut names = NamedPaths::known(session, directories);
    while let Some(directory) = names.next().await? {
        let listed = list(session, args, directory, &mut heading).await?;
        code = code.max(listed.map_err(|lost| names.lost(lost))?);
    }
    Ok(code)
}

/// The attributes of a path that was named. A link to a directory stands for the directory, and another link for what
/// it points to, except in a list with details.
async fn named(link: &Link, args: &LsArgs, path: &[u8]) -> std::result::Result<Attributes, RemoteError> {
    let itself = link.lstat(path).await?;
    if args.directory || !itself.is_symlink() {
        return Ok(itself);
    }
    // A link whose target does not exist is listed as well.
    let there = link.stat(path).await.unless_refused()?;
    let counts = |there: &Attributes| there.is_directory() == Some(true) || !args.long;
    Ok(there.filter(counts).unwrap_or(itself))
}

/// Lists a directory, and with `-R` those below it. Returns the exit code, unless there is no connection any more.
async fn list(
    session: &Session,
    args: &LsArgs,
    top: RemotePath,
    heading: &mut Heading,
) -> Result<std::result::Result<u8, ConnectionLost>> {
    let mut code = 0;
    let mut stack = vec![(top, 0)];
    while let Some((directory, depth)) = stack.pop() {
        let path = &directory.path[..];
        let listing = session.repeated(|link, _| async move { link.list(path).await });
        let mut entries = match listing.await {
            Ok(entries) => entries,
            Err(RemoteError::ConnectionLost(lost)) => return Ok(Err(lost)),
            Err(failed) => {
                session.complain(&directory.shown, &failed);
                code = 1;
                continue;
            }
        };
        if !args.all {
            entries.retain(|entry| !entry.name.starts_with(b"."));
        }
        sort(&mut entries, args);
        heading.print(&directory.shown)?;
        show(session, args.format(), &directory.path, &entries).await?;
        if !args.recursive {
            continue;
        }
        let below = entries
            .iter()
            .rev()
            .filter(|entry| entry.attrs.is_directory() == Some(true));
        for entry in below.filter(|entry| is_single_name(&entry.name)) {
            let next = RemotePath {
                shown: join(&directory.shown, &entry.name),
                path: join(&directory.path, &entry.name),
            };
            if depth >= MAX_DEPTH {
                session.complain(&next.shown, &"it is nested too deeply");
                code = 1;
            } else {
                stack.push((next, depth + 1));
            }
        }
    }
    Ok(Ok(code))
}

/// Sorts as the options say. Entries that are equal in that are sorted by name.
fn sort(entries: &mut [Name], args: &LsArgs) {
    let modified = |entry: &Name| entry.attrs.times.map(|times| times.modified);
    entries.sort_by(|a, b| {
        let order = match (args.by_time, args.by_size) {
            (true, _) => modified(b).cmp(&modified(a)),
            (_, true) => b.attrs.size.cmp(&a.attrs.size),
            _ => Ordering::Equal,
        };
        order.then_with(|| a.name.cmp(&b.name))
    });
    if args.reverse {
        entries.reverse();
    }
}

#[cfg(test)]
mod tests {
    use sftp_wire::Times;

    use super::*;

    #[test]
    fn entries_are_sorted_as_requested() {
        let entry = |name: &'static str, size, modified| Name {
            name: name.into(),
            long: Default::default(),
            attrs: Attributes {
                size: Some(size),
                times: Some(Times {
                    accessed: 0,
                    modified,
                }),
                ..Attributes::default()
            },
        };
        let sorted = |args: &LsArgs| {
            let mut entries = [entry("b", 1, 5), entry("c", 7, 5), entry("a", 3, 4)];
            sort(&mut entries, args);
            entries
                .map(|entry| String::from_utf8(entry.name.to_vec()).unwrap())
                .concat()
        };
        let mut args = LsArgs::default();
        assert_eq!(sorted(&args), "abc");
        args.by_size = true;
        assert_eq!(sorted(&args), "cab");
        args.reverse = true;
        assert_eq!(sorted(&args), "bac");
        args = LsArgs {
            by_time: true,
            ..LsArgs::default()
        };
        assert_eq!(sorted(&args), "bca");
    }
}
