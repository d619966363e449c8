//! Open files: their growth is charged under the lock of their record.
//!
//! A client that was refused for want of room cleans up: OpenSSH before version 10 truncates the file to the length
//! that it believes it has written, which after `reput` is zero. If the client has only added to the content that
//! existed when it opened the file, that content stays: such a truncation stops at the size at the opening, and is
//! reported as a success.
//!
//! Clients have many WRITEs in progress. If one finds no room and the next one does, because it is shorter or because
//! room was made, the stored file has a hole, or lacks a piece if the handle appends. OpenSSH's client then believes
//! that all went well, since it forgets an error when a later WRITE succeeds. So for [`GAPS_REFUSED_FOR`] after a
//! refusal, everything behind the refused piece is refused as well, until that piece has been written.
#![deny(clippy::missing_trait_methods)]

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::room::within_quota;
use crate::accounts::account::{Account, Change, RetryLimits};
use crate::accounts::inode::Inode;
use crate::io::HomeIo;
use crate::storage::{Error, FileFacts, Metadata, OpenFile, OpenHow, Result, SetAttrs, Space, Wait};

/// How long writes behind a refused piece are refused. No WRITE is in progress for longer than this.
const GAPS_REFUSED_FOR: Duration = Duration::from_secs(60);

/// An open file whose growth is charged. The file closes before its record ends, so that space is free on the disk
/// when its charge is released.
pub(super) struct QuotaFile {
    inner: Arc<dyn OpenFile>,
    account: Arc<Account>,
    inode: Arc<Inode>,
    append: bool,
    /// Whether the handle may write.
    writes: bool,
    effect: OpenEffect,
    /// The size in bytes when it was opened, after truncation.
    size_at_open: u64,
    /// Whether this handle has written, or tried to write, before that size.
    changed_old: AtomicBool,
    /// Whether a write was refused for want of room.
    refused: AtomicBool,
    /// The last refusal, with the error that the client got.
    refusal: Mutex<Option<Refusal>>,
}

/// What is known of a file when it is opened.
pub(super) struct Handle {
    /// The record that all handles of the file share.
    pub(super) inode: Arc<Inode>,
    /// Whether every write goes to the end of the file.
    pub(super) append: bool,
    /// Whether the handle may write.
    pub(super) writes: bool,
    /// The size in bytes, after truncation.
    pub(super) size_at_open: u64,
    /// What the opening has changed.
    pub(super) effect: OpenEffect,
}

impl Handle {
    /// Describes a handle of a file that is empty.
    pub(super) fn new(inode: Arc<Inode>, how: OpenHow, effect: OpenEffect) -> Self {
        Self {
            inode,
            append: how.append,
            writes: how.may_write(),
            size_at_open: 0,
            effect,
        }
    }

    /// Describes the same handle of a file with this size.
    pub(super) fn with_size(self, size_at_open: u64) -> Self {
        Self { size_at_open, ..self }
    }
}

/// What the opening of a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenEffect {
    /// The file existed, and has the same content.
    Nothing,
    /// The file did not exist before.
    Created,
    /// The file existed, and was truncated.
    Truncated,
}

#[derive(Clone, Copy)]
struct Refusal {
    at: Instant,
    error: Error,
    /// The offset of the write that was refused.
    offset: u64,
}

impl QuotaFile {
    /// Creates a handle of the record's file.
    pub(super) fn new(account: Arc<Account>, inner: Arc<dyn OpenFile>, handle: Handle) -> Self {
        let Handle {
            inode,
            append,
            writes,
            size_at_open,
            effect,
        } = handle;
        inode.opened(&inner);
        if writes {
            inode.writer_opened();
        }
        Self {
            inner,
            account,
            inode,
            append,
            writes,
            effect,
            size_at_open,
            changed_old: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            refusal: Mutex::new(None),
        }
    }

    /// Runs an operation that may need room, and remembers a refusal for want of room.
    fn with_room(&self, offset: u64, wait: Wait, attempt: impl Fn() -> Result<()>) -> Result<()> {
        let limits = RetryLimits {
            wait,
            first: !self.refused.load(Ordering::Relaxed),
        };
        let done = self.account.retry_until(limits, attempt);
        match &done {
            Err(error) if is_out_of_space(*error) => self.remember(*error, offset),
            Ok(()) if !limits.first => self.forget(offset),
            Ok(()) | Err(_) => {}
        }
        done
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock()
    }

    fn remember(&self, error: Error, offset: u64) {
        let offset = self
            .refusal()
            .map_or(offset, |earlier| earlier.offset.min(offset));
        let at = Instant::now();
        *self.refusal() = Some(Refusal { at, error, offset });
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Forgets the refusal once the refused piece has been written.
    fn forget(&self, offset: u64) {
        let mut refusal = self.refusal();
        if refusal.is_some_and(|refusal| offset <= refusal.offset) {
            *refusal = None;
        }
    }

    /// Refuses a write behind a piece that was refused a moment ago.
    fn check_gap(&self, offset: u64) -> Result<()> {
        match *self.refusal() {
            Some(gap) if offset > gap.offset && gap.at.elapsed() < GAPS_REFUSED_FOR => Err(gap.error),
            _ => Ok(()),
        }
    }

    /// Returns the size that a client's truncation to `wanted` bytes really sets; `now` is the current size.
    fn allowed_size(&self, wanted: u64, now: u64) -> u64 {
        let only_added = !self.changed_old.load(Ordering::Relaxed);
        match self.refused.load(Ordering::Relaxed) && only_added {
            true => wanted.max(self.size_at_open.min(now)),
            false => wanted,
        }
    }

    fn try_write(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        let account = &self.account;
        let change = account.begin()?;
        let mut size = self.inode.lock(wait)?;
        let start = if self.append { *size } else { offset };
        if start < self.size_at_open {
            self.changed_old.store(true, Ordering::Relaxed);
        }
        let end = if data.is_empty() {
            0
        } else {
            start.saturating_add(data.len() as u64)
        };
        if i64::try_from(end).is_err() && i64::try_from(start).is_err() {
            // No file can be that large: the storage reports the error, and nothing grows.
            return self.inner.write_at(data, offset, wait);
        }
        // Bytes beyond the largest size are not written; those before it may be.
        let growth = end.min(i64::MAX as u64).saturating_sub(*size);
        if growth > 0 {
            if self.refused.load(Ordering::Relaxed) && (self.append || start > *size) {
                self.check_gap(offset)?;
            }
            account.reserve_bytes(&change, growth)?;
        }
        let written = self.inner.write_at(data, offset, wait);
        if written.is_ok() {
            *size = end.max(*size);
        } else {
            *size = size.saturating_add(growth);
            self.reconcile_charge(&change, &mut size);
        }
        written
    }

    fn try_resize(&self, attrs: &SetAttrs, wanted: u64) -> Result<()> {
        let account = &self.account;
        let change = account.begin()?;
        let mut size = self.inode.lock(Wait::Allowed)?;
        let wanted = self.allowed_size(wanted, *size);
        let growth = match i64::try_from(wanted) {
            Ok(_) => wanted.saturating_sub(*size),
            // No file can be that large: the storage reports the error.
            Err(_) => 0,
        };
        if growth > 0 {
            account.reserve_bytes(&change, growth)?;
        }
        let result = self.inner.set_attrs(&SetAttrs {
            size: Some(wanted),
            ..*attrs
        });
        *size = size.saturating_add(growth);
        match result {
            // This is certain, even if the file system returns cached attributes.
            Ok(()) => lower_charge(account, &change, &mut size, wanted),
            Err(_) => self.reconcile_charge(&change, &mut size),
        }
        result
    }

    /// If the attributes cannot be read either, the charge stays: too high is safe, too low is not.
    fn reconcile_charge(&self, change: &Change<'_>, charged: &mut u64) {
        match self.inner.stat() {
            Ok(meta) => lower_charge(&self.account, change, charged, meta.size),
            Err(_) => self.inode.invalidate(&self.inner),
        }
    }
}

impl Drop for QuotaFile {
    fn drop(&mut self) {
        if self.writes {
            self.inode.writer_closed();
        }
    }
}

impl OpenFile for QuotaFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        self.with_room(offset, wait, || self.try_write(data, offset, wait))
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        let Some(wanted) = attrs.size else {
            return self.inner.set_attrs(attrs);
        };
        // A change of size is not a piece that could be missing.
        self.with_room(u64::MAX, Wait::Allowed, || self.try_resize(attrs, wanted))
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        self.inner.finish(wait)
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        self.account.wait_until_measured(wait)?;
        Ok(within_quota(self.inner.space(wait)?, &self.account))
    }

    fn abandon(&self) {
        self.inner.abandon();
    }

    fn facts(&self) -> FileFacts {
        FileFacts {
            created: self.effect == OpenEffect::Created,
            truncated: self.effect == OpenEffect::Truncated,
            inode: Some(self.inode.id()),
            ..self.inner.facts()
        }
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

/// A file that is not charged: a directory opened as a file, or a file opened for reading whose last name was gone
/// before.
pub(super) struct Uncharged {
    pub(super) inner: Arc<dyn OpenFile>,
    pub(super) account: Arc<Account>,
}

impl OpenFile for Uncharged {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, _data: &[u8], _offset: u64, _wait: Wait) -> Result<()> {
        Err(Error::BadHandle)
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        if attrs.size.is_some() {
            return Err(Error::Invalid);
        }
        self.inner.set_attrs(attrs)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        self.inner.finish(wait)
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        self.account.wait_until_measured(wait)?;
        Ok(within_quota(self.inner.space(wait)?, &self.account))
    }

    fn abandon(&self) {
        self.inner.abandon();
    }

    fn facts(&self) -> FileFacts {
        self.inner.facts()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

fn is_out_of_space(error: Error) -> bool {
    match error {
        Error::OverBytes { .. } | Error::OverFiles { .. } | Error::Unmeasurable => true,
        _ => error.is_lack_of_disk_space(),
    }
}

/// Lowers the charge for an inode to its actual size.
pub(super) fn lower_charge(account: &Account, change: &Change<'_>, charged: &mut u64, actual: u64) {
    // A size above the charge was written by another program, and a measurement will find it. It must not be released
    // later, because it was never charged.
    let kept = (*charged).min(actual);
    account.release_bytes(change, *charged - kept);
    *charged = kept;
}
