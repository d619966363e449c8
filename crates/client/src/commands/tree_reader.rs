//! Reads a whole tree of the server in bounded memory: directories are read batch by batch, a few of them ahead, and
//! only the paths of directories that are still to be read are kept. Links are reported, and never entered.
//!
//! When the connection breaks, the directory that was being read is read again, and the entries that the caller has are
//! left out; the others are read as if nothing had happened.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::session::Session;
use super::walk::MAX_DEPTH;
use crate::link::{ConnectionLost, DirectoryReader, Link, Name, RemoteError};
use crate::names::{is_single_name, join};
use crate::transfer::WorkAttempts;

/// The number of directories that are read at once, so that they share the round trips to a distant server.
const AT_ONCE: usize = 16;
/// The most bytes of paths of directories that are still to be read: a malicious server could list directories without
/// end.
const MOST_WAITING: usize = 64 << 20;
/// The most names of one directory that are remembered, in case the connection breaks: 32 MiB of hashes. A larger directory
/// is not read again.
const MOST_REMEMBERED: usize = 4 << 20;

/// A directory of the tree.
pub(super) struct TreeDirectory<T> {
    /// The path of the directory, as requests name it.
    pub path: Vec<u8>,
    /// How many directories are above it, below the one at which the tree begins.
    pub depth: usize,
    /// What the caller knows about it.
    pub known: T,
    batches: Option<mpsc::Receiver<Result<Vec<Name>, RemoteError>>>,
}

/// Some entries of one directory, as they arrived together.
pub(super) struct TreeBatch<T> {
    /// The path of the directory for requests.
    pub path: Vec<u8>,
    /// How many directories are above the entries, below the one at which the tree begins.
    pub depth: usize,
    /// What the caller knows about the directory.
    pub known: T,
    /// The entries. Names that are not a single component are left out.
    pub entries: Vec<Name>,
}

/// A part of what was read.
pub(super) enum TreeEvent<T> {
    /// Some entries of a directory have arrived.
    Entries(TreeBatch<T>),
    /// A directory has ended, or could not be read.
    End(TreeDirectory<T>, Option<RemoteError>),
    /// The connection is lost, and no other can be made. Nothing follows, however many directories are still to be read.
    Lost(ConnectionLost),
}

/// Why a directory is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    #[error("it is nested too deeply")]
    Deep,
    #[error("too many directories wait to be read")]
    Wide,
}

/// The directories of a tree that are still to be read.
pub(super) struct TreeReader<T> {
    attempts: WorkAttempts,
    /// The connection. `None`: it is to be asked for, and nothing is being read.
    link: Option<Arc<Link>>,
    current: Option<TreeDirectory<T>>,
    /// Hashes of the names of the current directory that the caller has.
    delivered: HashSet<u64>,
    hasher: RandomState,
    /// The directories that were found in the current one, in order.
    found: Vec<TreeDirectory<T>>,
    /// The other directories. The last one is next.
    stack: Vec<TreeDirectory<T>>,
    /// The sum of the lengths of all paths.
    waiting: usize,
    /// The number of directories that are being read: each costs the server a handle.
    reading: usize,
}

impl<T: Clone> TreeReader<T> {
    pub(super) fn new(session: &Session, path: Vec<u8>, known: T) -> Self {
        Self {
            attempts: session.connection().attempts(),
            link: None,
            current: None,
            delivered: HashSet::new(),
            hasher: RandomState::new(),
            found: Vec::new(),
            waiting: path.len(),
            reading: 0,
            stack: vec![TreeDirectory {
                path,
                depth: 0,
                known,
                batches: None,
            }],
        }
    }

    /// Adds a directory that was found in the current one.
    ///
    /// # Errors
    /// When the tree is too deep, or too many directories wait.
    pub(super) fn enter(&mut self, name: &[u8], known: T) -> Result<(), TooMuch> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let (path, depth) = (join(&current.path, name), current.depth + 1);
        if depth > MAX_DEPTH {
            return Err(TooMuch::Deep);
        }
        if self.waiting > MOST_WAITING {
            return Err(TooMuch::Wide);
        }
        self.waiting += path.len();
        self.found.push(TreeDirectory {
            path,
            depth,
            known,
            batches: None,
        });
        Ok(())
    }

    /// The next part of the tree: the entries of a directory come before those of the directories in it. `None`: the
    /// tree has ended.
    pub(super) async fn next(&mut self) -> Option<TreeEvent<T>> {
        loop {
            if self.current.is_none() {
                let next = self.stack.pop()?;
                self.waiting = self.waiting.saturating_sub(next.path.len());
                self.current = Some(next);
                self.delivered.clear();
            }
            if let Err(lost) = self.read_ahead().await {
                return Some(self.lose(lost));
            }
            let batches = self.current.as_mut().and_then(|current| current.batches.as_mut());
            let batch = match batches {
                Some(batches) => batches.recv().await,
                None => None,
            };
            let failed = match batch {
                Some(Ok(entries)) => return self.deliver(entries),
                Some(Err(RemoteError::ConnectionLost(lost))) => {
                    if !self.begin_again() {
                        return Some(self.lose(lost));
                    }
                    continue;
                }
                Some(Err(failed)) => Some(failed),
                None => None,
            };
            self.attempts.advanced();
            self.reading = self.reading.saturating_sub(1);
            self.stack.extend(self.found.drain(..).rev());
            return self.current.take().map(|ended| TreeEvent::End(ended, failed));
        }
    }

    /// The entries of the current directory that the caller does not have yet.
    fn deliver(&mut self, mut entries: Vec<Name>) -> Option<TreeEvent<T>> {
        let (delivered, hasher) = (&mut self.delivered, &self.hasher);
        entries.retain(|entry| {
            is_single_name(&entry.name)
                && (delivered.len() >= MOST_REMEMBERED || delivered.insert(hasher.hash_one(&entry.name[..])))
        });
        if !entries.is_empty() {
            self.attempts.advanced();
        }
        self.current.as_ref().map(|current| {
            TreeEvent::Entries(TreeBatch {
                path: current.path.clone(),
                depth: current.depth,
                known: current.known.clone(),
                entries,
            })
        })
    }

    /// Notes that the connection broke: what was being read is read again on the next one. Returns `false` if that is not
    /// possible, or not worth it.
    fn begin_again(&mut self) -> bool {
        if self.delivered.len() >= MOST_REMEMBERED || !self.attempts.allow_another() {
            return false;
        }
        self.link = None;
        self.reading = 0;
        for directory in self.current.iter_mut().chain(&mut self.stack) {
            directory.batches = None;
        }
        true
    }

    /// Ends the tree, because nothing can be read any more.
    fn lose(&mut self, lost: ConnectionLost) -> TreeEvent<T> {
        self.current = None;
        self.found.clear();
        self.stack.clear();
        TreeEvent::Lost(lost)
    }

    /// Begins to read the current directory, and those that come next while there are not too many, unless that was done
    /// already.
    async fn read_ahead(&mut self) -> Result<(), ConnectionLost> {
        let link = match &self.link {
            Some(link) => Arc::clone(link),
            None => match self.attempts.link().await {
                Ok(link) => Arc::clone(self.link.insert(link)),
                Err(RemoteError::ConnectionLost(lost)) => return Err(lost),
                Err(failed) => return Err(ConnectionLost(failed.to_string().into())),
            },
        };
        let next = self.stack.iter_mut().rev().take(AT_ONCE - 1);
        for (number, directory) in self.current.iter_mut().chain(next).enumerate() {
            let is_current = number == 0;
            if directory.batches.is_none() && (is_current || self.reading < AT_ONCE) {
                directory.batches = Some(read(&link, &directory.path));
                self.reading += 1;
            }
        }
        Ok(())
    }
}

/// Reads a directory in a task of its own, which waits while nobody takes what it has read. The task ends when the
/// receiver is dropped.
fn read(link: &Arc<Link>, path: &[u8]) -> mpsc::Receiver<Result<Vec<Name>, RemoteError>> {
    let (sender, receiver) = mpsc::channel(1);
    let (link, path) = (Arc::clone(link), path.to_vec());
    tokio::spawn(async move {
        let mut directory = match DirectoryReader::open(&link, &path).await {
            Ok(directory) => directory,
            Err(failed) => {
                // The caller may have gone.
                let _ = sender.send(Err(failed)).await;
                return;
            }
        };
        while let Some(batch) = directory.next().await.transpose() {
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}
