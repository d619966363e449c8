//! The lock that allows one server for each data directory. It is held for as long as the server lives, and the kernel
//! releases it however the server ends. If no server is running, `homeportd quota scan` takes it, so that none starts
//! meanwhile. The file contains the id of the process that holds it, for people; only the kernel knows whether it is
//! held.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use base::advice;
use base::error::{Error, Result};
use base::regular::{Links, open_regular};

/// The lock on a data directory.
pub struct DataLock(#[allow(dead_code, reason = "held, not used")] File);

impl DataLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Returns an error if another process holds it, or if it cannot be opened.
    pub fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("lock");
        let file = open_regular(&path, options().create(true), Links::Refuse)
            .map_err(|error| cannot_open(&path, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The id has a fixed length and is written in place, which also works on a full disk. If it cannot be
                // written, a message lacks it; that is not a reason to fail.
                let _ = file.write_all_at(format!("{:<15}\n", std::process::id()).as_bytes(), 0);
                Ok(Self(file))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::new(format!(
                "another server{} uses the data directory {data_dir:?}",
                holder(&file).map_or_else(String::new, |pid| format!(" (process {pid})"))
            ))
            .hint("stop it, or give this one a [store] path of its own; a `quota scan` without a server counts as \
                 one")),
            Err(error) => Err(Error::new(format!("cannot lock {path:?}")).because(error)),
        }
    }
}

/// The holder of the lock, as `check` finds it without taking the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// No process holds the lock.
    None,
    /// A process holds the lock; `Some` has its id, if the process has written it.
    Process(Option<u32>),
}

/// Returns which process holds the lock on a data directory, and opens it as [`DataLock::take`] does. It creates
/// nothing, and a server that takes the lock is refused at most during this call.
///
/// # Errors
/// Returns an error if the lock cannot be opened.
pub fn current_holder(data_dir: &Path) -> Result<Holder> {
    let path = data_dir.join("lock");
    let file = match open_regular(&path, &options(), Links::Refuse) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::None),
        Err(error) => return Err(cannot_open(&path, error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Holder::Process(holder(&file))),
        _ => Ok(Holder::None),
    }
}

fn cannot_open(path: &Path, error: std::io::Error) -> Error {
    let cannot = Error::new(format!("cannot open the lock {path:?}"));
    advice::because(cannot, error, path, "u+rw")
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false).mode(0o600);
    options
}

/// Returns the id of the process that holds the lock, as it has written it.
fn holder(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let length = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_lock_is_named() {
        let dir = tempfile::tempdir().unwrap();
        // Earlier servers left the file empty.
        let path = dir.path().join("lock");
        std::fs::write(&path, "").unwrap();
        let old = File::open(&path).unwrap();
        flock(&old, FlockOperation::NonBlockingLockExclusive).unwrap();
        let error = DataLock::take(dir.path()).map(|_| ()).unwrap_err().to_string();
        assert!(
            error.starts_with("another server uses the data directory"),
            "{error}"
        );
        drop(old);

        std::fs::write(&path, "1234567\n").unwrap();
        let lock = DataLock::take(dir.path()).unwrap();
        let error = DataLock::take(dir.path()).map(|_| ()).unwrap_err().to_string();
        let us = format!(
            "another server (process {}) uses the data directory",
            std::process::id()
        );
        assert!(error.starts_with(&us), "{error}");
        drop(lock);
        DataLock::take(dir.path()).unwrap();
    }
}
