//! Which files are being written, and when an upload is complete.
//!
//! A file is uploaded when the last handle that was opened for writing it is closed by its client, and its content or
//! existence has changed since it was uploaded last. A file whose last writer was lost stays incomplete until it is
//! opened for writing again and closed. A file with a name for incomplete files (`[events] partial`) is uploaded when
//! it is renamed away from that name.
//!
//! All sessions share one table of the inodes that are being written, because a file may have several writers.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::domain::event::{FileEnd, UploadDigest};
use crate::domain::path::VirtualPath;
use crate::storage::{FileFacts, InodeId, upload_names};
use base::glob::{self, Pattern};

use super::upload_digest::{DigestWorkers, UploadStream};

/// The most files without a writer that are remembered as incomplete: one to two megabytes. Beyond that, the oldest are
/// forgotten, and are uploaded only if something is written to them.
const MOST_INCOMPLETE: usize = 16_384;

/// How often a server that stops looks whether all digests are computed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The most digests of files with a name for incomplete files that are kept until the file is renamed.
const MOST_DIGESTS: usize = 4096;
/// Why a file has no digest that was renamed long after it was written, or changed since.
const NOT_KEPT: &str = "not known any more when the file was renamed";

/// The files that are being written, and the names of incomplete ones.
pub struct Uploads {
    partial: Vec<Pattern>,
    files: Mutex<UploadTable>,
    /// Computes the digests of uploads, if they are wanted.
    workers: Option<DigestWorkers>,
    digests: Mutex<PartialDigests>,
}

/// The digests of files with a name for incomplete files, which are reported when the files are renamed.
#[derive(Default)]
struct PartialDigests {
    known: HashMap<InodeId, PartialDigest>,
    /// The files in the order in which they were closed. Some may have been renamed since.
    order: VecDeque<InodeId>,
    last: u64,
}

/// The digest of a file that waits to be renamed.
struct PartialDigest {
    ticket: DigestTicket,
    state: DigestState,
}

enum DigestState {
    /// It is still being computed.
    Pending,
    /// It is still being computed, and the file was renamed already.
    Wanted(WantedDigest),
    /// It is known.
    Known(UploadDigest),
}

/// Distinguishes the digests of one file that was written several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestTicket(u64);

/// Receives the digest of a file, or `None` if none is wanted.
type WantedDigest = Box<dyn FnOnce(Option<UploadDigest>) + Send>;

#[derive(Default)]
struct UploadTable {
    written: HashMap<InodeId, WrittenFile>,
    /// The number of writers of all files.
    writers: usize,
    /// The files of which the last writer was lost, in this order. Some may have been completed since.
    incomplete: VecDeque<InodeId>,
}

/// A file that is being written, or whose last writer was lost.
struct WrittenFile {
    writers: usize,
    /// Whether the content or the existence has changed since the file was uploaded last.
    changed: bool,
    /// Whether two handles have had it open for writing at once, or it was changed without a handle meanwhile.
    shared: bool,
    /// The name by which it was opened last, or that it got since.
    path: VirtualPath,
}

/// What becomes of a file when a writer has left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftFile {
    /// It is still being written, or incomplete, or has not changed.
    Nothing,
    /// It is uploaded.
    Uploaded {
        /// The name of the file.
        path: VirtualPath,
        /// Whether it was changed by more than one handle: by two at once, or without one.
        shared: bool,
    },
    /// It has a name for incomplete files, and is uploaded when it is renamed.
    Partial {
        /// Whether it was changed by more than one handle: by two at once, or without one.
        shared: bool,
    },
}

/// How a writer leaves a file.
#[derive(Debug, Clone, Copy)]
pub struct WriterEnd {
    /// How the use of the file ended.
    pub end: FileEnd,
    /// Whether this writer has changed the content.
    pub changed: bool,
    /// Whether the file still has a name.
    pub has_name: bool,
}

/// What a rename means for an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenamedUpload {
    /// The file is complete: no handle is writing it.
    Complete,
    /// The file is still being written; its last writer completes it.
    BeingWritten,
}

impl Uploads {
    /// Creates the table; `partial` has the patterns of names that incomplete files have.
    pub fn new(partial: &[String]) -> Self {
        let compile = |pattern: &String| Pattern::of_any_name(&glob::parse(pattern.as_bytes()));
        Self {
            partial: partial.iter().map(compile).collect(),
            files: Mutex::default(),
            workers: None,
            digests: Mutex::default(),
        }
    }

    /// Has the digests of uploads computed by these threads.
    #[must_use]
    pub fn with_digests(self, workers: DigestWorkers) -> Self {
        Self {
            workers: Some(workers),
            ..self
        }
    }

    /// Begins to compute the digest of a file that was opened for writing; `None` if none is wanted.
    pub fn digest(&self, facts: FileFacts) -> Option<UploadStream> {
        let is_empty = facts.created || facts.truncated || facts.size == Some(0);
        self.workers.as_ref().map(|workers| workers.begin(is_empty))
    }

    /// Waits until the digests of all files that are closed were passed on.
    pub async fn hashed(&self) {
        while self.workers.as_ref().is_some_and(DigestWorkers::are_busy) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Records that the digest of a file that was closed is being computed, and will be reported when it is renamed.
    pub fn expect_digest(&self, inode: InodeId) -> DigestTicket {
        let mut digests = self.digests.lock();
        digests.last += 1;
        let ticket = DigestTicket(digests.last);
        let state = DigestState::Pending;
        let mut displaced = vec![digests.known.insert(inode, PartialDigest { ticket, state })];
        digests.order.push_back(inode);
        while digests.order.len() > MOST_DIGESTS {
            if let Some(oldest) = digests.order.pop_front()
                && !digests.order.contains(&oldest)
            {
                displaced.push(digests.known.remove(&oldest));
            }
        }
        drop(digests);
        for displaced in displaced.into_iter().flatten() {
            if let DigestState::Wanted(wanted) = displaced.state {
                wanted(Some(UploadDigest::Missing(NOT_KEPT)));
            }
        }
        ticket
    }

    /// Records the digest of a file for which one is expected.
    pub fn digest_is_known(&self, inode: InodeId, ticket: DigestTicket, digest: UploadDigest) {
        let mut digests = self.digests.lock();
        match digests.known.remove(&inode) {
            Some(PartialDigest {
                ticket: expected,
                state: DigestState::Wanted(wanted),
            }) if expected == ticket => {
                drop(digests);
                wanted(Some(digest));
            }
            Some(PartialDigest { ticket: expected, .. }) if expected == ticket => {
                let state = DigestState::Known(digest);
                digests.known.insert(inode, PartialDigest { ticket, state });
            }
            // The file was written again meanwhile.
            Some(other) => {
                digests.known.insert(inode, other);
            }
            None => {}
        }
    }

    /// Calls `wanted` with the digest of a file that was renamed, as soon as it is known.
    pub fn digest_of_renamed(
        &self,
        inode: InodeId,
        wanted: impl FnOnce(Option<UploadDigest>) + Send + 'static,
    ) {
        if self.workers.is_none() {
            return wanted(None);
        }
        let mut digests = self.digests.lock();
        let found = digests.known.remove(&inode);
        let digest = match found {
            Some(PartialDigest {
                ticket,
                state: DigestState::Pending,
            }) => {
                let state = DigestState::Wanted(Box::new(wanted));
                digests.known.insert(inode, PartialDigest { ticket, state });
                return;
            }
            Some(PartialDigest {
                state: DigestState::Known(digest),
                ..
            }) => digest,
            // An earlier rename waits for it.
            Some(other) => {
                digests.known.insert(inode, other);
                UploadDigest::Missing(NOT_KEPT)
            }
            None => UploadDigest::Missing(NOT_KEPT),
        };
        drop(digests);
        wanted(Some(digest));
    }

    /// Forgets the digest of a file that changes.
    fn forget_digest(&self, inode: InodeId) {
        if self.workers.is_none() {
            return;
        }
        let mut digests = self.digests.lock();
        let is_wanted = |known: &PartialDigest| matches!(known.state, DigestState::Wanted(_));
        // A rename that waits for it gets it: the file had this content then.
        if !digests.known.get(&inode).is_some_and(is_wanted) {
            digests.known.remove(&inode);
        }
    }

    /// Returns whether a name says that its file is incomplete.
    pub fn is_partial(&self, path: &VirtualPath) -> bool {
        let path = path.without_slash();
        let Some((_, name)) = path.split() else {
            return false;
        };
        // The part of an upload over HTTP is incomplete whatever is configured.
        upload_names::is_reserved(name) || self.partial.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns whether a rename gives up a name for incomplete files.
    pub fn completes(&self, from: &VirtualPath, to: &VirtualPath) -> bool {
        self.is_partial(from) && !self.is_partial(to)
    }

    /// Returns whether any file is being written, whose name a rename may change. A file that was left incomplete gets
    /// its name when it is opened again.
    pub fn is_tracking(&self) -> bool {
        self.files.lock().writers > 0
    }

    /// Records that a file was opened for writing; `changed` if that has created or truncated it.
    pub fn opened(&self, inode: InodeId, path: &VirtualPath, changed: bool) {
        self.forget_digest(inode);
        let mut files = self.files.lock();
        files.writers += 1;
        let file = files.written.entry(inode).or_insert_with(|| WrittenFile {
            writers: 0,
            changed: false,
            shared: false,
            path: VirtualPath::root(),
        });
        file.shared |= file.writers > 0;
        file.writers += 1;
        file.changed |= changed;
        file.path = path.clone();
    }

    /// Records that a writer has left a file. Returns whether it is uploaded now.
    pub fn left(&self, inode: InodeId, writer: WriterEnd) -> LeftFile {
        let mut files = self.files.lock();
        files.writers = files.writers.saturating_sub(1);
        let Some(file) = files.written.get_mut(&inode) else {
            return LeftFile::Nothing;
        };
        file.writers = file.writers.saturating_sub(1);
        file.changed |= writer.changed;
        if file.writers > 0 {
            return LeftFile::Nothing;
        }
        let is_complete = writer.end == FileEnd::Client;
        if !is_complete && file.changed && writer.has_name {
            // The name is known again when the file is opened again.
            file.path = VirtualPath::root();
            files.leave_incomplete(inode);
            return LeftFile::Nothing;
        }
        let file = files.written.remove(&inode);
        drop(files);
        let is_new = |file: &WrittenFile| is_complete && file.changed && writer.has_name;
        match file.filter(is_new) {
            None => LeftFile::Nothing,
            Some(file) if self.is_partial(&file.path) => LeftFile::Partial { shared: file.shared },
            Some(file) => LeftFile::Uploaded {
                path: file.path,
                shared: file.shared,
            },
        }
    }

    /// Records that the content of a file was changed without a handle. What a handle has written is then not known to
    /// be what the file has.
    pub fn changed(&self, inode: InodeId) {
        self.forget_digest(inode);
        if let Some(file) = self.files.lock().written.get_mut(&inode) {
            file.changed = true;
            file.shared = true;
        }
    }

    /// Records that a file has another name now, and returns whether it is still being written.
    pub fn renamed(&self, inode: InodeId, to: &VirtualPath) -> RenamedUpload {
        let mut files = self.files.lock();
        match files.written.get_mut(&inode) {
            Some(file) if file.writers > 0 => {
                file.path = to.clone();
                RenamedUpload::BeingWritten
            }
            Some(_) | None => RenamedUpload::Complete,
        }
    }

    /// Records that a rename has completed an upload, so that the next writer begins a new one.
    pub fn completed(&self, inode: InodeId) {
        let mut files = self.files.lock();
        if files.written.get(&inode).is_some_and(|file| file.writers == 0) {
            files.written.remove(&inode);
        }
    }
}

impl UploadTable {
    fn leave_incomplete(&mut self, inode: InodeId) {
        self.incomplete.push_back(inode);
        while self.incomplete.len() > MOST_INCOMPLETE {
            let Some(oldest) = self.incomplete.pop_front() else {
                return;
            };
            let has_writers = self.written.get(&oldest).is_some_and(|file| file.writers > 0);
            let is_listed_again = self.incomplete.contains(&oldest);
            if !has_writers && !is_listed_again {
                self.written.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
