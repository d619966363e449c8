//! From a login to a storage: the order of the layers, stated once.
//!
//! `Gated(Guard(Durable(QuotaStorage(Local))))`: an ended session does nothing, permissions are judged before anything is
//! charged, all that happens is charged, and whoever waits for the disk holds no lock of the quota meanwhile.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accounts::account::Account;
use crate::accounts::disk::Disks;
use crate::accounts::quota::QuotaStorage;
use crate::auth::Login;
use crate::io::IoScheduler;
use crate::storage::Storage;
use crate::storage::durable::{Durable, Fsync};
use crate::storage::gate::{Gate, Gated};
use crate::storage::guard::Guard;
use crate::storage::local::LocalStorage;
use base::error::{Error, Result};

/// A home that is ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// The storage that the session sees.
    pub storage: Arc<dyn Storage>,
    /// Whether the home was missing, and was made.
    pub made: bool,
}

/// What mounting a home needs beside the login and its account.
pub struct MountContext {
    /// Decides which threads the calls on a home take.
    pub scheduler: IoScheduler,
    /// Knows which disks are full.
    pub disks: Disks,
    /// When written data is flushed to the disk.
    pub fsync: Fsync,
    /// Says where a home really lies, if it may lie there: links may have moved since the user was added, disks may have
    /// been unmounted.
    pub check: HomeCheck,
}

/// See [`MountContext::check`].
pub type HomeCheck = Box<dyn Fn(&Path) -> Result<HomeSite> + Send + Sync>;

/// Where a home really lies, and what may be done there.
pub struct HomeSite {
    /// The home, without links.
    pub path: PathBuf,
    /// Whether the storage carries this server's marker. If not, nothing grows in the home, for the reason given.
    pub owned: Result<()>,
    /// Whether the home lies beneath `[storage] homes`, where a home that is missing is made.
    pub may_be_made: bool,
}

/// The reason why a home was not opened.
pub struct Refused {
    /// The error, for the log.
    pub error: Error,
    /// A sentence for the client, which says nothing about the host.
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
    context: &MountContext,
) -> std::result::Result<Mounted, Refused> {
    let _inside = gate
        .enter()
        .map_err(|ended| Error::new("cannot open the home").because(ended))?;
    // Before the home is looked at: where it is found on a disk that was mounted in between, the next sign-in sees
    // the marker too.
    let site = (context.check)(login.home())?;
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
    found.map_err(cannot)?;
    let local = LocalStorage::open(home).map_err(cannot)?;
    let file_system = local
        .identity()
        .map_err(|error| Error::new(format!("cannot open the home {home:?}")).because(error))?;
    let local = local.scheduled(context.scheduler.of_home(file_system.number(), login.home()));
    if let Err(error) = &site.owned {
        tracing::error!(user = %login.user(), home = ?home, %error, "nothing may grow in the home");
    }
    account.set_owned(site.owned.is_ok());
    account.set_disk(context.disks.of(file_system.number()));
    let charged = QuotaStorage::new(Arc::new(local), account);
    let durable = Durable::around(Arc::new(charged), context.fsync);
    let guard = Guard::new(durable, login.permissions().clone());
    Ok(Mounted {
        storage: Arc::new(Gated::new(Arc::new(guard), Arc::clone(gate))),
        made,
    })
}

/// Only the last component, and only where the storage is this server's: a missing parent or marker is a mistake of the
/// operator's, or a disk that is not mounted.
fn make_missing(site: &HomeSite) -> std::result::Result<bool, Refused> {
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
