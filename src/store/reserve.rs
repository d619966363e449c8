//! The reserve: 4 MiB of the store's own disk, kept for the moment when that disk is full.
//!
//! A store that cannot be written keeps an operator from disabling a user and a user from removing files, which are
//! the ways out of a full disk. States:
//! - *whole*: the file `reserve` lies beside the store, its blocks allocated. All is well, or the disk has just filled
//!   up.
//! - *spent*: the file is gone, because somebody was about to write to the store and found less than [`LOW`] on the
//!   disk, or because SQLite said that the disk is full. Its 4 MiB are the store's: the running server lets no home
//!   on that disk grow meanwhile (`accounts/disk.rs`), and makes the file again when there is room for it.
//!
//! What is written in one go is far less than [`LOW`]: a change of a user is a few pages of the log, the log is folded
//! into the file every 1,000 pages, its index has 32 KiB. A call that finds the disk full spends the reserve and is
//! repeated once. A quota of the file system for the server's user (EDQUOT) is the same thing: the reserve counts in it.
//! What stays possible: other programs fill the disk again while the reserve is spent: then the store cannot be written
//! until somebody makes room by hand, and reading goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, statvfs};
use rustix::io::Errno;

/// The size of the reserve, in bytes.
pub const SIZE: u64 = 4 << 20;

/// Below this much free space the reserve is spent: many times what one transaction writes.
pub const LOW: u64 = 1 << 20;

/// The path of the reserve of a store.
fn file(store: &Path) -> PathBuf {
    store.with_file_name("reserve")
}

/// Bytes that may still be written on the disk of a path; `None` if it does not tell.
pub fn available(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Is there less than [`LOW`] to be had in a directory: on the disk, or in a quota of the file system for our user? Asked
/// where a call has failed; a file without a name takes so much for a moment.
pub fn is_exhausted(directory: &Path) -> bool {
    if available(directory).is_some_and(|bytes| bytes < LOW) {
        return true;
    }
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let taken = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)
        .and_then(|file| fallocate(file, FallocateFlags::empty(), 0, LOW));
    matches!(taken, Err(Errno::NOSPC | Errno::DQUOT))
}

/// Before something is written to a store: makes room if there is little.
pub(super) fn before_write(store: &Path) {
    let directory = store.parent().unwrap_or(Path::new("/"));
    if available(directory).is_some_and(|bytes| bytes < LOW) {
        spend(store);
    }
}

/// Gives the reserve's room to the store. Nothing happens if it is spent.
pub fn spend(store: &Path) {
    // The path is the server's own; a link in its place loses its name only.
    let _ = std::fs::remove_file(file(store));
}

/// Whether the reserve is there.
pub fn is_whole(store: &Path) -> bool {
    file(store)
        .symlink_metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() >= SIZE)
}

/// Whether the reserve has fewer blocks than it has bytes, as a copy may have that skips what is empty. It is asked
/// once at a start, since some file systems do not count blocks.
pub fn is_hollow(store: &Path) -> bool {
    let meta = file(store).symlink_metadata();
    is_whole(store) && meta.is_ok_and(|meta| meta.blocks().saturating_mul(512) < SIZE)
}

/// Makes the reserve, anew if there is one.
///
/// # Errors
/// When there is no room; then nothing is left of it.
pub fn make(store: &Path) -> io::Result<()> {
    let file = file(store);
    spend(store);
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)?;
    allocate(new).inspect_err(|_| spend(store))
}

fn allocate(mut new: File) -> io::Result<()> {
    match fallocate(&new, FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => return Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    // Noise (xorshift): some file systems compress, and do not keep zeros at all.
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
        assert!(!is_hollow(&store));
        make(&store).unwrap();
        spend(&store);
        assert!(!is_whole(&store));
        // One that is only long is found out.
        File::create(file(&store)).unwrap().set_len(SIZE).unwrap();
        assert!(is_whole(&store) && is_hollow(&store));
        make(&store).unwrap();
        assert!(is_whole(&store) && !is_hollow(&store));
        // There is room, so nothing is spent before a write.
        before_write(&store);
        assert!(is_whole(&store));
    }
}
