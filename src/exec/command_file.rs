//! The open file of a command. The command decides how it is read and written.

use std::sync::Arc;

use crate::session::FileRecord;
use crate::session::events::UnsavedEvent;
use crate::storage::{Error, OpenFile, Result};

/// A file that a command has open. Dropping it closes the file on a thread that may block, and then emits the event.
pub struct CommandFile {
    pub(super) file: Option<Arc<dyn OpenFile>>,
    pub(super) record: Option<FileRecord>,
    /// Whether the file is closed when this is dropped, and not given up.
    pub(super) finished: bool,
    /// How the transfer has ended, as far as it has.
    pub(super) transfer: TransferEnd,
}

/// How a command's transfer of one file has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEnd {
    /// It has not ended, so the client has left if the file is closed now.
    Unfinished,
    /// All bytes were transferred.
    Complete,
    /// Something was refused.
    Failed,
}

impl CommandFile {
    /// Returns the open file, shared with this record.
    pub fn file(&self) -> Result<Arc<dyn OpenFile>> {
        // The file is present until this is dropped.
        self.file.clone().ok_or(Error::BadHandle)
    }

    /// Records that the transfer is complete: when this is dropped, the file is closed, and not abandoned.
    pub fn note_finished(&mut self) {
        self.finished = true;
        self.transfer = TransferEnd::Complete;
    }

    /// Records that all bytes were read, or that something was refused.
    pub fn note_end(&mut self, transfer: TransferEnd) {
        self.transfer = transfer;
    }

    /// Records that the size was set.
    pub fn note_resized(&mut self) {
        if let Some(record) = &mut self.record {
            record.note_resized();
        }
    }

    /// Counts bytes that the command has read at an offset.
    pub fn note_read(&mut self, count: usize, offset: u64) {
        if let (Some(record), Some(file)) = (&mut self.record, &self.file) {
            record.note_read(count, offset, &**file);
        }
    }

    /// Counts bytes that the command has written.
    pub fn note_written(&mut self, data: &[u8], offset: u64) {
        if let Some(record) = &mut self.record {
            record.note_written(data, offset);
        }
    }
}

/// Closes a file when it is dropped, and then emits the event that it was closed.
struct ClosingFile {
    file: Arc<dyn OpenFile>,
    abandoned: bool,
    transfer: TransferEnd,
    record: Option<FileRecord>,
    /// Dropped after the record has emitted its events.
    _unsaved: Option<UnsavedEvent>,
}

impl Drop for ClosingFile {
    fn drop(&mut self) {
        if let Some(record) = &mut self.record {
            match self.transfer {
                TransferEnd::Unfinished => record.given_up(&*self.file),
                TransferEnd::Complete => record.closed(&*self.file, true),
                TransferEnd::Failed => record.closed(&*self.file, false),
            }
        }
        if self.abandoned {
            self.file.abandon();
        }
    }
}

impl Drop for CommandFile {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else {
            return;
        };
        let io = file.scheduler().clone();
        let unsaved = self.record.as_ref().and_then(FileRecord::expect_upload);
        let closing = ClosingFile {
            _unsaved: unsaved,
            file,
            abandoned: !self.finished,
            transfer: self.transfer,
            record: self.record.take(),
        };
        match io.enter() {
            Some(_permit) => drop(closing),
            None => io.close(closing),
        }
    }
}
