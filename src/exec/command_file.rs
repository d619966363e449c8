//! The open file of a command. How it is read and written is the business of the command that opened it.

use std::sync::Arc;

use crate::io::HomeIo;
use crate::session::FileRecord;
use crate::storage::{Error, OpenFile, Result};

/// A file that a command has open. Dropping it closes the file where that may take long; then its record tells so.
pub struct CommandFile {
    pub(super) file: Option<Arc<dyn OpenFile>>,
    pub(super) record: Option<FileRecord>,
    pub(super) io: HomeIo,
}

impl CommandFile {
    /// The open file.
    pub fn file(&self) -> Result<Arc<dyn OpenFile>> {
        // There until it is dropped.
        self.file.clone().ok_or(Error::BadHandle)
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

impl Drop for CommandFile {
    fn drop(&mut self) {
        let held = (self.file.take(), self.record.take());
        match self.io.enter() {
            Some(_permit) => drop(held),
            None => self.io.close(held),
        }
    }
}
