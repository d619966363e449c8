//! Copies a home to another file system. Each file is written to the disk and read again, and both must have the same
//! SHA-256.
//!
//! The contents are not trusted: links are copied as links and never followed, and every name is looked up in the
//! directory that was opened.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Advice, AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, fadvise, fchmod,
    fchown, fstat, futimens, linkat, mkdirat, openat, readlinkat, statat, symlinkat, syncfs, utimensat,
};

use base::digest::Algorithm;
use base::error::{Error, Result};

/// The depth to which a home may be nested: a directory stays open for each level, twice.
const DEEPEST: usize = 256;

/// The bytes that are copied at once. A piece without any byte but zero becomes a hole if the file had holes.
const PIECE: usize = 128 << 10;

/// What was copied, as the account of a home counts it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CopiedTree {
    /// The sum of file sizes in bytes; a file with several names counts once.
    pub bytes: u64,
    /// The number of files, directories and symbolic links.
    pub files: u64,
}

/// Copies everything in `from` to `to`, which must be empty, and writes it to the disk.
///
/// # Errors
/// Returns an error if something cannot be read, written or copied, or if a copy differs.
pub fn copy_tree(from: &Path, to: &Path) -> Result<CopiedTree> {
    let cannot =
        |cause: io::Error| Error::new(format!("cannot copy the home {from:?} to {to:?}")).because(cause);
    let source = open_directory(CWD, from).map_err(|e| cannot(e.into()))?;
    let target = open_directory(CWD, to).map_err(|e| cannot(e.into()))?;
    let mut copier = TreeCopier {
        top: &target,
        links: HashMap::new(),
        copied: CopiedTree::default(),
        at: PathBuf::new(),
    };
    copier.directory(&source, &target, DEEPEST).map_err(|error| {
        let at = copier.at.clone();
        cannot(io::Error::new(error.kind(), format!("{at:?}: {error}")))
    })?;
    let attributes = fstat(&source).and_then(|stat| set_attributes(&target, &stat));
    attributes
        .and_then(|()| syncfs(&target))
        .map_err(|e| cannot(e.into()))?;
    Ok(copier.copied)
}

/// Copies the directories of one tree.
struct TreeCopier<'a> {
    /// The top of the copy.
    top: &'a OwnedFd,
    /// The path in the copy of each file that has several names.
    links: HashMap<(u64, u64), PathBuf>,
    copied: CopiedTree,
    /// The path of what is being copied.
    at: PathBuf,
}

impl TreeCopier<'_> {
    /// Copies the entries of a directory.
    fn directory(&mut self, source: &OwnedFd, target: &OwnedFd, levels: usize) -> io::Result<()> {
        for entry in Dir::read_from(source)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.at.push(lossless(name));
            self.entry(source, target, name, levels)?;
            self.at.pop();
        }
        Ok(())
    }

    fn entry(&mut self, source: &OwnedFd, target: &OwnedFd, name: &CStr, levels: usize) -> io::Result<()> {
        let stat = statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(source, target, name)?,
            FileType::Directory => {
                if levels == 0 {
                    return Err(io::Error::other(format!(
                        "directories are nested deeper than {DEEPEST}"
                    )));
                }
                let below = open_directory(source, name)?;
                mkdirat(target, name, Mode::RWXU)?;
                let new = open_directory(target, name)?;
                self.copied.files += 1;
                self.directory(&below, &new, levels - 1)?;
                set_attributes(&new, &stat)?;
            }
            FileType::Symlink => {
                let text = readlinkat(source, name, Vec::new())?;
                symlinkat(&text, target, name)?;
                // Some file systems cannot set the times of a link.
                let _ = utimensat(target, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW);
                self.copied.files += 1;
            }
            _ => {
                return Err(io::Error::other(
                    "it is neither a file, a directory nor a link: remove it",
                ));
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &OwnedFd, target: &OwnedFd, name: &CStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut from = File::from(openat(source, name, flags, Mode::empty())?);
        let stat = fstat(&from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it was replaced meanwhile"));
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                return Ok(linkat(self.top, first.as_path(), target, name, AtFlags::empty())?);
            }
            self.links.insert((stat.st_dev, stat.st_ino), self.at.clone());
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut to = File::from(openat(target, name, flags, Mode::RUSR | Mode::WUSR)?);
        let written = copy_file(&mut from, &mut to, &stat)?;
        set_attributes(&to, &stat)?;
        to.sync_data()?;
        // The file is read again from the disk, not from memory.
        let _ = fadvise(&to, 0, None, Advice::DontNeed);
        to.seek(SeekFrom::Start(0))?;
        if digest(&mut to)? != written.digest {
            return Err(io::Error::other("the copy has another SHA-256 than the file"));
        }
        self.copied.bytes += written.bytes;
        self.copied.files += 1;
        Ok(())
    }
}

/// A file that was copied.
struct CopiedFile {
    bytes: u64,
    digest: Vec<u8>,
}

fn copy_file(from: &mut File, to: &mut File, stat: &Stat) -> io::Result<CopiedFile> {
    let has_holes = u64::try_from(stat.st_blocks)
        .unwrap_or_default()
        .saturating_mul(512)
        < u64::try_from(stat.st_size).unwrap_or_default();
    let mut hasher = Algorithm::Sha256.hasher();
    let mut piece = vec![0; PIECE];
    let mut bytes: u64 = 0;
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = piece.get(..length).unwrap_or_default();
        hasher.update(read);
        bytes += length as u64;
        if has_holes && read.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(bytes))?;
        } else {
            to.write_all(read)?;
        }
    }
    to.set_len(bytes)?;
    Ok(CopiedFile {
        bytes,
        digest: hasher.finalize().into_vec(),
    })
}

fn digest(file: &mut File) -> io::Result<Vec<u8>> {
    let mut hasher = Algorithm::Sha256.hasher();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize().into_vec()),
            Ok(length) => hasher.update(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives the copy the group, the mode and the times of the original, in this order.
fn set_attributes(copy: impl AsFd, stat: &Stat) -> rustix::io::Result<()> {
    // The server may not be in the group; then nobody could have put the file into that group through the server.
    let _ = fchown(&copy, None, Some(Gid::from_raw(stat.st_gid)));
    fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    futimens(&copy, &times(stat))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |secs: i64, nanos: u64| Timespec {
        tv_sec: secs,
        tv_nsec: i64::try_from(nanos).unwrap_or_default(),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn open_directory(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn lossless(name: &CStr) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name.to_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn a_tree_is_copied_with_its_attributes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("a/b")).unwrap();
        std::fs::create_dir(&to).unwrap();
        std::fs::write(from.join("a/file"), vec![7; 300_000]).unwrap();
        std::fs::write(from.join("read-only"), "x").unwrap();
        std::fs::hard_link(from.join("a/file"), from.join("a/b/other name")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        let holes = File::create(from.join("holes")).unwrap();
        holes.set_len(10 << 20).unwrap();
        drop(holes);
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5);
        let file = File::options().write(true).open(from.join("read-only")).unwrap();
        file.set_modified(old).unwrap();
        std::fs::set_permissions(from.join("read-only"), Permissions::from_mode(0o440)).unwrap();
        std::fs::set_permissions(from.join("a/b"), Permissions::from_mode(0o750)).unwrap();
        let copied = copy_tree(&from, &to).unwrap();
        assert_eq!(
            copied,
            CopiedTree {
                bytes: 300_000 + 1 + (10 << 20),
                files: 6,
            }
        );
        assert_eq!(std::fs::read(to.join("a/file")).unwrap(), vec![7; 300_000]);
        let (one, other) = (to.join("a/file"), to.join("a/b/other name"));
        assert_eq!(one.metadata().unwrap().ino(), other.metadata().unwrap().ino());
        assert_eq!(
            std::fs::read_link(to.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
        let holes = to.join("holes").metadata().unwrap();
        assert_eq!(holes.len(), 10 << 20);
        let read_only = to.join("read-only").metadata().unwrap();
        assert_eq!(read_only.mode() & 0o7777, 0o440);
        assert_eq!(read_only.modified().unwrap(), old);
        assert_eq!(to.join("a/b").metadata().unwrap().mode() & 0o7777, 0o750);
    }

    #[test]
    fn what_cannot_be_copied_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("a")).unwrap();
        std::fs::create_dir(&to).unwrap();
        let fifo = from.join("a/fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = copy_tree(&from, &to).unwrap_err().to_string();
        assert!(error.contains("\"a/fifo\": it is neither a file"), "{error}");
    }
}
