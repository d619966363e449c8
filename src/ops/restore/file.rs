//! Writes the files of a restored server: under another name first, so that no file is ever half there, and never over
//! an existing file.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::ops::data_dir::cannot_make;
use base::error::{Error, Result};

/// A file that is to be written.
pub(super) struct FileToWrite {
    pub path: PathBuf,
    pub mode: u32,
    /// Whether this is the configuration, which stays root's if its readers allow that.
    pub is_configuration: bool,
    pub content: Vec<u8>,
}

/// The owner of the data directory, to whom root gives the files that it writes.
pub(super) struct FileOwner {
    uid: u32,
    gid: u32,
}

impl FileOwner {
    /// Returns the owner of the data directory, if this is root and the owner is another user.
    ///
    /// # Errors
    /// Returns an error if there is no data directory.
    pub fn other_than_root(data_dir: &Path) -> Result<Option<Self>> {
        let meta = data_dir.metadata().map_err(|e| cannot(data_dir, e))?;
        let is_other = rustix::process::geteuid().is_root() && meta.uid() != 0;
        Ok(is_other.then(|| Self {
            uid: meta.uid(),
            gid: meta.gid(),
        }))
    }
}

impl FileToWrite {
    /// Writes the file to the disk, with the directories above it (0700). Root gives it to `owner`.
    ///
    /// # Errors
    /// Returns an error if something has its name, or if it cannot be written.
    pub fn write(&self, owner: Option<&FileOwner>) -> Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|e| cannot_make(directory, e))?;
        let temporary = temporary(&self.path);
        remove_if_there(&temporary)?;
        let mut file = create(&temporary)?;
        let written = file
            .write_all(&self.content)
            .and_then(|()| match owner {
                Some(owner) => fchown(&file, Some(self.uid(owner)), Some(owner.gid)),
                None => Ok(()),
            })
            .and_then(|()| file.set_permissions(Permissions::from_mode(self.mode)))
            .map_err(|e| cannot(&self.path, e));
        drop(file);
        written
            .and_then(|()| give_name(&temporary, &self.path))
            .inspect_err(|_| drop(remove_if_there(&temporary)))
    }

    /// Returns the user whom root gives the file. A configuration that only its owner can read must belong to the
    /// server.
    fn uid(&self, owner: &FileOwner) -> u32 {
        match self.is_configuration && self.mode & 0o044 != 0 {
            true => 0,
            false => owner.uid,
        }
    }
}

/// Returns the name that a file has while it is written.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".restoring");
    path.with_file_name(name)
}

/// Creates a file (0600).
pub(super) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|e| cannot(path, e))
}

/// Removes what an interrupted attempt has left.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot(path, error)),
        _ => Ok(()),
    }
}

/// Gives a complete file its name, and writes both to the disk.
pub(super) fn give_name(temporary: &Path, path: &Path) -> Result<()> {
    let failed = |e: io::Error| cannot(path, e);
    File::open(temporary)
        .and_then(|file| file.sync_all())
        .map_err(failed)?;
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // The file system cannot do it in one step.
        Err(Errno::INVAL | Errno::NOSYS) if path.symlink_metadata().is_err() => {
            std::fs::rename(temporary, path).map_err(failed)?;
        }
        Err(Errno::INVAL | Errno::NOSYS) => return Err(failed(Errno::EXIST.into())),
        Err(errno) => return Err(failed(errno.into())),
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

/// Returns the error for a file that cannot be written.
pub(super) fn cannot(path: &Path, cause: io::Error) -> Error {
    let error = Error::new(format!("cannot restore {path:?}"));
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => error
            .because(cause)
            .hint("make room there, and run the same command again"),
        _ => base::advice::because(error, cause, path.parent().unwrap_or(path), "u+rwx"),
    }
}
