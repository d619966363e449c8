//! Which files are being written, and when an upload is complete.
//!
//! A file is uploaded when the last handle that was opened for writing it is closed by its client, and its content or
//! existence has changed since it was uploaded last. A file whose last writer was lost stays incomplete until it is
//! opened for writing again and closed. A file with a name for incomplete files (`[events] partial`) is uploaded when it
//! is renamed away from that name.
//!
//! All sessions share one table of the inodes that are being written, because a file may have several writers.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

use crate::domain::event::FileEnd;
use crate::domain::path::VirtualPath;
use crate::storage::InodeId;
use base::glob::{self, Pattern};

/// The most files without a writer that are remembered as incomplete: one to two megabytes. Beyond that, the oldest are
/// forgotten, and are uploaded only if something is written to them.
const MOST_INCOMPLETE: usize = 16_384;

/// The files that are being written, and the names of incomplete ones.
pub struct Uploads {
    partial: Vec<Pattern>,
    files: Mutex<UploadTable>,
}

#[derive(Default)]
struct UploadTable {
    written: HashMap<InodeId, WrittenFile>,
    /// The files of which the last writer was lost, in this order. Some may have been completed since.
    incomplete: VecDeque<InodeId>,
}

/// A file that is being written, or whose last writer was lost.
struct WrittenFile {
    writers: usize,
    /// Whether the content or the existence has changed since the file was uploaded last.
    changed: bool,
    /// The name by which it was opened last, or that it got since.
    path: VirtualPath,
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
        }
    }

    /// Returns whether a name says that its file is incomplete.
    pub fn is_partial(&self, path: &VirtualPath) -> bool {
        let path = path.without_slash();
        let Some((_, name)) = path.split() else {
            return false;
        };
        self.partial.iter().any(|pattern| pattern.matches(name))
    }

    /// Returns whether any file is being written, or was left incomplete.
    pub fn is_tracking(&self) -> bool {
        !self.files.lock().written.is_empty()
    }

    /// Records that a file was opened for writing; `changed` if that has created or truncated it.
    pub fn opened(&self, inode: InodeId, path: &VirtualPath, changed: bool) {
        let mut files = self.files.lock();
        let file = files.written.entry(inode).or_insert_with(|| WrittenFile {
            writers: 0,
            changed: false,
            path: VirtualPath::root(),
        });
        file.writers += 1;
        file.changed |= changed;
        file.path = path.clone();
    }

    /// Records that a writer has left a file. Returns the file's name if it is uploaded now.
    pub fn left(&self, inode: InodeId, writer: WriterEnd) -> Option<VirtualPath> {
        let mut files = self.files.lock();
        let file = files.written.get_mut(&inode)?;
        file.writers = file.writers.saturating_sub(1);
        file.changed |= writer.changed;
        if file.writers > 0 {
            return None;
        }
        let is_complete = writer.end == FileEnd::Client;
        if !is_complete && file.changed && writer.has_name {
            // The name is known again when the file is opened again.
            file.path = VirtualPath::root();
            files.leave_incomplete(inode);
            return None;
        }
        let file = files.written.remove(&inode)?;
        drop(files);
        let is_uploaded = is_complete && file.changed && writer.has_name && !self.is_partial(&file.path);
        is_uploaded.then_some(file.path)
    }

    /// Records that the content of a file was changed without a handle.
    pub fn changed(&self, inode: InodeId) {
        if let Some(file) = self.files.lock().written.get_mut(&inode) {
            file.changed = true;
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
mod tests {
    use super::*;

    const FILE: InodeId = InodeId { device: 1, number: 7 };

    fn uploads() -> Uploads {
        Uploads::new(&["*.part".to_owned(), "*.filepart".to_owned()])
    }

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    /// What happens to a file.
    enum UploadStep {
        /// A handle is opened that creates or truncates the file.
        Create,
        /// A handle is opened, and the file stays as it is.
        Open,
        /// A handle that has written is closed in this way.
        Wrote(FileEnd),
        /// A handle that has not written is closed in this way.
        Idle(FileEnd),
        /// The file gets another name.
        Rename(&'static str),
        /// The last handle is closed after the name was removed.
        Removed,
    }

    /// Takes the steps, and returns by which name the file was uploaded at each step that closes a handle.
    fn run(steps: &[UploadStep]) -> Vec<Option<String>> {
        let uploads = uploads();
        let mut name = path("/f");
        let mut seen = Vec::new();
        let mut leave = |end, changed, has_name| {
            let writer = WriterEnd {
                end,
                changed,
                has_name,
            };
            let path = uploads.left(FILE, writer);
            seen.push(path.map(|path| String::from_utf8(path.absolute()).unwrap()));
        };
        for step in steps {
            match step {
                UploadStep::Create => uploads.opened(FILE, &name, true),
                UploadStep::Open => uploads.opened(FILE, &name, false),
                UploadStep::Wrote(end) => leave(*end, true, true),
                UploadStep::Idle(end) => leave(*end, false, true),
                UploadStep::Removed => leave(FileEnd::Client, true, false),
                UploadStep::Rename(to) => {
                    name = path(to);
                    uploads.renamed(FILE, &name);
                }
            }
        }
        assert!(uploads.files.lock().written.len() <= 1);
        seen
    }

    #[test]
    fn an_upload_is_complete_when_its_last_writer_has_closed_it() {
        use FileEnd::{Client, Error, Kicked, Lost, Stopping};
        use UploadStep::{Create, Idle, Open, Removed, Rename, Wrote};
        let check = |steps: &[UploadStep], expected: &[Option<&str>]| {
            let expected: Vec<Option<String>> = expected.iter().map(|name| name.map(str::to_owned)).collect();
            assert_eq!(run(steps), expected);
        };
        let f = Some("/f");
        check(&[Create, Wrote(Client)], &[f]);
        // An empty file is an upload, too.
        check(&[Create, Idle(Client)], &[f]);
        check(&[Open, Idle(Client)], &[None]);
        check(&[Open, Wrote(Client), Open, Idle(Client)], &[f, None]);
        // With several writers, the last one completes the file.
        check(&[Create, Open, Wrote(Client), Idle(Client)], &[None, f]);
        check(&[Open, Open, Idle(Client), Wrote(Client)], &[None, f]);
        // One that is lost earlier does not matter.
        check(&[Create, Open, Wrote(Lost), Idle(Client)], &[None, f]);
        // A file whose last writer was lost is completed by the next one.
        for lost in [Lost, Kicked, Stopping, Error] {
            check(&[Create, Wrote(lost)], &[None]);
            check(&[Create, Wrote(lost), Open, Idle(Client)], &[None, f]);
            check(
                &[Create, Wrote(lost), Open, Idle(Lost), Open, Wrote(Client)],
                &[None, None, f],
            );
        }
        check(&[Open, Idle(Lost), Open, Idle(Client)], &[None, None]);
        check(&[Create, Open, Wrote(Client), Wrote(Lost)], &[None, None]);
        // The name is the one that the file has then.
        check(&[Create, Rename("/g"), Wrote(Client)], &[Some("/g")]);
        check(&[Create, Rename("/g.part"), Wrote(Client)], &[None]);
        check(&[Create, Removed], &[None]);
    }

    #[test]
    fn names_of_incomplete_files_are_known() {
        let uploads = uploads();
        for name in ["/a.part", "/dir/.part", "/a/b.filepart", "/d.part/"] {
            assert!(uploads.is_partial(&path(name)), "{name}");
        }
        for name in ["/a", "/", "/a.part/b", "/a.parts", ".."] {
            assert!(!uploads.is_partial(&path(name)), "{name}");
        }
    }

    #[test]
    fn a_rename_completes_only_what_nobody_writes() {
        let uploads = uploads();
        assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::Complete);
        uploads.opened(FILE, &path("/f.part"), true);
        assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::BeingWritten);
        let writer = WriterEnd {
            end: FileEnd::Lost,
            changed: true,
            has_name: true,
        };
        assert_eq!(uploads.left(FILE, writer), None);
        assert_eq!(uploads.renamed(FILE, &path("/f")), RenamedUpload::Complete);
        assert!(uploads.is_tracking());
        uploads.completed(FILE);
        assert!(!uploads.is_tracking());
    }

    #[test]
    fn incomplete_files_are_forgotten_in_their_order() {
        let uploads = uploads();
        for number in 0..MOST_INCOMPLETE as u64 + 10 {
            let inode = InodeId { device: 1, number };
            uploads.opened(inode, &path("/f"), true);
            let writer = WriterEnd {
                end: FileEnd::Lost,
                changed: true,
                has_name: true,
            };
            assert_eq!(uploads.left(inode, writer), None);
        }
        let files = uploads.files.lock();
        assert_eq!(files.written.len(), MOST_INCOMPLETE);
        assert!(!files.written.contains_key(&InodeId { device: 1, number: 9 }));
    }
}
