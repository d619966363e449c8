//! A directory being listed: names by the buffer, attributes by the name.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, RawDir, statat};
use rustix::io::Errno;

use crate::storage::local::attrs;
use crate::storage::local::jail::OpenedDir;
use crate::storage::{DirEntry, DirStream, Metadata, Result};

/// As much as is read of a directory at once, as glibc does: some 1,000 names of usual length. All that a listing
/// holds, however large the directory.
const BATCH: usize = 32 * 1024;

/// An open directory.
#[derive(Debug)]
pub(super) struct LocalDir {
    fd: OwnedFd,
    /// What `..` is from inside the home.
    parent: Option<Metadata>,
    /// Names not told yet, each with its NUL, from `next` on.
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

    /// Reads the next names; afterwards there are none left only at the end of the directory.
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

    /// The attributes of a name that the directory itself told.
    fn look(&self, name: &CStr) -> Option<Metadata> {
        match name.to_bytes() {
            // Never asked of the kernel here: it would answer with what is above the home.
            b".." => self.parent,
            // No file system should tell such names, and no lookup may leave this directory.
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
            let entry = self.look(name).map(|meta| DirEntry {
                name: name.to_bytes().to_vec(),
                meta,
            });
            self.next += name.to_bytes_with_nul().len();
            // As OpenSSH does, what cannot be looked at is left out.
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }
}
