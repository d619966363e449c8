//! Open files on local disks: reading and writing at an offset, as [`crate::storage::OpenFile`] has it.

use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::SeekFrom;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, pwrite};

use super::attrs::{self, AttrRules, Target, retry};
use super::jail::Opened;
use crate::io::HomeIo;
use crate::storage::{Error, FileFacts, Metadata, OpenFile, Result, SetAttrs, Space, Wait};

/// An open file, or a directory that was opened as a file.
#[derive(Debug)]
pub(super) struct LocalFile {
    fd: OwnedFd,
    io: Arc<HomeIo>,
    directory: bool,
    append: bool,
    rules: AttrRules,
    /// Whether the file system lives in memory, so that reading never waits for a disk.
    in_memory: bool,
    /// Whether the file system has refused RWF_NOWAIT before.
    nowait_refused: AtomicBool,
}

impl LocalFile {
    pub(super) fn new(opened: Opened, append: bool, io: Arc<HomeIo>, rules: AttrRules) -> Self {
        Self {
            io,
            fd: opened.fd,
            directory: opened.directory,
            append,
            rules,
            in_memory: opened.in_memory,
            nowait_refused: AtomicBool::new(false),
        }
    }

    fn read_waiting(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match retry(|| pread(&self.fd, &mut *rest, offset + filled as u64))? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Returns EINVAL for an offset that the file system does not support, as lseek(2) does; pread(2) reports the end
    /// of the file there, and pwrite(2) EFBIG. It is called only when nothing was read or written. Every file system
    /// supports the first 4 GiB.
    fn check_offset(&self, offset: u64) -> Result<()> {
        if self.append || u32::try_from(offset).is_ok() {
            return Ok(());
        }
        rustix::fs::seek(&self.fd, SeekFrom::Start(offset))?;
        Ok(())
    }

    /// Reads what is in memory. A read in the middle of a file is one system call. After a short count it reads on,
    /// so that a short result always means the end of the file.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if self.in_memory {
            return self.read_waiting(buffer, offset);
        }
        // FUSE and NFS, among others, refuse it. A server behind them may hang, so they are read only if the call may
        // wait.
        if self.nowait_refused.load(Ordering::Relaxed) {
            return Err(Error::WouldBlock);
        }
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset + filled as u64;
            let mut parts = [IoSliceMut::new(rest)];
            match retry(|| preadv2(&self.fd, &mut parts, at, ReadWriteFlags::NOWAIT)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::AGAIN) => return Err(Error::WouldBlock),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.nowait_refused.store(true, Ordering::Relaxed);
                    return Err(Error::WouldBlock);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(filled)
    }
}

impl OpenFile for LocalFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        if self.directory {
            return Err(Errno::ISDIR.into());
        }
        attrs::offset(offset)?;
        // There is nothing to read beyond the largest offset, and the sum must not overflow.
        let room = usize::try_from(i64::MAX as u64 - offset).unwrap_or(usize::MAX);
        let length = buffer.len().min(room);
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        let count = match wait {
            Wait::Allowed => self.read_waiting(buffer, offset),
            Wait::Briefly => match self.read_cached(buffer, offset) {
                // The file is on a local disk, and not in memory.
                Err(Error::WouldBlock) if !self.nowait_refused.load(Ordering::Relaxed) => {
                    self.read_waiting(buffer, offset)
                }
                read => read,
            },
            Wait::Never => self.read_cached(buffer, offset),
        }?;
        if count == 0 {
            self.check_offset(offset)?;
        }
        Ok(count)
    }

    fn write_at(&self, mut data: &[u8], offset: u64, _wait: Wait) -> Result<()> {
        // With O_APPEND the kernel ignores the offset, but it would still refuse one that is not valid.
        let mut at = if self.append { 0 } else { attrs::offset(offset)? };
        if data.is_empty() {
            self.check_offset(offset)?;
        }
        loop {
            let count = match retry(|| pwrite(&self.fd, data, at)) {
                Err(Errno::FBIG) => return self.check_offset(offset).and(Err(Errno::FBIG.into())),
                written => written?,
            };
            data = data.get(count..).unwrap_or_default();
            if data.is_empty() {
                return Ok(());
            }
            if count == 0 {
                return Err(Errno::IO.into());
            }
            at = attrs::offset(at.saturating_add(count as u64))?;
        }
    }

    fn stat(&self) -> Result<Metadata> {
        Ok(attrs::metadata(&rustix::fs::fstat(&self.fd)?))
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        Ok(attrs::apply(Target::Opened(self.fd.as_fd()), attrs, self.rules)?)
    }

    fn sync(&self) -> Result<()> {
        Ok(retry(|| rustix::fs::fsync(&self.fd))?)
    }

    fn finish(&self, _wait: Wait) -> Result<()> {
        Ok(())
    }

    fn space(&self, _wait: Wait) -> Result<Space> {
        Ok(attrs::space(&rustix::fs::fstatvfs(&self.fd)?))
    }

    fn abandon(&self) {}

    /// The account's decorator knows what the opening has changed.
    fn facts(&self) -> FileFacts {
        let meta = self.stat().ok();
        FileFacts {
            inode: meta.map(|meta| meta.inode),
            size: meta.map(|meta| meta.size),
            links: meta.map(|meta| meta.links),
            ..FileFacts::default()
        }
    }

    fn scheduler(&self) -> &HomeIo {
        &self.io
    }
}
