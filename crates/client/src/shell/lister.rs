//! Lists directories for completion, within a time limit. It never connects, prompts or prints.

use parking_lot::Mutex;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sftp_wire::{FileType, Reply, Request};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::complete::{Entry, Lister, Side};
use crate::commands::Session;
use crate::link::{DirectoryReader, Link};
use crate::names::{below_home, join};

/// The longest wait for a listing after TAB was pressed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a listing stays valid at least: the second TAB shows what the first has found. One that took long stays
/// valid for twice that time.
const FRESH: Duration = Duration::from_secs(1);
/// The most entries of a directory that are kept. A larger directory is not completed.
const MOST: usize = 1_000_000;
/// The most links that are followed, to see whether they lead to directories.
const LINKS: usize = 50;

/// What is known of an entry without following links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Link,
    Other,
}

/// The entries of a directory, in the server's order.
type Entries = Arc<[(Box<[u8]>, Kind)]>;

/// A listing that has arrived.
#[derive(Clone)]
struct CachedListing {
    arrived: Instant,
    valid: Duration,
    entries: Entries,
}

/// A directory, and its entries if they have arrived.
type LastListing = (Vec<u8>, watch::Receiver<Option<CachedListing>>);

/// Lists directories of both machines, as the session sees them.
pub(super) struct SessionLister {
    session: Arc<Session>,
    runtime: Handle,
    /// The last directory, and its entries if they have arrived.
    last: Mutex<Option<LastListing>>,
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

    fn remote(&self, directory: Vec<u8>, prefix: &[u8]) -> Option<Vec<Entry>> {
        let link = self.session.remote.link_now()?;
        let mut known = self.listing(&link, directory.clone())?;
        self.runtime.block_on(async {
            let all = async {
                let arrived = known.wait_for(Option::is_some).await.ok()?;
                let all = arrived.as_ref()?;
                Some(Arc::clone(&all.entries))
            };
            // A listing that comes too late is used for the next TAB.
            let all = tokio::time::timeout(PATIENCE, all).await.ok()??;
            let fits: Vec<&(Box<[u8]>, Kind)> =
                all.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
            let mut entries: Vec<Entry> = fits
                .iter()
                .map(|(name, kind)| Entry {
                    name: name.to_vec(),
                    directory: match kind {
                        Kind::Directory => Some(true),
                        Kind::Other => Some(false),
                        Kind::Link => None,
                    },
                })
                .collect();
            // Links that are not followed in time are offered as what they are: names.
            let following = follow(&link, &directory, &mut entries);
            let _ = tokio::time::timeout(PATIENCE, following).await;
            Some(entries)
        })
    }

    /// The last listing if it is of this directory and new; else one that begins.
    fn listing(
        &self,
        link: &Arc<Link>,
        directory: Vec<u8>,
    ) -> Option<watch::Receiver<Option<CachedListing>>> {
        let mut last = self.last.lock();
        if let Some((known, receiver)) = &*last
            && *known == directory
            && match &*receiver.borrow() {
                Some(listing) => listing.arrived.elapsed() < listing.valid,
                // The listing is under way, unless it has failed.
                None => receiver.has_changed().is_ok(),
            }
        {
            return Some(receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        let (link, path) = (Arc::clone(link), directory.clone());
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        let work = async move {
            let begun = Instant::now();
            if let Some(entries) = list(&link, &path).await {
                sender.send_replace(Some(CachedListing {
                    arrived: Instant::now(),
                    valid: FRESH.max(2 * begun.elapsed()),
                    entries: entries.into(),
                }));
            }
        };
        tasks.spawn_on(work, &self.runtime);
        *last = Some((directory, receiver.clone()));
        Some(receiver)
    }
}

impl Lister for SessionLister {
    fn list(&self, side: Side, directory: &[u8], prefix: &[u8]) -> Vec<Entry> {
        match side {
            Side::Local => local(directory, prefix),
            Side::Remote => {
                let path = match directory {
                    // Only the server knows the path of the home.
                    [b'~', b'/', ..] => directory.to_vec(),
                    _ => self.session.resolve(directory),
                };
                self.remote(path, prefix).unwrap_or_default()
            }
        }
    }
}

/// The path for requests: only the server knows the path of the home.
fn real_path(link: &Link, directory: &[u8]) -> Option<Vec<u8>> {
    match below_home(directory) {
        Some(below) => Some(join(&link.home.clone().ok()?, below)),
        None => Some(directory.to_vec()),
    }
}

/// Lists a directory. `None`: it cannot be listed, or has too many entries.
async fn list(link: &Arc<Link>, directory: &[u8]) -> Option<Vec<(Box<[u8]>, Kind)>> {
    let path = real_path(link, directory)?;
    let mut reader = DirectoryReader::open(link, &path).await.ok()?;
    let mut entries = Vec::new();
    while let Some(batch) = reader.next().await.ok()? {
        for name in batch {
            let kind = match name.attrs.file_type() {
                Some(FileType::Directory) => Kind::Directory,
                Some(FileType::Symlink) => Kind::Link,
                _ => Kind::Other,
            };
            entries.push((Box::from(&name.name[..]), kind));
        }
        if entries.len() > MOST {
            return None;
        }
    }
    Some(entries)
}

/// Finds out which links lead to directories, unless there are too many.
async fn follow(link: &Link, directory: &[u8], entries: &mut [Entry]) -> Option<()> {
    let path = real_path(link, directory)?;
    let links = entries.iter_mut().filter(|entry| entry.directory.is_none());
    let asked: Vec<_> = links
        .take(LINKS)
        .map(|entry| {
            let path = &join(&path, &entry.name)[..];
            let answer = link.channel.begin(&Request::Stat { path });
            (entry, answer)
        })
        .collect();
    for (entry, answer) in asked {
        let leads = matches!(answer.await.ok()?, Reply::Attrs(attrs) if attrs.is_directory() == Some(true));
        entry.directory = Some(leads);
    }
    Some(())
}

fn local(directory: &[u8], prefix: &[u8]) -> Vec<Entry> {
    let home = std::env::home_dir();
    let path = match (directory, below_home(directory), home) {
        (b"", _, _) => ".".into(),
        (_, Some(below), Some(home)) => home.join(OsStr::from_bytes(below)),
        _ => OsStr::from_bytes(directory).into(),
    };
    let listed = std::fs::read_dir(path).into_iter().flatten().flatten();
    let fits = listed.filter(|entry| entry.file_name().as_bytes().starts_with(prefix));
    let entry = |entry: std::fs::DirEntry| Entry {
        name: entry.file_name().as_bytes().to_vec(),
        directory: match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => Some(kind.is_dir()),
            // Links are followed.
            _ => Some(entry.path().is_dir()),
        },
    };
    let entries: Vec<Entry> = fits.take(MOST + 1).map(entry).collect();
    match entries.len() > MOST {
        true => Vec::new(),
        false => entries,
    }
}
