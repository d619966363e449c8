//! Keeps two syncs of this user and machine from changing the same target at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use md5::digest::Digest as _;

use crate::connect::destination::Destination;
use base::error::{Error, Result};
use base::visible::hex;

/// The target that is locked.
pub(super) enum LockedTarget<'a> {
    /// A directory of this machine.
    Local(&'a std::path::Path),
    /// A directory of a server.
    Remote(&'a Destination, &'a [u8]),
}

/// Locks a target as long as the result lives. Where no lock can be had, nothing is locked.
///
/// # Errors
/// When another process has locked it.
pub(super) fn lock(target: &LockedTarget<'_>) -> Result<Option<File>> {
    let file = match target {
        LockedTarget::Local(path) => File::open(path).ok(),
        LockedTarget::Remote(server, path) => lock_file(server, path).ok(),
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
fn lock_file(server: &Destination, path: &[u8]) -> io::Result<File> {
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
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(cache.join(lock_name(&server.sign_in.user, &server.host, server.port, path)))
}

/// Another user, another server and another directory are other targets.
fn lock_name(user: &str, host: &str, port: u16, path: &[u8]) -> String {
    let server = [user, host, &port.to_string()].join("\0");
    let digest = md5::Md5::digest([server.as_bytes(), b"\0", path].concat());
    format!("sync-{}.lock", hex(&digest))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_user_server_and_directory_has_its_own_lock() {
        let names = [
            lock_name("alice", "host", 22, b"/dir"),
            lock_name("bob", "host", 22, b"/dir"),
            lock_name("alice", "other", 22, b"/dir"),
            lock_name("alice", "host", 2022, b"/dir"),
            lock_name("alice", "host", 22, b"/other"),
        ];
        assert_eq!(names[0], lock_name("alice", "host", 22, b"/dir"));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }
}
