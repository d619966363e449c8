//! Deletes a home, whose contents are not trusted.
//!
//! Links are deleted, never followed; nothing on another file system is touched; and a tree of any depth takes the
//! same memory and the same few descriptors: a directory that is not empty is first moved up to the top of the home.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, fchmod, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use base::error::{Error, Result};

/// How long new files may appear: a removed user's sessions have ended, but a call on a slow disk may still be in
/// progress.
const NEW_FILES_FOR: Duration = Duration::from_secs(5);

/// Deletes the directory with its contents. It succeeds if the directory does not exist.
///
/// # Errors
/// Returns an error if something in it cannot be deleted: a mount point, or a file that the system protects.
pub fn erase(home: &Path) -> Result<()> {
    let cannot = |errno: Errno| {
        Error::new(format!("cannot delete home \"{}\"", home.display())).because(std::io::Error::from(errno))
    };
    let top = match open(CWD, home) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened.map_err(cannot)?,
    };
    let deadline = Instant::now() + NEW_FILES_FOR;
    let _ = fchmod(&top, Mode::RWXU);
    loop {
        empty(&top).map_err(cannot)?;
        match unlinkat(CWD, home, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // A session that has not ended yet created something in the meantime.
            Err(Errno::NOTEMPTY | Errno::EXIST) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(errno) => return Err(cannot(errno)),
        }
    }
}

fn open(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

/// Empties a directory; subdirectories that are not empty are moved up into it and emptied in turn.
fn empty(top: &OwnedFd) -> rustix::io::Result<()> {
    let mut moved = 0_u64;
    let mut waiting: VecDeque<CString> = VecDeque::new();
    clear(top, None, &mut moved, &mut waiting)?;
    while let Some(name) = waiting.pop_front() {
        let Some(dir) = missing_is_none(open(top, &name))? else {
            continue;
        };
        // Users may remove the right to write.
        let _ = fchmod(&dir, Mode::RWXU);
        clear(top, Some(&dir), &mut moved, &mut waiting)?;
        match unlinkat(top, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            // Files are still being added: the caller tries again.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Deletes the names in `below`, or in the top. Directories that cannot be deleted yet are moved to the top and into
/// `waiting`.
fn clear(
    top: &OwnedFd,
    below: Option<&OwnedFd>,
    moved: &mut u64,
    waiting: &mut VecDeque<CString>,
) -> rustix::io::Result<()> {
    let dir = below.unwrap_or(top);
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let is_dir = match unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => false,
            // Linux returns EISDIR, and POSIX specifies EPERM.
            Err(Errno::ISDIR | Errno::PERM) if entry.file_type() != FileType::RegularFile => true,
            Err(errno) => return Err(errno),
        };
        if !is_dir {
            continue;
        }
        match unlinkat(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => waiting.push_back(match below {
                Some(dir) => move_to_top(top, dir, name, moved)?,
                None => name.to_owned(),
            }),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Moves a directory to the top, under a name that is free.
fn move_to_top(
    top: &OwnedFd,
    dir: &OwnedFd,
    name: &std::ffi::CStr,
    moved: &mut u64,
) -> rustix::io::Result<CString> {
    let mut writable = false;
    loop {
        *moved += 1;
        let new = CString::new(format!(".deleting-{moved}")).unwrap_or_default();
        match renameat_with(dir, name, top, &new, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(new),
            Err(Errno::EXIST) => {}
            // The directory that is moved must be writable itself, because its `..` changes.
            Err(Errno::ACCESS) if !writable => {
                fchmod(&open(dir, name)?, Mode::RWXU)?;
                writable = true;
            }
            Err(errno) => return Err(errno),
        }
    }
}

fn missing_is_none<T>(result: rustix::io::Result<T>) -> rustix::io::Result<Option<T>> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_deleted_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
        std::fs::create_dir_all(home.join("a/b/c")).unwrap();
        std::fs::create_dir_all(outside.join("keep")).unwrap();
        std::fs::write(outside.join("keep/file"), "x").unwrap();
        std::fs::write(home.join("a/b/c/file"), "x").unwrap();
        std::fs::create_dir(home.join(".deleting-1")).unwrap();
        std::fs::write(home.join(".deleting-1/x"), "x").unwrap();
        symlink(&outside, home.join("link")).unwrap();
        symlink(&outside, home.join("a/b/link")).unwrap();
        erase(&home).unwrap();
        assert!(!home.exists());
        assert_eq!(std::fs::read(outside.join("keep/file")).unwrap(), b"x");

        // The home itself is a link: neither it nor its target is deleted.
        symlink(&outside, &home).unwrap();
        assert!(erase(&home).is_err());
        assert!(outside.join("keep/file").exists());
        // A directory that does not exist is not an error.
        erase(&dir.path().join("none")).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let mut here = open(CWD, &home).unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&here, "deep", Mode::RWXU).unwrap();
            here = open(&here, "deep").unwrap();
        }
        drop(here);
        erase(&home).unwrap();
        assert!(!home.exists());
    }
}
