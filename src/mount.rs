//! From a login to a storage: the order of the layers, stated once.
//!
//! `Guard(Quota(Local))`: permissions are judged before anything is charged, and all that happens is charged.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use crate::auth::Login;
use crate::error::{Error, Result};
use crate::ledger::account::Account;
use crate::sftp::lane::{Lane, Lanes};
use crate::vfs::Storage;
use crate::vfs::guard::Guard;
use crate::vfs::local::LocalStorage;
use crate::vfs::quota::Quota;

/// A home, ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// What the session sees.
    pub storage: Arc<dyn Storage>,
    /// The file system that it lies on.
    pub lane: Arc<Lane>,
    /// Was it missing?
    pub made: bool,
}

/// Opens the home of a login, and makes it if it is missing. May block on the disk.
pub fn mount(login: &Login, account: Arc<Account>, lanes: &Lanes) -> Result<Mounted> {
    let home = login.home();
    let made = make_missing(home)?;
    let cannot = |error: std::io::Error| Error::new(format!("cannot open the home {home:?}")).because(error);
    let device = std::fs::metadata(home).map_err(cannot)?.dev();
    let local = LocalStorage::open(home)
        .map_err(|error| Error::new(format!("cannot open the home {home:?}")).because(error))?;
    let charged = Quota::new(Arc::new(local), account);
    Ok(Mounted {
        storage: Arc::new(Guard::new(Arc::new(charged), login.permissions().clone())),
        lane: lanes.of_device(device),
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
