//! The storage on local disks, behind the jail. It is the only storage that touches disks.

mod attrs;
pub mod backend;
pub mod creation;
mod dir;
mod errors;
mod file;
pub mod jail;
pub mod letter_case;
pub mod readable;
mod volumes;
mod walk;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use self::file::LocalFile;
use self::jail::{Jail, names, new_file, realpath};
use self::letter_case::CaseProbe;
use self::readable::{FileState, ReadableFile};
use super::creation::CreationRules;
use super::{
    Capabilities, DirStream, Error, FileSystemId, InodeId, Links, Metadata, OpenFile, OpenHow, PinnedInode,
    Renaming, Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::domain::permission::PermissionRules;
use crate::io::HomeIo;

/// A home on a local file system.
#[derive(Debug)]
pub struct LocalStorage {
    jail: Jail,
    io: Arc<HomeIo>,
}

impl LocalStorage {
    /// Opens a home, which must exist.
    ///
    /// # Errors
    /// Fails with `ENOSYS` on kernels before Linux 5.6.
    pub fn open(home: &Path) -> std::io::Result<LocalStorage> {
        Ok(LocalStorage {
            jail: Jail::open(home)?,
            io: Arc::new(HomeIo::unscheduled()),
        })
    }

    /// Makes the calls of this home take their threads from a scheduler. Without a scheduler, all calls take the slow
    /// way.
    #[must_use]
    pub fn scheduled(self, io: HomeIo) -> LocalStorage {
        LocalStorage {
            io: Arc::new(io),
            ..self
        }
    }

    /// Gives these modes and this group to what is created in this home.
    #[must_use]
    pub fn creating(mut self, rules: CreationRules) -> LocalStorage {
        self.jail.rules = rules;
        self
    }

    /// Makes this home follow no symbolic link: a path through one fails, and a link stands for itself.
    #[must_use]
    pub fn without_links(mut self) -> LocalStorage {
        self.jail.follows_links = false;
        self
    }

    /// Keeps the mode and the times of the home's own directory as they are, by whichever path or handle a call comes.
    ///
    /// # Errors
    /// Fails if the directory cannot be looked at.
    pub fn with_fixed_root(mut self) -> std::io::Result<LocalStorage> {
        self.jail.fix_root()?;
        Ok(self)
    }

    /// Returns the first directory in which a rule's name would be found in other letters, too: see
    /// [`letter_case::directory_without_case`].
    pub fn directory_without_case(&self, rules: &PermissionRules, probe: CaseProbe) -> Option<String> {
        letter_case::directory_without_case(self.jail.root(), rules, probe)
    }

    /// Opens a regular file for a program that only reads it.
    ///
    /// # Errors
    /// Fails as [`Storage::open`] does, or with `NotAFile`.
    pub fn open_for_program(&self, path: &VirtualPath) -> Result<ReadableFile> {
        let how = OpenHow {
            read: true,
            ..OpenHow::default()
        };
        let descriptor = self.jail.open_file(path, how)?.fd;
        let state = FileState::of(&rustix::fs::fstat(&descriptor)?).ok_or(Error::NotAFile)?;
        Ok(ReadableFile { descriptor, state })
    }

    /// Moves a file of another storage here, and replaces what has the name. Before that, the file gets the mode and the
    /// group that new files have here, so that nobody finds it without them. No session may change either name meanwhile.
    ///
    /// # Errors
    /// Fails as a rename does, with `CrossesFileSystems` if that is so, or with `NotFound` if the name is not this file.
    pub fn move_here(
        &self,
        source: &LocalStorage,
        from: &VirtualPath,
        inode: InodeId,
        to: &VirtualPath,
    ) -> Result<()> {
        if self.jail.device()? != source.jail.device()? {
            return Err(Error::CrossesFileSystems);
        }
        let file = source.open_for_program(from)?;
        if file.state.inode != inode {
            return Err(Error::NotFound);
        }
        creation::give(self.jail.rules, file.descriptor.as_fd())
            .inspect_err(|errno| creation::report(self.jail.rules, *errno))?;
        Ok(names::rename_between(&source.jail, from, &self.jail, to)?)
    }

    /// Returns the state of the regular file that a name stands for, without following a link.
    ///
    /// # Errors
    /// Fails as [`Storage::stat`] does, or with `NotAFile`.
    pub fn file_state(&self, path: &VirtualPath) -> Result<FileState> {
        let found = self.jail.pin(path, Links::NoFollow)?;
        FileState::of(&rustix::fs::fstat(&found)?).ok_or(Error::NotAFile)
    }
}

impl Storage for LocalStorage {
    fn open(&self, path: &VirtualPath, how: OpenHow, _wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let opened = match self.jail.rules.file_mode {
            Some(mode) if how.create => new_file::open_or_create(&self.jail, path, how, mode)?,
            _ => self.jail.open_file(path, how)?,
        };
        let io = Arc::clone(&self.io);
        Ok(Arc::new(LocalFile::new(
            opened,
            how.append,
            io,
            self.jail.attr_rules(),
        )))
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        Ok(Box::new(dir::LocalDir::new(self.jail.open_dir(path)?)))
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        Ok(self.jail.stat(path, links)?)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        Ok(self.jail.set_attrs(path, attrs, links)?)
    }

    fn remove(&self, path: &VirtualPath, _wait: Wait) -> Result<()> {
        Ok(names::remove(&self.jail, path)?)
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, _wait: Wait) -> Result<()> {
        Ok(names::mkdir(&self.jail, path, mode)?)
    }

    fn rmdir(&self, path: &VirtualPath, _wait: Wait) -> Result<()> {
        Ok(names::rmdir(&self.jail, path)?)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        Ok(names::rename(&self.jail, from, to, how)?)
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        Ok(self.jail.read_link(path)?)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, _wait: Wait) -> Result<()> {
        Ok(names::symlink(&self.jail, target, link)?)
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, _wait: Wait) -> Result<()> {
        Ok(names::hard_link(&self.jail, from, to)?)
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        Ok(Box::new(LocalPin(self.jail.pin(path, links)?)))
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        Ok(self.jail.prove_directory(path)?)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        Ok(realpath::real_path(&self.jail, path)?)
    }

    fn space(&self, path: &VirtualPath, _wait: Wait) -> Result<Space> {
        Ok(self.jail.space(path)?)
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        Ok(names::sync_name(&self.jail, path)?)
    }

    fn identity(&self) -> Result<FileSystemId> {
        Ok(FileSystemId::of_device(self.jail.device()?))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chosen_modes: self.jail.rules.file_mode.is_none(),
            ..Capabilities::ALL
        }
    }

    fn scheduler(&self) -> &HomeIo {
        &self.io
    }
}

/// An inode that was located without being opened.
struct LocalPin(OwnedFd);

impl PinnedInode for LocalPin {
    fn stat(&self) -> Result<Metadata> {
        Ok(attrs::metadata(&rustix::fs::fstat(&self.0)?))
    }
}

#[cfg(test)]
mod tests;
