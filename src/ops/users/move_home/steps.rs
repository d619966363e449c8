//! The steps by which a home gets to its new path on the disk. Each can be interrupted, and repeated.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;

use super::record::{DirectoryId, MoveRecord, sync};
use super::tree::{CopiedTree, copy_tree};
use crate::accounts::measure::measure_unused;
use crate::ops::erase::erase;
use crate::storage::local::backend::LocalDisks;
use crate::storage::location::Location;
use base::error::{Error, Result};
use base::size::Size;

/// The old and the new path of a home.
#[derive(Debug)]
pub(super) struct HomePaths {
    pub from: PathBuf,
    pub to: PathBuf,
    /// The data directory, which has the record of the move.
    pub data_dir: PathBuf,
}

impl HomePaths {
    /// Whether an interrupted move has got so far that the home has its new path.
    pub fn is_renamed(&self, record: &MoveRecord) -> Result<bool> {
        Ok(self.id(&self.to)? == Some(record.home))
    }

    /// Whether an interrupted move has left the home where it was.
    pub fn is_at_old_path(&self, record: &MoveRecord) -> Result<bool> {
        Ok(self.id(&self.from)? == Some(record.home))
    }

    /// Removes the record of a move that has changed nothing.
    pub fn forget(&self, record: &MoveRecord) {
        if self.is_at_old_path(record).is_ok_and(|is_there| is_there) {
            // If it stays, the next attempt finds that nothing has changed.
            let _ = record.remove(&self.data_dir);
        }
    }

    /// Takes back what an interrupted move has left, checks the target, and records the new move.
    pub fn begin(&self, interrupted: Option<&MoveRecord>) -> Result<MoveRecord> {
        if let Some(record) = interrupted {
            self.take_back(record)?;
        }
        let home = self.id(&self.from)?.ok_or_else(|| {
            self.failed(io::Error::other("it is not a directory"))
                .hint("put it back, or leave --move out")
        })?;
        let exists = |why: &str| {
            cannot(&self.from, &self.to)
                .because(why.to_owned())
                .hint("choose a directory that does not exist yet")
                .exists()
        };
        match self.to.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(error)),
            Ok(meta) if meta.is_dir() => {
                std::fs::remove_dir(&self.to).map_err(|error| match error.kind() {
                    io::ErrorKind::DirectoryNotEmpty => exists("the new directory exists and is not empty"),
                    _ => self.failed(error),
                })?
            }
            Ok(_) => return Err(exists("something that is not a directory has the new name")),
        }
        let parent = parent(&self.to);
        let mut parents = DirBuilder::new();
        parents
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|e| self.failed(e))?;
        let record = MoveRecord {
            from: self.from.clone(),
            to: self.to.clone(),
            home,
            copy: None,
        };
        record.write(&self.data_dir)?;
        Ok(record)
    }

    /// Removes the link and the copy that an interrupted move has left, if they are its own.
    pub fn take_back(&self, record: &MoveRecord) -> Result<()> {
        self.remove_link(&self.to)?;
        for directory in [&self.to, &moving(&self.to)] {
            if record.copy.is_some() && self.id(directory)? == record.copy {
                erase(directory)?;
            }
        }
        Ok(())
    }

    /// Makes the old path a link to the new one, where the home lies already.
    pub fn restore_link(&self) -> Result<()> {
        if is_link_to(&self.from, &self.to) {
            return Ok(());
        }
        // A sign-in has made a new home, if nothing else has the name.
        match std::fs::remove_dir(&self.from) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed(error).hint(format!(
                    "the files are in {:?}; move those in {:?} away",
                    self.to, self.from
                )));
            }
            _ => {}
        }
        symlink(&self.to, &self.from).map_err(|e| self.failed(e))
    }

    /// Renames the home, and puts a link in its old place. Returns `false` if the new path is on another file system.
    pub fn rename(&self) -> Result<bool> {
        let (from, to) = (&self.from, &self.to);
        // The link points to its own path, and to the home once both have changed places.
        symlink(to, to).map_err(|e| self.failed(e))?;
        match renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            Err(errno) => {
                self.remove_link(to)?;
                match errno {
                    Errno::XDEV => return Ok(false),
                    // The file system cannot do it in one step. If it is interrupted here, the record says where the home is.
                    Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => match std::fs::rename(from, to) {
                        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => return Ok(false),
                        renamed => renamed
                            .and_then(|()| symlink(to, from))
                            .map_err(|e| self.failed(e))?,
                    },
                    errno => return Err(self.failed(errno.into())),
                }
            }
        }
        for directory in [parent(to), parent(from)] {
            sync(directory).map_err(|e| self.failed(e))?;
        }
        Ok(true)
    }

    /// Copies the home to another file system.
    pub fn copy(&self, record: &mut MoveRecord) -> Result<CopiedTree> {
        let data = &self.data_dir;
        let copied = self.must_fit().and_then(|()| self.copy_as(record));
        copied.inspect_err(|_| {
            // What cannot be removed now is removed by the next attempt.
            let _ = self.take_back(record).and_then(|()| record.remove(data));
        })
    }

    fn copy_as(&self, record: &mut MoveRecord) -> Result<CopiedTree> {
        let moving = moving(&self.to);
        match std::fs::remove_dir(&moving) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(error)),
            _ => {}
        }
        let made = DirBuilder::new().mode(0o700).create(&moving);
        made.map_err(|e| self.failed(e))?;
        record.copy = self.id(&moving)?;
        record.write(&self.data_dir)?;
        let copied = copy_tree(&self.from, &moving)?;
        match renameat_with(CWD, &moving, CWD, &self.to, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) if self.to.symlink_metadata().is_err() => {
                std::fs::rename(&moving, &self.to).map_err(|e| self.failed(e))?;
            }
            Err(errno) => return Err(self.failed(errno.into())),
        }
        sync(parent(&self.to)).map_err(|e| self.failed(e))?;
        Ok(copied)
    }

    /// Refuses to copy what does not fit, or what cannot be read, before the first byte.
    fn must_fit(&self) -> Result<()> {
        let sum = measure_unused(&LocalDisks, &Location::of_directory(&self.from))
            .map_err(|e| cannot(&self.from, &self.to).because(e))?;
        if let Some(first) = sum.unreadable.first {
            return Err(cannot(&self.from, &self.to).because(format!("{first:?} cannot be read")));
        }
        let disk = statvfs(parent(&self.to)).map_err(|e| self.failed(e.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        match sum.bytes > free {
            true => Err(cannot(&self.from, &self.to).because(format!(
                "it has {}, and {} are free there",
                Size(sum.bytes),
                Size(free)
            ))),
            false => Ok(()),
        }
    }

    /// Removes the link, or the home that was copied, and then the record.
    pub fn remove_original(&self, record: &MoveRecord) -> Result<()> {
        self.remove_link(&record.from)?;
        if record.copy.is_some() && self.id(&record.from)? == Some(record.home) {
            erase(&record.from).map_err(|error| {
                Error::new(format!(
                    "the home is {:?} now, but not all of the old one was removed",
                    self.to
                ))
                .because(error)
                .hint("run the same command again, to remove the files that were moved")
            })?;
        }
        // Its parent may be gone, or be another disk by now.
        let _ = sync(parent(&record.from));
        record.remove(&self.data_dir)
    }

    /// Removes a symbolic link to the new path. Nothing else is removed.
    fn remove_link(&self, path: &Path) -> Result<()> {
        match is_link_to(path, &self.to) {
            true => std::fs::remove_file(path).map_err(|e| self.failed(e)),
            false => Ok(()),
        }
    }

    fn id(&self, path: &Path) -> Result<Option<DirectoryId>> {
        DirectoryId::of(path).map_err(|e| self.failed(e))
    }

    pub fn failed(&self, cause: io::Error) -> Error {
        cannot(&self.from, &self.to).because(cause)
    }
}

/// Returns the error for a home that cannot be moved.
pub(super) fn cannot(from: &Path, to: &Path) -> Error {
    Error::new(format!("cannot move the home {from:?} to {to:?}"))
}

/// Returns the name of a home while it is copied.
pub(super) fn moving(to: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(".moving");
    to.with_file_name(name)
}

fn is_link_to(path: &Path, target: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|text| text == target)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
