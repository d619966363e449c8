//! Keeps two syncs of this user and machine from changing the same target at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use md5::digest::Digest as _;

use base::error::{Error, Result};
use base::visible::hex;

/// The target that is locked.
pub(super) enum LockedTarget<'a> {
    /// A directory of this machine.
    Local(&'a std::path::Path),
    /// A directory of a server, which has this name.
    Remote(&'a str, &'a [u8]),
}

/// Locks a target as long as the result lives. Where no lock can be had, nothing is locked.
///
/// # Errors
/// When another process has locked it.
pub(super) fn lock(target: &LockedTarget<'_>) -> Result<Option<File>> {
    let file = match target {
        LockedTarget::Local(path) => File::open(path).ok(),
        LockedTarget::Remote(host, path) => lock_file(host, path).ok(),
    };
    let Some(file) = file else {
        return Ok(None);
    };
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::new(
            "another sync to the same target is running (hint: wait until it is done)",
        )),
        // The file system may have no locks.
        Ok(()) | Err(std::fs::TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// The file in the user's cache that stands for a target on a server.
fn lock_file(host: &str, path: &[u8]) -> io::Result<File> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || Some(std::env::home_dir()?.join(".cache"));
    let cache = cache
        .or_else(home)
        .ok_or(io::ErrorKind::NotFound)?
        .join("homeport");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache)?;
    let name = md5::Md5::digest([host.as_bytes(), b"\0", path].concat());
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(cache.join(format!("sync-{}.lock", hex(&name))))
}
