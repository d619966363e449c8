//! A backup that is being made: a directory with another name, which gets its own when everything in it is on the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::ops::erase::erase;
use base::advice;
use base::error::{Error, Result};

/// A backup that is being made. Dropping it removes what there is of it.
#[derive(Debug)]
pub struct Unfinished {
    target: PathBuf,
    directory: PathBuf,
    /// The directory, locked for as long as the backup is being made. The kernel releases the lock of a process that
    /// is killed.
    lock: File,
    done: bool,
}

impl Unfinished {
    /// Begins a backup that is to become the directory `target`. What an interrupted backup has left is removed first.
    ///
    /// # Errors
    /// Returns an error if something has that name, if another process makes this backup, or if the directory above it
    /// cannot be written.
    pub fn begin(target: &Path) -> Result<Self> {
        if target.symlink_metadata().is_ok() {
            return Err(exists(target));
        }
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(cannot(target, io::ErrorKind::InvalidInput.into()));
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".unfinished");
        let directory = parent.join(hidden);
        if directory.symlink_metadata().is_ok() {
            // The lock shows that nobody works on it any more.
            let _stale = lock(&directory, target)?;
            erase(&directory)?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|e| cannot(target, e))?;
        let lock = lock(&directory, target)?;
        Ok(Self {
            target: target.to_owned(),
            directory,
            lock,
            done: false,
        })
    }

    /// Returns the directory to write into.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Gives the directory to another user of the system, who is to fill it.
    ///
    /// # Errors
    /// Returns an error if this process is not root.
    pub fn give_to(&self, uid: u32, gid: u32) -> Result<()> {
        lchown(&self.directory, Some(uid), Some(gid)).map_err(|e| cannot(&self.target, e))
    }

    /// Gives the backup its name. Everything in it must be on the disk already.
    ///
    /// # Errors
    /// Returns an error if something got that name meanwhile, or if the disk refuses. Nothing is left then.
    pub fn finish(mut self) -> Result<()> {
        let (from, to) = (&self.directory, &self.target);
        self.lock.sync_all().map_err(|e| cannot(to, e))?;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // The file system cannot do it in one step. A directory that is not empty is not replaced by this either.
            Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata().is_err() => {
                std::fs::rename(from, to).map_err(|e| cannot(to, e))?;
            }
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => return Err(exists(to)),
            Err(errno) => return Err(cannot(to, errno.into())),
        }
        self.done = true;
        let parent = to.parent().unwrap_or(Path::new("/"));
        sync_directory(parent).map_err(|e| cannot(to, e))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // The next backup of this name removes what cannot be removed now.
            let _ = erase(&self.directory);
        }
    }
}

/// Locks the directory of a backup that is being made.
fn lock(directory: &Path, target: &Path) -> Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(directory)
        .map_err(|e| cannot(target, e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(
            Error::new(format!("cannot make the backup \"{}\"", target.display()))
                .because("another process is making it".to_owned())
                .hint("wait for it, or choose another name"),
        ),
        Err(errno) => Err(cannot(target, errno.into())),
    }
}

/// Writes a directory's entries to the disk.
///
/// # Errors
/// Returns an error if the directory cannot be opened, or the disk refuses.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Returns the error for a backup that cannot be written.
pub fn cannot(target: &Path, cause: io::Error) -> Error {
    let error = Error::new(format!("cannot make the backup \"{}\"", target.display()));
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => error
            .because(cause)
            .hint("nothing was left behind; make room on that disk, or choose another one"),
        io::ErrorKind::NotFound => error
            .because(cause)
            .hint("the directory above it must exist: make it, or is its disk not mounted?"),
        _ => advice::because_not_made(error, cause, target),
    }
}

fn exists(target: &Path) -> Error {
    Error::new(format!("\"{}\" exists already", target.display()))
        .hint("a backup never overwrites anything; choose another name, such as one with the date")
        .exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_name_when_it_is_finished_and_nothing_is_left_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b");
        let backup = Unfinished::begin(&target).unwrap();
        std::fs::write(backup.path().join("file"), "x").unwrap();
        let busy = Unfinished::begin(&target).unwrap_err().to_string();
        assert!(busy.contains("another process is making it"), "{busy}");
        assert!(!target.exists());
        drop(backup);
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);

        // A process that was killed has left this.
        std::fs::create_dir(dir.path().join(".b.unfinished")).unwrap();
        std::fs::write(dir.path().join(".b.unfinished/old"), "x").unwrap();
        let backup = Unfinished::begin(&target).unwrap();
        std::fs::write(backup.path().join("file"), "x").unwrap();
        backup.finish().unwrap();
        let names: Vec<_> = target
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["file"]);
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
        let error = Unfinished::begin(&target).unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(error.exit_code(), 4);
    }

    #[test]
    fn a_directory_that_was_made_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b");
        let backup = Unfinished::begin(&target).unwrap();
        std::fs::create_dir(&target).unwrap();
        let error = backup.finish().unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }
}
