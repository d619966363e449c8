//! From a login to a storage: the order of the layers, stated once.
//!
//! `Gated(Guard(Durable(Quota(Local))))`: an ended session does nothing, permissions are judged before anything is
//! charged, all that happens is charged, and whoever waits for the disk holds no lock of the quota meanwhile.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accounts::account::Account;
use crate::accounts::disk::Disks;
use crate::auth::Login;
use crate::io::{HomeIo, IoScheduler};
use crate::storage::Storage;
use crate::storage::durable::{Durable, Fsync};
use crate::storage::gate::{Gate, Gated};
use crate::storage::guard::Guard;
use crate::storage::local::LocalStorage;
use crate::storage::quota::Quota;
use base::error::{Error, Result};

/// A home, ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// What the session sees.
    pub storage: Arc<dyn Storage>,
    /// Its way into the file system that it lies on.
    pub io: HomeIo,
    /// Was it missing?
    pub made: bool,
}

/// Where homes are mounted.
pub struct Place {
    /// The file systems.
    pub scheduler: IoScheduler,
    /// The same, as to whether they are full.
    pub disks: Disks,
    /// What is waited for.
    pub fsync: Fsync,
    /// Where a home really lies, if it may lie there: links may have moved since the user was added, disks may have
    /// been unmounted.
    pub check: Check,
}

/// See [`Place::check`].
pub type Check = Box<dyn Fn(&Path) -> Result<Site> + Send + Sync>;

/// Where a home really lies, and what may be done there.
pub struct Site {
    /// The home, without links.
    pub path: PathBuf,
    /// Does the storage carry this server's marker? Otherwise nothing grows in the home, for the reason given.
    pub owned: Result<()>,
    /// Does it lie beneath `[storage] homes`, where a home that is missing is made?
    pub may_be_made: bool,
}

/// Why a home was not opened.
pub struct Refused {
    /// For the log.
    pub error: Error,
    /// For the client, and without anything about the host.
    pub sentence: &'static str,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            sentence: "your home cannot be opened: ask whoever runs this server",
        }
    }
}

/// Opens the home of a login, and makes it if it is missing. May block on the disk.
///
/// # Errors
/// When it may not lie where it does, is missing and may not be made, or cannot be opened, or when the session has been
/// ended.
pub fn mount(
    login: &Login,
    account: Arc<Account>,
    gate: &Arc<Gate>,
    place: &Place,
) -> std::result::Result<Mounted, Refused> {
    let _inside = gate
        .enter()
        .map_err(|ended| Error::new("cannot open the home").because(ended))?;
    // Before the home is looked at: where it is found on a disk that was mounted in between, the next sign-in sees
    // the marker too.
    let site = (place.check)(login.home())?;
    let home = &site.path;
    let cannot = |error: std::io::Error| Error::new(format!("cannot open the home {home:?}")).because(error);
    let mut made = false;
    let found = match std::fs::metadata(home) {
        // Not before: even for a directory that exists, mkdir waits on a file system that takes no writes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            made = make_missing(&site)?;
            std::fs::metadata(home)
        }
        found => found,
    };
    let device = found.map_err(cannot)?.dev();
    let local = LocalStorage::open(home)
        .map_err(|error| Error::new(format!("cannot open the home {home:?}")).because(error))?;
    if let Err(error) = &site.owned {
        tracing::error!(user = %login.user(), home = ?home, %error, "nothing may grow in the home");
    }
    account.set_owned(site.owned.is_ok());
    account.set_disk(place.disks.of(device));
    let charged = Quota::new(Arc::new(local), account);
    let durable = Durable::around(Arc::new(charged), place.fsync);
    let guard = Guard::new(durable, login.permissions().clone());
    Ok(Mounted {
        storage: Arc::new(Gated::new(Arc::new(guard), Arc::clone(gate))),
        io: place.scheduler.of_home(device, login.home()),
        made,
    })
}

/// Only the last component, and only where the storage is this server's: a missing parent or marker is a mistake of the
/// operator's, or a disk that is not mounted.
fn make_missing(site: &Site) -> std::result::Result<bool, Refused> {
    let home = &site.path;
    let cannot = || Error::new(format!("cannot make the home {home:?}"));
    if let Err(error) = &site.owned {
        return Err(Refused {
            error: Error::new(format!("the home {home:?} is missing, and is not made"))
                .because(error.to_string()),
            sentence: "the storage of your home is not there at the moment: ask whoever runs this server",
        });
    }
    if !site.may_be_made {
        return Err(Error::new(format!("the home {home:?} is missing"))
            .hint("the server makes homes beneath [storage] homes only; make it, or put it back")
            .into());
    }
    match std::fs::DirBuilder::new().mode(0o700).create(home) {
        Ok(()) => {
            tracing::info!(home = ?home, "made a missing home");
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot()
            .because(error)
            .hint("the directory above it must exist and belong to the server's user")
            .into()),
    }
}
