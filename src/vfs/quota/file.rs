//! Open files: what they grow by is charged under the lock of their record.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use rustix::io::Errno;

use super::room::within_quota;
use crate::ledger::account::{Account, Change};
use crate::ledger::inode::Inode;
use crate::vfs::{Metadata, OpenFile, Result, SetAttrs, Space, Wait};

/// An open file whose growth is charged. The file closes before its record ends: what is given back is free then.
pub(super) struct QuotaFile {
    pub(super) inner: Arc<dyn OpenFile>,
    pub(super) inode: Arc<Inode>,
    pub(super) append: bool,
}

impl QuotaFile {
    fn try_write(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        let account = self.inode.account();
        let change = account.begin()?;
        let mut size = self.inode.lock(wait)?;
        let start = if self.append { *size } else { offset };
        let end = if data.is_empty() {
            0
        } else {
            start.saturating_add(data.len() as u64)
        };
        if i64::try_from(end).is_err() && i64::try_from(start).is_err() {
            // No file reaches there: the storage says so, and nothing grows.
            return self.inner.write_at(data, offset, wait);
        }
        // What goes beyond the largest size is not written; what comes before it may be.
        let growth = end.min(i64::MAX as u64).saturating_sub(*size);
        if growth > 0 {
            account.reserve_bytes(&change, growth)?;
        }
        let written = self.inner.write_at(data, offset, wait);
        if written.is_ok() {
            *size = end.max(*size);
        } else {
            *size = size.saturating_add(growth);
            self.settle(&change, &mut size);
        }
        written
    }

    fn try_resize(&self, attrs: &SetAttrs, wanted: u64) -> Result<()> {
        let account = self.inode.account();
        let change = account.begin()?;
        let mut size = self.inode.lock(Wait::Allowed)?;
        let growth = match i64::try_from(wanted) {
            Ok(_) => wanted.saturating_sub(*size),
            // No file can be that large: the storage says so.
            Err(_) => 0,
        };
        if growth > 0 {
            account.reserve_bytes(&change, growth)?;
        }
        let result = self.inner.set_attrs(attrs);
        *size = size.saturating_add(growth);
        self.settle(&change, &mut size);
        result
    }

    /// If even looking fails, the charge stays: too much is safe, too little is not.
    fn settle(&self, change: &Change<'_>, charged: &mut u64) {
        match self.inner.stat() {
            Ok(meta) => settle(&self.inode, change, charged, meta.size),
            Err(_) => self.inode.doubt(&self.inner),
        }
    }
}

impl OpenFile for QuotaFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        self.inode
            .account()
            .patiently(wait, || self.try_write(data, offset, wait))
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        let Some(wanted) = attrs.size else {
            return self.inner.set_attrs(attrs);
        };
        let resize = || self.try_resize(attrs, wanted);
        self.inode.account().patiently(Wait::Allowed, resize)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        self.inner.finish(wait)
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        self.inode.account().settle(wait)?;
        Ok(within_quota(self.inner.space(wait)?, self.inode.account()))
    }
}

/// What costs no bytes: a directory opened as a file, or a file that was gone before it was open, for reading.
pub(super) struct Uncharged {
    pub(super) inner: Arc<dyn OpenFile>,
    pub(super) account: Arc<Account>,
}

impl OpenFile for Uncharged {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, _data: &[u8], _offset: u64, _wait: Wait) -> Result<()> {
        Err(Errno::BADF.into())
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        if attrs.size.is_some() {
            return Err(Errno::INVAL.into());
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
        self.account.settle(wait)?;
        Ok(within_quota(self.inner.space(wait)?, &self.account))
    }
}

/// Brings the charge for an inode to the size that it has.
pub(super) fn settle(inode: &Inode, change: &Change<'_>, charged: &mut u64, actual: u64) {
    // More than was charged is not ours: somebody writes who does not go through us, and a scan will find it. Giving
    // it back later would give back what was never taken.
    let kept = (*charged).min(actual);
    inode.account().release_bytes(change, *charged - kept);
    *charged = kept;
}
