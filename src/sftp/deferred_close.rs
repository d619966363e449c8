//! Closes a session's files on a thread that may wait.

use crate::io::HomeIo;
use crate::storage::router::call_io::CallIo;

use super::backlog::NextRequest;
use super::handles::RawHandle;
use super::request_io;
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

    /// Returns the access of an open file to its file system; the home's if no file has the handle.
    pub(super) fn access(&mut self, handle: RawHandle) -> HomeIo {
        let sftp = self.sftp.as_mut();
        let access = sftp.and_then(|sftp| request_io::access(&mut sftp.handles, handle));
        access.unwrap_or_else(|| self.io.clone())
    }

    /// Returns the file systems of a request; `None` if it is the home's alone.
    pub(super) fn call_io(&mut self, next: &NextRequest<'_>) -> Option<CallIo> {
        request_io::of_request(self.sftp.as_mut()?, next)
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
