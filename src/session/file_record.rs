//! What was done with an open file, for the events about it.

use crate::domain::event::{Event, FileEnd, FileOpening, FileUse};
use crate::domain::path::VirtualPath;
use crate::storage::{FileFacts, InodeId, OpenFile, OpenHow};

use super::context::{BusyGuard, SessionContext};
use super::events::UnsavedEvent;
use super::upload_digest::UploadStream;
use super::uploads::{LeftFile, WriterEnd};
use super::work::{WorkEntry, WorkPurpose};

/// What was done with an open file. When it is dropped, it emits the event that the file was closed.
pub struct FileRecord {
    /// The path and the number of bytes, which operators can see meanwhile.
    work: WorkEntry,
    /// Whether the file was opened for writing.
    is_for_writing: bool,
    /// The inode, if the file was opened for writing.
    written: Option<InodeId>,
    /// The digest of what is written, if it is wanted.
    digest: Option<UploadStream>,
    /// Whether the size was set.
    resized: bool,
    missing: MissingPiece,
    /// How the use of the file has ended, once it has.
    ended: Option<FileEnding>,
    busy: BusyGuard,
}

/// The lowest offset at which a write was refused, unless that was repeated since. A write elsewhere does not fill the
/// gap.
#[derive(Debug, Default, PartialEq, Eq)]
struct MissingPiece(Option<u64>);

impl MissingPiece {
    fn refused(&mut self, offset: u64) {
        self.0 = Some(self.0.map_or(offset, |earlier| earlier.min(offset)));
    }

    fn written(&mut self, offset: u64, length: u64) {
        self.0 = self.0.filter(|missing| {
            let behind = missing.checked_sub(offset);
            behind.is_none_or(|behind| behind >= length)
        });
    }
}

/// How the use of a file has ended, and its size then.
#[derive(Debug, Clone, Copy)]
struct FileEnding {
    end: FileEnd,
    size: Option<u64>,
    has_name: bool,
}

impl FileEnding {
    /// Returns the ending of a file that is still open.
    fn of(file: &dyn OpenFile, end: FileEnd) -> Self {
        let facts = file.facts();
        Self {
            end,
            size: facts.size,
            has_name: facts.links != Some(0),
        }
    }
}

impl FileRecord {
    /// Emits the event that a file was opened. When the returned record is dropped, it emits that the file was closed.
    /// `facts` need not be known of a file that is only read.
    pub fn opened(context: &SessionContext, path: VirtualPath, how: OpenHow, facts: FileFacts) -> Self {
        context.emit(|who| Event::Opened {
            who,
            path: path.clone(),
            how: FileOpening {
                write: how.write,
                created: facts.created,
                truncated: facts.truncated,
            },
        });
        let inode = facts.inode.filter(|_| how.write);
        if let Some(inode) = inode {
            let changed = facts.created || facts.truncated;
            context.events.uploads().opened(inode, &path, changed);
        }
        let digest = inode.and_then(|_| context.events.uploads().digest(facts));
        let purpose = match how.may_change() {
            true => WorkPurpose::Write,
            false => WorkPurpose::Read,
        };
        Self {
            work: context.work.enter(path, purpose),
            is_for_writing: how.write,
            digest,
            written: inode,
            resized: false,
            missing: MissingPiece::default(),
            ended: None,
            busy: context.busy(),
        }
    }

    /// Returns the path by which the file was opened.
    pub fn path(&self) -> &VirtualPath {
        self.work.file().path()
    }

    /// Counts bytes that were read for the client at an offset. `file` is asked for its size once, if it is a large
    /// one.
    pub fn note_read(&mut self, count: usize, offset: u64, file: &dyn OpenFile) {
        self.busy.context().bytes.add_down(count);
        self.note_copied_from(count, offset);
        if self.work.file().asks_for_size() {
            self.work.file().note_size(file.facts().size);
        }
    }

    /// Counts bytes that the client has written at an offset.
    pub fn note_written(&mut self, data: &[u8], offset: u64) {
        self.busy.context().bytes.add_up(data.len());
        self.note_copied_to(data, offset);
    }

    /// Counts bytes that the server has read at an offset, to copy them to another file.
    pub fn note_copied_from(&mut self, count: usize, offset: u64) {
        self.work.file().note_read(offset, count as u64);
    }

    /// Counts bytes that the server has written at an offset, copied from another file.
    pub fn note_copied_to(&mut self, data: &[u8], offset: u64) {
        self.work.file().note_written(offset, data.len() as u64);
        if let Some(digest) = &mut self.digest {
            digest.written(data, offset);
        }
        self.missing.written(offset, data.len() as u64);
    }

    /// Records that a write at this offset was refused, so that the file lacks a piece.
    pub fn note_refused(&mut self, offset: u64) {
        self.missing.refused(offset);
    }

    /// Records that the client has closed the file, and whether all that it had written has arrived. The file must
    /// still be open.
    pub fn closed(&mut self, file: &dyn OpenFile, is_complete: bool) {
        let end = match is_complete && self.missing.0.is_none() {
            true => FileEnd::Client,
            false => FileEnd::Error,
        };
        self.ended = Some(FileEnding::of(file, end));
    }

    /// Records that the file is given up, because its client has not closed it. The file must still be open.
    pub fn given_up(&mut self, file: &dyn OpenFile) {
        let end = self.busy.context().end_report.session().ending.end_of_files();
        self.ended = Some(FileEnding::of(file, end));
    }

    /// Counts the upload as unsaved, if closing the file may complete one and a subscriber saves uploads.
    pub fn expect_upload(&self) -> Option<UnsavedEvent> {
        self.written.and_then(|_| self.busy.context().expect_upload())
    }

    /// Records that the size of the file was set through this handle.
    pub fn note_resized(&mut self) {
        self.resized = true;
        if let Some(digest) = &mut self.digest {
            digest.resized();
        }
    }
}

impl Drop for FileRecord {
    fn drop(&mut self) {
        let Self {
            work,
            is_for_writing,
            missing: _,
            digest,
            written,
            resized,
            ended,
            busy,
        } = self;
        let work = work.file();
        let ended = ended.unwrap_or(FileEnding {
            end: FileEnd::Lost,
            size: None,
            has_name: true,
        });
        busy.context().emit(|who| Event::Closed {
            who,
            path: work.path().clone(),
            file: FileUse {
                is_for_writing: *is_for_writing,
                bytes_read: work.bytes_read(),
                bytes_written: work.bytes_written(),
                duration: work.duration(),
                end: ended.end,
                size: ended.size,
            },
        });
        let Some(inode) = *written else {
            return;
        };
        let writer = WriterEnd {
            end: ended.end,
            changed: work.bytes_written() > 0 || *resized,
            has_name: ended.has_name,
        };
        let (context, size) = (busy.context().clone(), ended.size);
        let uploaded = move |path, digest| {
            move |context: &SessionContext| {
                context.emit(|who| Event::Uploaded {
                    who,
                    path,
                    size,
                    file: Some(inode.into()),
                    from: None,
                    digest,
                });
            }
        };
        match (context.events.uploads().left(inode, writer), digest.take()) {
            (LeftFile::Nothing, _) | (LeftFile::Partial { .. }, None) => {}
            (LeftFile::Uploaded { path, .. }, None) => uploaded(path, None)(&context),
            (LeftFile::Uploaded { path, shared }, Some(stream)) => {
                let unsaved = context.expect_upload();
                stream.finish(size, shared, move |digest| {
                    uploaded(path, Some(digest))(&context);
                    drop(unsaved);
                });
            }
            (LeftFile::Partial { shared }, Some(stream)) => {
                let ticket = context.events.uploads().expect_digest(inode);
                let known = move |digest| context.events.uploads().digest_is_known(inode, ticket, digest);
                stream.finish(size, shared, known);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_of_the_same_place_fills_a_gap() {
        let check = |writes: &[(u64, u64)], expected: Option<u64>| {
            let mut missing = MissingPiece::default();
            missing.refused(100);
            missing.refused(50);
            missing.refused(200);
            for (offset, length) in writes {
                missing.written(*offset, *length);
            }
            assert_eq!(missing, MissingPiece(expected), "{writes:?}");
        };
        check(&[], Some(50));
        check(&[(0, 10), (0, 50), (51, 100)], Some(50));
        check(&[(50, 0)], Some(50));
        check(&[(50, 1)], None);
        check(&[(0, 51)], None);
        check(&[(0, 30), (30, 30)], None);
        check(&[(0, u64::MAX)], None);
    }
}
