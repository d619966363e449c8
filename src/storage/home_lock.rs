//! The lock on the directory of a home. Sessions share it for as long as they use the home, and a command that moves
//! the home takes it for itself. The kernel releases it however a process ends.
//!
//! Invariant: no session works in a home while it is moved, whichever process serves the session.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

/// The lock of a command that moves a home.
#[derive(Debug)]
pub struct HomeLock(#[allow(dead_code, reason = "held, not used")] OwnedFd);

impl HomeLock {
    /// Takes the lock on a home. Returns `None` if a session or another command has it.
    ///
    /// # Errors
    /// Returns an error if the home cannot be opened, or if its file system has no locks.
    pub fn take(home: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let home = openat(CWD, home, flags, Mode::empty())?;
        match flock(&home, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(home))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Takes the lock that sessions share. It lasts until the last copy of the descriptor is closed.
///
/// # Errors
/// Returns `EWOULDBLOCK` if the home is being moved. A file system without locks is not an error: a home on it cannot be
/// moved.
pub(super) fn share(home: impl AsFd) -> rustix::io::Result<()> {
    match flock(home, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Err(Errno::WOULDBLOCK),
        _ => Ok(()),
    }
}

/// Whether a home could not be opened because it is being moved.
pub fn is_being_moved(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::local::LocalStorage;

    #[test]
    fn a_home_is_used_or_moved() {
        let home = tempfile::tempdir().unwrap();
        let one = LocalStorage::open(home.path()).unwrap();
        let other = LocalStorage::open(home.path()).unwrap();
        assert!(HomeLock::take(home.path()).unwrap().is_none());
        drop(one);
        assert!(HomeLock::take(home.path()).unwrap().is_none());
        drop(other);
        let lock = HomeLock::take(home.path()).unwrap().unwrap();
        assert!(HomeLock::take(home.path()).unwrap().is_none());
        let error = LocalStorage::open(home.path()).unwrap_err();
        assert!(is_being_moved(&error), "{error}");
        drop(lock);
        LocalStorage::open(home.path()).unwrap();
    }
}
