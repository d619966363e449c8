//! Enforces what a user may do, on the one path that every call takes. This decorator knows permissions, but not
//! disks.
//!
//! - Reading the attributes of one name (stat, REALPATH, space) is always allowed. Every client does it before every
//!   operation, a drop box (`create` alone) would not work without it, and the answer to any other call shows whether
//!   a name exists. The contents of directories and the targets of links need `list`: without it READLINK is refused,
//!   and REALPATH leaves links in its answer.
//! - Destroying the content of a file needs `overwrite`, by whichever call it happens. A file that was made through
//!   the same handle needs only `create` for its content. Modes and times always need `attributes`.
//! - The part of an upload over HTTP ([`super::upload_names`]) is not a file of the user yet, and only the server names it.
//!   All that happens to it until it has its name, its removal included, is part of creating a file.
//! - The kernel decides whether a file is new (`O_EXCL`, `RENAME_NOREPLACE`), not a check beforehand.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use super::{
    Capabilities, DirStream, Error, FileFacts, FileSystemId, IfExists, Links, Metadata, OpenFile, OpenHow,
    PinnedInode, Renaming, Result, SetAttrs, Space, Storage, Wait, upload_names,
};
use crate::domain::path::VirtualPath;
use crate::domain::user::{Permission, Permissions};
use crate::io::HomeIo;

/// A storage restricted to one user's permissions.
pub struct Guard {
    inner: Arc<dyn Storage>,
    permissions: Permissions,
}

impl Guard {
    /// Allows only the calls that `permissions` include.
    pub fn new(inner: Arc<dyn Storage>, permissions: Permissions) -> Guard {
        Guard { inner, permissions }
    }

    fn may(&self, permission: Permission) -> bool {
        self.permissions.allows(permission)
    }

    fn need(&self, permission: Permission) -> Result<()> {
        match self.may(permission) {
            true => Ok(()),
            false => Err(forbidden(permission)),
        }
    }

    /// Like [`Guard::need`], for what is done to this name.
    fn need_at(&self, path: &VirtualPath, permission: Permission) -> Result<()> {
        match upload_names::is_part(path) {
            true => self.need(Permission::Create),
            false => self.need(permission),
        }
    }

    fn open_allowed(
        &self,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<(Arc<dyn OpenFile>, CreatedBy)> {
        let changes = how.write || how.truncate;
        // Without any flag, open(2) opens the file for reading.
        if how.read || !how.write {
            self.need_at(path, Permission::Read)?;
        }
        if !how.create {
            if changes {
                self.need_at(path, Permission::Overwrite)?;
            }
            let created_by = match upload_names::is_part(path) {
                true => CreatedBy::ThisHandle,
                false => CreatedBy::Unknown,
            };
            return Ok((self.inner.open(path, how, wait)?, created_by));
        }
        match (self.may(Permission::Create), self.may(Permission::Overwrite)) {
            (true, _) if how.exclusive => Ok((self.inner.open(path, how, wait)?, CreatedBy::ThisHandle)),
            // An existing file is only read.
            (true, _) if !changes => Ok((self.inner.open(path, how, wait)?, CreatedBy::Unknown)),
            (true, true) => Ok((self.inner.open(path, how, wait)?, CreatedBy::Unknown)),
            (true, false) => self.open_new(path, how, wait),
            (false, true) if !how.exclusive => self.open_existing(path, how, wait),
            (false, _) => Err(forbidden(Permission::Create)),
        }
    }

    fn open_new(
        &self,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<(Arc<dyn OpenFile>, CreatedBy)> {
        let exclusive = true;
        match self.inner.open(path, OpenHow { exclusive, ..how }, wait) {
            Ok(file) => Ok((file, CreatedBy::ThisHandle)),
            Err(Error::AlreadyExists) => Err(forbidden(Permission::Overwrite)),
            Err(error) => Err(error),
        }
    }

    fn open_existing(
        &self,
        path: &VirtualPath,
        how: OpenHow,
        wait: Wait,
    ) -> Result<(Arc<dyn OpenFile>, CreatedBy)> {
        let create = false;
        match self.inner.open(path, OpenHow { create, ..how }, wait) {
            Ok(file) => Ok((file, CreatedBy::Unknown)),
            Err(Error::NotFound) => Err(forbidden(Permission::Create)),
            Err(error) => Err(error),
        }
    }
}

/// Whether this handle has made the file, or one of the same upload has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CreatedBy {
    ThisHandle,
    Unknown,
}

/// The changes that are allowed on an open file.
#[derive(Clone, Copy)]
struct Changes {
    size: bool,
    attributes: bool,
}

impl Changes {
    fn check(self, attrs: &SetAttrs) -> Result<()> {
        let SetAttrs {
            size,
            permissions,
            owner,
            times,
        } = attrs;
        if size.is_some() && !self.size {
            return Err(forbidden(Permission::Overwrite));
        }
        let others = permissions.is_some() || owner.is_some() || times.is_some();
        if others && !self.attributes {
            return Err(forbidden(Permission::Attributes));
        }
        Ok(())
    }
}

/// Returns the error for a call that needs a permission which the user lacks.
pub(super) fn forbidden(permission: Permission) -> Error {
    Error::Forbidden(permission.name())
}

impl Storage for Guard {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let (inner, birth) = self.open_allowed(path, how, wait)?;
        Ok(Arc::new(GuardedFile {
            inner,
            read: self.need_at(path, Permission::Read).is_ok(),
            write: how.write,
            changes: Changes {
                size: birth == CreatedBy::ThisHandle || self.may(Permission::Overwrite),
                attributes: self.may(Permission::Attributes),
            },
        }))
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        self.need(Permission::List)?;
        self.inner.open_dir(path)
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.inner.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        let changes = Changes {
            size: self.may(Permission::Overwrite),
            attributes: self.may(Permission::Attributes),
        };
        changes.check(attrs)?;
        self.inner.set_attrs(path, attrs, links)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        // Whoever may remove a directory may remove what is left of uploads in it, too.
        if !self.may(Permission::Delete) {
            self.need_at(path, Permission::Delete)?;
        }
        self.inner.remove(path, wait)
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.need(Permission::Mkdir)?;
        self.inner.mkdir(path, mode, wait)
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.need(Permission::Delete)?;
        self.inner.rmdir(path, wait)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        self.need_at(from, Permission::Rename)?;
        if how.if_exists == IfExists::Refuse || self.may(Permission::Overwrite) {
            return self.inner.rename(from, to, how);
        }
        let if_exists = IfExists::Refuse;
        match self.inner.rename(from, to, Renaming { if_exists, ..how }) {
            Err(Error::AlreadyExists) => Err(forbidden(Permission::Overwrite)),
            result => result,
        }
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.need(Permission::List)?;
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.need(Permission::Link)?;
        self.inner.symlink(target, link, wait)
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.need(Permission::Link)?;
        self.inner.hard_link(from, to, wait)
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.inner.pin(path, links)
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.inner.prove_directory(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        let resolved = self.inner.real_path(path)?;
        // A path without links is its own answer, for every user. A path with links is returned as it was given: that
        // is a correct name too, and it does not reveal the targets.
        match self.may(Permission::List) || resolved == path.without_dots() {
            true => Ok(resolved),
            false => Ok(path.without_tail()),
        }
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.inner.space(path, wait)
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.inner.sync_name(path)
    }

    fn identity(&self) -> Result<FileSystemId> {
        self.inner.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

struct GuardedFile {
    inner: Arc<dyn OpenFile>,
    read: bool,
    write: bool,
    changes: Changes,
}

impl OpenFile for GuardedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
        if !self.read {
            return Err(forbidden(Permission::Read));
        }
        self.inner.read_at(buffer, offset, wait)
    }

    fn write_at(&self, data: &[u8], offset: u64, wait: Wait) -> Result<()> {
        if !self.write {
            // As write(2) on a descriptor that is open for reading.
            return Err(Error::BadHandle);
        }
        self.inner.write_at(data, offset, wait)
    }

    fn stat(&self) -> Result<Metadata> {
        self.inner.stat()
    }

    fn set_attrs(&self, attrs: &SetAttrs) -> Result<()> {
        self.changes.check(attrs)?;
        self.inner.set_attrs(attrs)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn finish(&self, wait: Wait) -> Result<()> {
        self.inner.finish(wait)
    }

    fn space(&self, wait: Wait) -> Result<Space> {
        self.inner.space(wait)
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

#[cfg(test)]
mod tests;
