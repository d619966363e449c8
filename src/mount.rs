//! From a login to a storage: the order of the layers, stated once.
//!
//! `Guard(Durable(Quota(Local)))`: permissions are judged before anything is charged, all that happens is charged, and
//! whoever waits for the disk holds no lock of the quota meanwhile.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::Login;
use crate::error::{Error, Result};
use crate::lanes::{HomeLane, Lanes};
use crate::ledger::account::Account;
use crate::vfs::Storage;
use crate::vfs::durable::{Durable, Fsync};
use crate::vfs::guard::Guard;
use crate::vfs::local::LocalStorage;
use crate::vfs::quota::Quota;

/// A home, ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// What the session sees.
    pub storage: Arc<dyn Storage>,
    /// Its way into the file system that it lies on.
    pub lane: HomeLane,
    /// Was it missing?
    pub made: bool,
}

/// Where homes are mounted.
pub struct Place {
    /// The file systems.
    pub lanes: Lanes,
    /// What is waited for.
    pub fsync: Fsync,
    /// Where a home really lies, if it may lie there: links may have moved since the user was added.
    pub check: Check,
}

/// See [`Place::check`].
pub type Check = Box<dyn Fn(&Path) -> Result<PathBuf> + Send + Sync>;

/// Opens the home of a login, and makes it if it is missing. May block on the disk.
pub fn mount(login: &Login, account: Arc<Account>, place: &Place) -> Result<Mounted> {
    let home = &(place.check)(login.home())?;
    let cannot = |error: std::io::Error| Error::new(format!("cannot open the home {home:?}")).because(error);
    let mut made = false;
    let found = match std::fs::metadata(home) {
        // Not before: even for a directory that exists, mkdir waits on a file system that takes no writes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            made = make_missing(home)?;
            std::fs::metadata(home)
        }
        found => found,
    };
    let device = found.map_err(cannot)?.dev();
    let local = LocalStorage::open(home)
        .map_err(|error| Error::new(format!("cannot open the home {home:?}")).because(error))?;
    let charged = Quota::new(Arc::new(local), account);
    let durable = Durable::around(Arc::new(charged), place.fsync);
    Ok(Mounted {
        storage: Arc::new(Guard::new(durable, login.permissions().clone())),
        lane: place.lanes.of_home(device, login.home()),
        made,
    })
}

/// Only the last component: a missing parent is a mistake of the operator's, or a disk that is not mounted.
fn make_missing(home: &Path) -> Result<bool> {
    match std::fs::DirBuilder::new().mode(0o700).create(home) {
        Ok(()) => {
            tracing::info!(home = ?home, "made a missing home");
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::new(format!("cannot make the home {home:?}"))
            .because(error)
            .hint("the directory above it must exist and belong to the server's user")),
    }
}
