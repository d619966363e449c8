//! Closes a session's files on a thread that may wait.

use crate::io::HomeIo;

use super::session::Sftp;

/// A session which the I/O scheduler drops if it has files open, because closing them may wait.
pub(super) struct DeferredClose {
    pub(super) sftp: Option<Box<Sftp>>,
    io: HomeIo,
}

impl DeferredClose {
    pub(super) fn new(sftp: Box<Sftp>, io: &HomeIo) -> Self {
        Self {
            sftp: Some(sftp),
            io: io.clone(),
        }
    }
}

impl Drop for DeferredClose {
    fn drop(&mut self) {
        let Some(mut sftp) = self.sftp.take() else {
            return;
        };
        if sftp.io.has_folders() {
            // A folder's disk that hangs must not delay the closing of other files.
            for (io, files) in sftp.handles.take_elsewhere(&self.io) {
                io.close(files);
            }
        }
        if !sftp.holds_nothing() {
            self.io.close(sftp);
        }
    }
}
