//! The open file of a command. The command decides how it is read and written.

use std::sync::Arc;

use crate::session::FileRecord;
use crate::storage::{Error, OpenFile, Result};

/// A file that a command has open. Dropping it closes the file on a thread that may block, and then emits the event.
pub struct CommandFile {
    pub(super) file: Option<Arc<dyn OpenFile>>,
    pub(super) record: Option<FileRecord>,
    /// Whether the client has completed the transfer.
    pub(super) finished: bool,
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
    }

    /// Counts bytes that the command has read.
    pub fn note_read(&mut self, count: usize) {
        if let Some(record) = &mut self.record {
            record.bytes_read = record.bytes_read.saturating_add(count as u64);
        }
    }

    /// Counts bytes that the command has written.
    pub fn note_written(&mut self, count: usize) {
        if let Some(record) = &mut self.record {
            record.bytes_written = record.bytes_written.saturating_add(count as u64);
        }
    }
}

/// Closes a file when it is dropped, and then emits the event that it was closed.
struct ClosingFile {
    file: Arc<dyn OpenFile>,
    abandoned: bool,
    _record: Option<FileRecord>,
}

impl Drop for ClosingFile {
    fn drop(&mut self) {
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
        let closing = ClosingFile {
            file,
            abandoned: !self.finished,
            _record: self.record.take(),
        };
        match io.enter() {
            Some(_permit) => drop(closing),
            None => io.close(closing),
        }
    }
}
