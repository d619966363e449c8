//! Lists a directory: reads the names one buffer at a time, and the attributes one name at a time.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, RawDir, statat};
use rustix::io::Errno;

use crate::storage::local::attrs;
use crate::storage::local::jail::OpenedDir;
use crate::storage::{DirEntry, DirStream, Metadata, Result};

/// The size of one read of a directory in bytes, as in glibc: about 1,000 names of usual length. A listing holds no
/// more than this in memory, however large the directory is.
const BATCH: usize = 32 * 1024;

/// An open directory and the names read from it.
#[derive(Debug)]
pub(super) struct LocalDir {
    fd: OwnedFd,
    /// The attributes of `..` as seen from inside the home.
    parent: Option<Metadata>,
    /// The names that were read and not yet returned, each with its NUL; `next` is the position of the first one.
    names: Vec<u8>,
    next: usize,
}

impl LocalDir {
    pub(super) fn new(opened: OpenedDir) -> Self {
        Self {
            fd: opened.fd,
            parent: opened.parent,
            names: Vec::new(),
            next: 0,
        }
    }

    /// Reads the next names. If there are none afterwards, the directory has ended.
    fn refill(&mut self) -> Result<()> {
        self.names.clear();
        self.next = 0;
        let mut buffer: Vec<u8> = Vec::with_capacity(BATCH);
        let mut entries = RawDir::new(self.fd.as_fd(), buffer.spare_capacity_mut());
        loop {
            match entries.next() {
                Some(Ok(entry)) => self
                    .names
                    .extend_from_slice(entry.file_name().to_bytes_with_nul()),
                // A directory that was removed has no more entries.
                None | Some(Err(Errno::NOENT)) => break,
                Some(Err(Errno::INTR)) => continue,
                Some(Err(errno)) => return Err(errno.into()),
            }
            if entries.is_buffer_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the attributes of a name that the directory itself listed.
    fn stat(&self, name: &CStr) -> Option<Metadata> {
        match name.to_bytes() {
            // The kernel must not be asked here: it would return the directory above the home.
            b".." => self.parent,
            // A file system should not list such names, and a lookup must not leave this directory.
            odd if odd.is_empty() || odd.contains(&b'/') => None,
            _ => {
                let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
                let stat = statat(&self.fd, name, flags).ok()?;
                Some(attrs::metadata(&stat))
            }
        }
    }
}

impl DirStream for LocalDir {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        loop {
            let left = self.names.get(self.next..).unwrap_or_default();
            let Ok(name) = CStr::from_bytes_until_nul(left) else {
                self.refill()?;
                if self.names.is_empty() {
                    return Ok(None);
                }
                continue;
            };
            let entry = self.stat(name).map(|meta| DirEntry {
                name: name.to_bytes().to_vec(),
                meta,
            });
            self.next += name.to_bytes_with_nul().len();
            // As in OpenSSH, an entry whose attributes cannot be read is left out.
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }

    fn again(&mut self, name: &[u8]) -> Option<DirEntry> {
        let meta = self.stat(&CString::new(name).ok()?)?;
        let name = name.to_vec();
        Some(DirEntry { name, meta })
    }
}
