//! Lists directories for completion, within a time limit. It never connects, prompts or prints.

use parking_lot::Mutex;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sftp_wire::{Reply, Request};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::complete::{Entry, Lister, Side};
use crate::commands::Session;
use crate::link::Link;
use crate::names::{below_home, join};

/// The longest wait for a listing after TAB was pressed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a listing stays valid: the second TAB shows what the first has found.
const FRESH: Duration = Duration::from_secs(1);
/// The most entries of one directory that are looked at.
const MOST: usize = 20_000;
/// The most links of one directory that are followed, to see whether they lead to directories.
const LINKS: usize = 50;
/// The entries of a directory, and when they were listed.
type CachedListing = Option<(Instant, Arc<[Entry]>)>;

/// Lists directories of both machines, as the session sees them.
pub(super) struct SessionLister {
    session: Arc<Session>,
    runtime: Handle,
    /// The last directory, and its entries if they have arrived.
    last: Mutex<Option<(Vec<u8>, watch::Receiver<CachedListing>)>>,
    /// The listings that are under way. Dropping this cancels them.
    tasks: Mutex<JoinSet<()>>,
}

impl SessionLister {
    pub(super) fn new(session: Arc<Session>, runtime: Handle) -> Self {
        Self {
            session,
            runtime,
            last: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    fn remote(&self, directory: Vec<u8>) -> Option<Arc<[Entry]>> {
        let mut known = self.listing(directory)?;
        self.runtime.block_on(async {
            let arrived = known.wait_for(Option::is_some);
            // A listing that comes too late is used for the next TAB.
            let known = tokio::time::timeout(PATIENCE, arrived).await.ok()?.ok()?;
            known.as_ref().map(|(_, entries)| Arc::clone(entries))
        })
    }

    /// The last listing if it is of this directory and new; else one that begins.
    fn listing(&self, directory: Vec<u8>) -> Option<watch::Receiver<CachedListing>> {
        let mut last = self.last.lock();
        if let Some((known, receiver)) = &*last
            && *known == directory
            && match &*receiver.borrow() {
                Some((since, _)) => since.elapsed() < FRESH,
                // The listing is under way, unless it has failed.
                None => receiver.has_changed().is_ok(),
            }
        {
            return Some(receiver.clone());
        }
        let link = self.session.remote.link_now()?;
        let (sender, receiver) = watch::channel(None);
        let path = directory.clone();
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        let work = async move {
            if let Some(entries) = list(&link, &path).await {
                sender.send_replace(Some((Instant::now(), entries.into())));
            }
        };
        tasks.spawn_on(work, &self.runtime);
        *last = Some((directory, receiver.clone()));
        Some(receiver)
    }
}

impl Lister for SessionLister {
    fn list(&self, side: Side, directory: &[u8]) -> Vec<Entry> {
        match side {
            Side::Local => local(directory),
            Side::Remote => {
                let entries = self.remote(match directory {
                    // Only the server knows the path of the home.
                    [b'~', b'/', ..] => directory.to_vec(),
                    _ => self.session.resolve(directory),
                });
                entries.map_or_else(Vec::new, |entries| entries.to_vec())
            }
        }
    }
}

async fn list(link: &Link, directory: &[u8]) -> Option<Vec<Entry>> {
    let path = &match below_home(directory) {
        Some(below) => join(&link.home.clone().ok()?, below),
        None => directory.to_vec(),
    };
    let mut names = link.list(path).await.ok()?;
    names.truncate(MOST);
    let links = names
        .iter()
        .enumerate()
        .filter(|(_, name)| name.attrs.is_symlink());
    let followed: Vec<_> = links
        .take(LINKS)
        .map(|(at, name)| {
            let path = &join(path, &name.name)[..];
            (at, link.channel.begin(&Request::Stat { path }))
        })
        .collect();
    let mut entries: Vec<Entry> = names
        .iter()
        .map(|name| Entry {
            name: name.name.to_vec(),
            directory: name.attrs.is_directory() == Some(true),
        })
        .collect();
    for (at, answer) in followed {
        let answer = answer.await.ok()?;
        let leads = matches!(answer, Reply::Attrs(attrs) if attrs.is_directory() == Some(true));
        if let Some(entry) = entries.get_mut(at) {
            entry.directory = leads;
        }
    }
    Some(entries)
}

fn local(directory: &[u8]) -> Vec<Entry> {
    let home = std::env::home_dir();
    let path = match (directory, below_home(directory), home) {
        (b"", _, _) => ".".into(),
        (_, Some(below), Some(home)) => home.join(OsStr::from_bytes(below)),
        _ => OsStr::from_bytes(directory).into(),
    };
    let listed = std::fs::read_dir(path).into_iter().flatten().flatten();
    let entry = |entry: std::fs::DirEntry| Entry {
        name: entry.file_name().as_bytes().to_vec(),
        // Links are followed.
        directory: entry.path().is_dir(),
    };
    listed.take(MOST).map(entry).collect()
}
