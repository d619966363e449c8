//! The marker: a file in each place that holds homes (`[storage] homes` and every root), which names the store that
//! owns the place.
//!
//! It lies beside the homes, so that no client sees it, and its first line is the id of the store. A server lets
//! homes be made and grow only where the marker is its own. A place can be in these states:
//! - *ours*: the marker is this store's.
//! - *missing*: the disk is not mounted (the marker is on the disk, not in the directory that the disk is mounted
//!   on), or no server has taken the place yet.
//! - *another's*, or not readable as a marker: a second server with a store of its own, or a copied tree.
//! - *read-only*: nothing can grow there, so no marker is needed.
//!
//! The marker is read when a home is mounted and after an account's ceiling was renewed: a few times for each session
//! and for each 64 MiB. One gap remains: if a disk goes away during a session, the server notices it only at the next
//! ceiling.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, StatVfsMountFlags, statvfs};

use base::advice;
use base::error::{Error, Result};
use base::temporary;

/// The marker's file name. No home is a place, so no home contains it.
pub const NAME: &str = ".homeport-store";

/// The size limit in bytes. A marker has only a few lines.
const LARGEST: u64 = 4096;

/// The owner of a place, as its marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The place belongs to this store.
    Ours,
    /// The place has no marker.
    Missing,
    /// The place belongs to the store with this id.
    Another(String),
    /// The marker exists, but it does not name a store.
    Damaged,
}

/// Returns the path of the marker of a place.
pub fn path(place: &Path) -> PathBuf {
    place.join(NAME)
}

/// Reads the marker to find the owner of a place.
///
/// # Errors
/// Fails when the marker cannot be read.
pub fn read(place: &Path, id: &str) -> io::Result<Mark> {
    // Opening must not block on a FIFO, and must not follow a link.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path(place));
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Mark::Missing);
        }
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(Mark::Damaged);
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(Mark::Damaged);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let found = text.lines().next().unwrap_or_default();
    Ok(match found {
        found if found == id => Mark::Ours,
        found if is_id(found) => Mark::Another(found.to_owned()),
        _ => Mark::Damaged,
    })
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Writes the marker of a place that has none.
///
/// # Errors
/// Fails when there is a marker, or when the place cannot be written.
pub fn write(place: &Path, id: &str) -> io::Result<()> {
    put(place, &path(place), id)
}

/// Writes the marker of a place, and replaces one that exists.
///
/// # Errors
/// Fails when the place cannot be written.
pub fn replace(place: &Path, id: &str) -> io::Result<()> {
    let new = temporary::beside(&path(place));
    put(place, &new, id)?;
    std::fs::rename(&new, path(place)).inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    File::open(place)?.sync_all()
}

fn put(place: &Path, file: &Path, id: &str) -> io::Result<()> {
    let text = format!(
        "{id}\n\
         The storage of a Homeport server, whose store has the id above. Without this file, or with another server's,\n\
         no home is made here and nothing grows. `homeportd storage adopt DIR` writes it.\n"
    );
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(file)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(file)))?;
    File::open(place)?.sync_all()
}

/// Returns whether the file system of the place is mounted read-only.
pub fn is_read_only(place: &Path) -> bool {
    statvfs(place).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Checks that homes may be made and grow in a place.
///
/// # Errors
/// Fails if they may not. The error names the owner of the place and says what to do.
pub fn require(place: &Path, id: &str) -> Result<()> {
    let refused = || Error::new(format!("this server does not own the storage {place:?}"));
    let shown = place.display();
    match read(place, id) {
        Ok(Mark::Ours) => Ok(()),
        Ok(Mark::Missing) if is_read_only(place) => Ok(()),
        Ok(Mark::Missing) => Err(refused()
            .because(format!("its marker {NAME} is missing"))
            .hint(format!(
                "is its disk mounted? if the storage is new: homeportd storage adopt {shown}"
            ))),
        Ok(Mark::Another(other)) => Err(refused()
            .because(format!("its marker {NAME} is that of the store {other}"))
            .hint(format!(
                "only one server may let homes grow there; to take it over from the other: homeportd storage adopt --take-over {shown}"
            ))),
        Ok(Mark::Damaged) => Err(refused()
            .because(format!("its marker {NAME} does not say whose it is"))
            .hint(format!(
                "if no other server uses it: homeportd storage adopt --take-over {shown}"
            ))),
        Err(error) => Err(refused()
            .because(error)
            .hint(advice::outside_of_sandbox(place).unwrap_or_else(|| {
                format!("the server's user must be able to read {shown}/{NAME}")
            }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "0123456789abcdef0123456789abcdef";
    const THEM: &str = "ffffffffffffffffffffffffffffffff";

    #[test]
    fn a_place_is_marked_once_and_taken_over_only_on_purpose() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        assert_eq!(read(place, US).unwrap(), Mark::Missing);
        assert_eq!(read(&place.join("missing"), US).unwrap(), Mark::Missing);
        write(place, US).unwrap();
        assert_eq!(read(place, US).unwrap(), Mark::Ours);
        assert_eq!(read(place, THEM).unwrap(), Mark::Another(US.to_owned()));
        let error = write(place, THEM).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(read(place, US).unwrap(), Mark::Ours);
        replace(place, THEM).unwrap();
        assert_eq!(read(place, THEM).unwrap(), Mark::Ours);
        let names = place.read_dir().unwrap().count();
        assert_eq!(names, 1, "nothing else is left behind");
    }

    #[test]
    fn what_is_not_a_marker_is_damaged_and_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let check = |make: &dyn Fn(&Path)| {
            let marker = path(dir.path());
            make(&marker);
            assert_eq!(read(dir.path(), US).unwrap(), Mark::Damaged);
            let error = require(dir.path(), US).unwrap_err().to_string();
            assert!(error.contains("does not say whose it is (hint: "), "{error}");
            let _ = std::fs::remove_file(&marker).or_else(|_| std::fs::remove_dir(&marker));
        };
        check(&|marker| std::fs::write(marker, "").unwrap());
        check(&|marker| std::fs::write(marker, "x\n").unwrap());
        check(&|marker| std::fs::write(marker, [0xff; 5000]).unwrap());
        check(&|marker| std::fs::create_dir(marker).unwrap());
        check(&|marker| std::os::unix::fs::symlink("elsewhere", marker).unwrap());
        check(&|marker| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                marker,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        });
    }
}
