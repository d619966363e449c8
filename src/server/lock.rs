//! One server for each data directory: an exclusive lock, held for as long as the server lives, and given up by the
//! kernel however it ends. `homeportd quota scan` takes it where no server runs, so that none starts meanwhile.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// The lock on a data directory.
pub struct DataLock(#[allow(dead_code, reason = "held, not used")] File);

impl DataLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another server has it, or it cannot be opened.
    pub fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::new(format!("cannot open the lock {path:?}")).because(error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::new(format!(
                "another server uses the data directory {data_dir:?}"
            ))
            .hint("stop it, or give this one a [store] path of its own; a `quota scan` without a server counts as one")),
            Err(error) => Err(Error::new(format!("cannot lock {path:?}")).because(error)),
        }
    }
}
