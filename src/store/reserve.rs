//! The reserve: 4 MiB of the store's disk, kept for the moment when that disk is full.
//!
//! If the store cannot be written, an operator cannot disable a user and users cannot remove files, which are the ways
//! to free a full disk. The reserve has two states:
//! - *whole*: the file `reserve` lies beside the store with its blocks allocated. There is enough space, or the disk
//!   has just become full.
//! - *spent*: the file was removed, because a call was about to write to the store and found less than [`LOW`] on the
//!   disk, or because SQLite reported a full disk. Its 4 MiB are then available to the store: the running server lets
//!   no home on that disk grow meanwhile (`accounts/disk.rs`), and creates the file again when there is enough space.
//!
//! One transaction writes far less than [`LOW`]: a change of a user takes a few pages of the log, the log is moved into
//! the file every 1,000 pages, and its index has 32 KiB. A call that finds the disk full spends the reserve and is
//! repeated once. A file system quota of the server's user (EDQUOT) is treated the same way, because the reserve counts
//! in it. One case remains: other programs may fill the disk again while the reserve is spent. Then the store can be
//! read but not written until an operator frees space.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, statvfs};
use rustix::io::Errno;

/// The size of the reserve, in bytes.
pub const SIZE: u64 = 4 << 20;

/// The free space, in bytes, below which the reserve is spent. It is many times what one transaction writes.
pub const LOW: u64 = 1 << 20;

/// Returns the path of the reserve of a store.
fn file(store: &Path) -> PathBuf {
    store.with_file_name("reserve")
}

/// Returns the bytes that can still be written on the disk of a path, or `None` if the file system does not say.
pub fn available(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether less than [`LOW`] can be written in a directory, because of the disk or a quota of the file system for the
/// server's user. It is called after a failed write, and allocates that much for a moment in an unnamed file.
pub fn is_exhausted(directory: &Path) -> bool {
    if available(directory).is_some_and(|bytes| bytes < LOW) {
        return true;
    }
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let taken = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)
        .and_then(|file| fallocate(file, FallocateFlags::empty(), 0, LOW));
    matches!(taken, Err(Errno::NOSPC | Errno::DQUOT))
}

/// Frees the reserve before a write to the store if little space is left.
pub(super) fn before_write(store: &Path) {
    let directory = store.parent().unwrap_or(Path::new("/"));
    if available(directory).is_some_and(|bytes| bytes < LOW) {
        free(store);
    }
}

/// Frees the reserve's space for the store. Nothing happens if it is already spent.
pub fn free(store: &Path) {
    // The path is the server's own; if a link is in its place, only the link is removed.
    let _ = std::fs::remove_file(file(store));
}

/// Whether the reserve's file exists with its full size.
pub fn is_whole(store: &Path) -> bool {
    file(store)
        .symlink_metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() >= SIZE)
}

/// Whether the reserve has fewer blocks than bytes, as in a copy that skips empty blocks. It is checked only once, at a
/// start, because some file systems do not count blocks.
pub fn is_sparse(store: &Path) -> bool {
    let meta = file(store).symlink_metadata();
    is_whole(store) && meta.is_ok_and(|meta| meta.blocks().saturating_mul(512) < SIZE)
}

/// Creates the reserve, and replaces one that exists.
///
/// # Errors
/// Returns an error if there is not enough space. No part of the reserve is left then.
pub fn make(store: &Path) -> io::Result<()> {
    let file = file(store);
    free(store);
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)?;
    allocate(new).inspect_err(|_| free(store))
}

fn allocate(mut new: File) -> io::Result<()> {
    match fallocate(&new, FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    // The content is noise (xorshift), because some file systems compress and would not store zeros.
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(64 << 10);
    for _ in 0..SIZE / (64 << 10) {
        block.clear();
        for _ in 0..(64 << 10) / size_of::<u64>() {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            block.extend_from_slice(&noise.to_le_bytes());
        }
        new.write_all(&block)?;
    }
    new.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_whole_and_spent() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("homeport.db");
        assert!(!is_whole(&store));
        make(&store).unwrap();
        assert!(is_whole(&store));
        assert!(!is_sparse(&store));
        make(&store).unwrap();
        free(&store);
        assert!(!is_whole(&store));
        // A sparse file of the full length is detected.
        File::create(file(&store)).unwrap().set_len(SIZE).unwrap();
        assert!(is_whole(&store) && is_sparse(&store));
        make(&store).unwrap();
        assert!(is_whole(&store) && !is_sparse(&store));
        // There is enough space, so nothing is spent before a write.
        before_write(&store);
        assert!(is_whole(&store));
    }
}
