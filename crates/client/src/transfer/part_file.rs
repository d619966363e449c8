//! The file under which a download grows: `NAME.part`, beside the place where it belongs.
//!
//! Others may have a file of that name: another download of the same file (the part is locked as long as it grows), a
//! file of the same run that is called so (then the part is `NAME.~1.part`), or the user (a file that is not the
//! beginning of the source is a conflict, and is not touched).

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::digest::Digest as _;
use rustix::fs::{CWD, RenameFlags, SeekFrom, renameat_with};

use super::error::TransferError;
use crate::local_attributes::growing_mode;
use crate::plan::{Conflict, ExistingEntry};
use base::visible::hex;

/// The ending of the name of an incomplete file.
const PART: &str = ".part";
/// The longest name of a file (NAME_MAX of Linux), in bytes.
const MAX_NAME: usize = 255;
/// How many bytes of a hash stand for the end of a name that is too long.
const SHORT_HASH: usize = 8;

/// Returns what exists at a path of this machine.
pub(super) fn look(path: &Path) -> Result<ExistingEntry, TransferError> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(ExistingEntry::File(meta.len())),
        Ok(meta) if meta.is_dir() => Ok(ExistingEntry::Directory),
        Ok(_) => Ok(ExistingEntry::Other),
        // A link whose target does not exist counts as existing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match std::fs::symlink_metadata(path) {
            Ok(_) => Ok(ExistingEntry::Other),
            Err(_) => Ok(ExistingEntry::Nothing),
        },
        Err(error) => Err(TransferError::Local {
            what: "look at the file",
            error,
        }),
    }
}

/// The file to which a symbolic link points: what is written goes there, and the link stays. `None`: the path is not
/// such a link.
pub(super) fn followed(path: &Path) -> Option<PathBuf> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let real = is_link.then(|| std::fs::canonicalize(path).ok())??;
    real.is_file().then_some(real)
}

/// The path with `ending` behind its name. A name that would become too long is cut, and a hash stands for the rest.
pub fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_bytes();
    if name.len() + ending.len() <= MAX_NAME {
        let whole = [path.as_os_str().as_bytes(), ending.as_bytes()].concat();
        return PathBuf::from(OsString::from_vec(whole));
    }
    let hash = md5::Md5::digest(name);
    let hash = format!("~{}", hex(hash.get(..SHORT_HASH).unwrap_or_default()));
    let room = MAX_NAME.saturating_sub(hash.len() + ending.len());
    let head = name.get(..room).unwrap_or(name);
    // The cut is not within a character.
    let head = head
        .utf8_chunks()
        .next()
        .map_or(head, |chunk| match chunk.valid() {
            "" => head,
            valid => valid.as_bytes(),
        });
    let short = [head, hash.as_bytes(), ending.as_bytes()].concat();
    path.with_file_name(OsString::from_vec(short))
}

/// The path under which the file grows that is to become `target`. `taken` says which names other files have.
pub(super) fn part_path(target: &Path, taken: impl Fn(&Path) -> bool) -> PathBuf {
    // The name is the same each time, so that the next run finds it, and differs from other targets' names.
    let others = (1_u64..).map(|number| format!(".~{number}{PART}"));
    let endings = std::iter::once(PART.to_owned()).chain(others);
    let mut paths = endings.map(|ending| with_ending(target, &ending));
    // There is always another number.
    paths
        .find(|path| !taken(path))
        .unwrap_or_else(|| with_ending(target, PART))
}

/// The size of a file or of its part, in bytes.
pub(super) fn already_here(target: &Path) -> u64 {
    let size =
        |path: &Path| std::fs::metadata(path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
    size(target).max(size(&with_ending(target, PART)))
}

/// A file that grows. Its lock is released when an attempt ends, although others may still have the file open, such as
/// a hash that is no longer needed: the next attempt must be able to lock it.
pub(super) struct PartFile {
    /// The file, open for reading and writing.
    pub file: Arc<File>,
    path: PathBuf,
}

impl PartFile {
    /// Opens the file, or makes it with this mode.
    pub fn open(path: PathBuf, mode: u32) -> Result<Self, TransferError> {
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode)
            // A symbolic link of that name would redirect the writes.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = match options.open(&path) {
            // A run that was stopped at its very end has set the final mode.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && allow_writing(&path) => {
                options.open(&path)
            }
            opened => opened,
        };
        let file = file.map_err(TransferError::local("open the .part file"))?;
        // Two downloads of the same file would overwrite each other's bytes.
        match file.try_lock() {
            // The file system may have no locks.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(TransferError::Local {
                    what: "open the .part file",
                    error: io::Error::other("another download writes to it"),
                });
            }
        }
        let file = Arc::new(file);
        Ok(Self { file, path })
    }

    /// Takes away what the file allows beyond this mode, if that is possible: an earlier run may have begun it with a
    /// wider one.
    pub fn narrow(&self, mode: u32) {
        if let Ok(meta) = self.file.metadata()
            && meta.mode() & 0o7777 & !mode != 0
        {
            let narrowed = Permissions::from_mode(meta.mode() & 0o7777 & mode);
            // A file of another user keeps its mode.
            let _ = self.file.set_permissions(narrowed);
        }
    }

    /// The size of the file, in bytes.
    pub fn len(&self) -> Result<u64, TransferError> {
        let meta = self.file.metadata();
        Ok(meta
            .map_err(TransferError::local("look at the .part file"))?
            .len())
    }

    /// Whether the file system shows holes in the first `length` bytes. One that knows no holes shows none.
    pub fn has_holes(&self, length: u64) -> bool {
        rustix::fs::seek(&self.file, SeekFrom::Hole(0)).is_ok_and(|hole| hole < length)
    }

    /// Cuts the file to a beginning that is whole.
    pub fn cut(&self, length: u64) -> Result<(), TransferError> {
        match self.len()? > length {
            true => self
                .file
                .set_len(length)
                .map_err(TransferError::local("cut the .part file")),
            false => Ok(()),
        }
    }

    /// Truncates the file, to start again.
    pub fn empty(&self) -> Result<(), TransferError> {
        self.file
            .set_len(0)
            .map_err(TransferError::local("empty the .part file"))
    }

    /// Gives the file its name. Without `replace`, nothing had that name, and nothing that has it now is replaced.
    pub fn publish(&self, target: &Path, replace: bool) -> Result<(), TransferError> {
        let named = match (self.is_at_its_place(), replace) {
            (false, _) => Err(io::Error::other(
                "another file has taken the place of the .part file",
            )),
            (true, true) => std::fs::rename(&self.path, target),
            (true, false) => match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::EXIST) => return Err(TransferError::Conflict(Conflict::Differs)),
                // The file system cannot do this atomically, but the name was free a moment ago.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                    std::fs::rename(&self.path, target)
                }
                done => done.map_err(io::Error::from),
            },
        };
        named.map_err(TransferError::local("give the file its name"))
    }

    fn is_at_its_place(&self) -> bool {
        let (ours, there) = (self.file.metadata(), std::fs::symlink_metadata(&self.path));
        let same = |ours: &std::fs::Metadata, there: &std::fs::Metadata| {
            (ours.dev(), ours.ino()) == (there.dev(), there.ino())
        };
        ours.is_ok_and(|ours| there.is_ok_and(|there| same(&ours, &there)))
    }
}

/// Lets the owner read and write a file, if it is a file that denies that. Returns whether it was changed.
fn allow_writing(path: &Path) -> bool {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let mode = meta.mode() & 0o7777;
    let writable = Permissions::from_mode(growing_mode(mode));
    meta.is_file() && growing_mode(mode) != mode && std::fs::set_permissions(path, writable).is_ok()
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // An empty part is of no use.
        if self.file.metadata().is_ok_and(|meta| meta.len() == 0) && self.is_at_its_place() {
            let _ = std::fs::remove_file(&self.path);
        }
        // This fails only on file systems without locks.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_part_fits_and_is_unique() {
        let path = |name: &str| Path::new("/d").join(name);
        let never = |_: &Path| false;
        assert_eq!(part_path(&path("film"), never), path("film.part"));
        let taken = |other: &Path| other == path("film.part");
        assert_eq!(part_path(&path("film"), taken), path("film.~1.part"));
        for name in ["n".repeat(255), "é".repeat(126)] {
            let part = part_path(&path(&name), never);
            let short = part.file_name().unwrap().to_str().expect("whole characters");
            assert!(short.len() <= MAX_NAME && short.ends_with(PART), "{short}");
            let other = part_path(&path(&format!("{}x", &name[..name.len() - 2])), never);
            assert_ne!(part, other);
        }
    }

    #[test]
    fn a_file_that_replaced_the_part_is_not_published() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("a.part"), dir.path().join("a"));
        let part = PartFile::open(path.clone(), 0o600).unwrap();
        std::fs::write(dir.path().join("other"), "other").unwrap();
        std::fs::rename(dir.path().join("other"), &path).unwrap();
        assert!(part.publish(&target, false).is_err() && part.publish(&target, true).is_err());
        drop(part);
        assert_eq!(std::fs::read(path).unwrap(), b"other");
    }

    #[test]
    fn only_an_empty_part_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        drop(PartFile::open(path.clone(), 0o600).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "x").unwrap();
        let part = PartFile::open(path.clone(), 0o600).unwrap();
        assert!(PartFile::open(path.clone(), 0o600).is_err(), "it is taken");
        drop(part);
        assert!(path.exists());
    }
}
