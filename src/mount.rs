//! Makes the storage of a session from its login, and fixes the order of the decorators.
//!
//! `Gated(Guard(Durable(QuotaStorage(Local))))`: an ended session can do nothing, permissions are checked before
//! anything is charged, every change is charged, and a call that waits for the disk holds no lock of the quota
//! meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accounts::account::Account;
use crate::accounts::disk::Disks;
use crate::accounts::quota::QuotaStorage;
use crate::auth::Login;
use crate::domain::path::VirtualPath;
use crate::io::IoScheduler;
use crate::storage::Storage;
use crate::storage::creation::CreationRules;
use crate::storage::durable::{Durable, Fsync};
use crate::storage::gate::{Gate, Gated};
use crate::storage::guard::Guard;
use crate::storage::home_lock;
use crate::storage::local::LocalStorage;
use crate::storage::local::creation::make_home;
use base::advice;
use base::error::{Error, Result};

/// A home that is ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// The storage that the session sees.
    pub storage: Arc<dyn Storage>,
    /// Whether the home was missing and has been created.
    pub made: bool,
}

/// What mounting a home needs besides the login and its account.
pub struct MountContext {
    /// Decides on which threads the calls on a home run.
    pub scheduler: IoScheduler,
    /// The disks of all homes, and which of them are full.
    pub disks: Disks,
    /// When written data is flushed to the disk.
    pub fsync: Fsync,
    /// The mode and the group of what users create, and of homes.
    pub creation: CreationRules,
    /// Returns where a home really lies, if it may lie there: links may have changed since the user was added, and
    /// disks may have been unmounted.
    pub check: HomeCheck,
}

/// The function that locates and checks a home: see [`MountContext::check`].
pub type HomeCheck = Box<dyn Fn(&Path) -> Result<HomeSite> + Send + Sync>;

/// Where a home really lies, and what may be done there.
pub struct HomeSite {
    /// The absolute path of the home, with links resolved.
    pub path: PathBuf,
    /// Whether the storage has this server's marker. If not, the error says why, and nothing can grow in the home.
    pub owned: Result<()>,
    /// Whether the home lies beneath `[storage] homes`, where a missing home is created.
    pub may_be_made: bool,
}

/// Why a home was not opened.
pub struct Refused {
    /// The error, for the log.
    pub error: Error,
    /// A sentence for the client, which does not reveal anything about the host.
    pub sentence: &'static str,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            sentence: "your home cannot be opened: ask the server's operator",
        }
    }
}

/// A home as the server itself uses it, without a session.
pub struct ServerHome {
    /// The home on the disk, for what changes nothing.
    pub local: Arc<LocalStorage>,
    /// The same home; changes are charged to its account.
    pub charged: QuotaStorage,
}

/// Opens a home for the server itself, which has no permissions to check. It may block on the disk.
///
/// # Errors
/// Returns an error if the home may not lie where it does, or cannot be opened.
pub fn open_for_server(home: &Path, account: Arc<Account>, context: &MountContext) -> Result<ServerHome> {
    let site = (context.check)(home)?;
    let cannot = || Error::new(format!("cannot open the home {:?}", site.path));
    let local = Arc::new(LocalStorage::open(&site.path).map_err(|error| cannot().because(error))?);
    let file_system = local.identity().map_err(|error| cannot().because(error))?;
    account.set_owned(site.owned.is_ok());
    account.set_disk(context.disks.of(file_system.number()));
    Ok(ServerHome {
        charged: charged(&local, account),
        local,
    })
}

/// Returns a home whose changes are charged to its account.
pub(crate) fn charged(local: &Arc<LocalStorage>, account: Arc<Account>) -> QuotaStorage {
    QuotaStorage::new(Arc::clone(local) as Arc<dyn Storage>, account)
}

/// Opens the home of a login, and creates it if it is missing. It may block on the disk.
///
/// # Errors
/// Returns an error if the home may not lie where it does, is missing and may not be created, or cannot be opened, or
/// if the session has been ended.
pub fn mount(
    login: &Login,
    account: Arc<Account>,
    gate: &Arc<Gate>,
    context: &MountContext,
) -> std::result::Result<Mounted, Refused> {
    let _inside = gate
        .enter()
        .map_err(|ended| Error::new("cannot open the home").because(ended))?;
    // This precedes the check of the home: if the home is then found on a disk that was mounted in between, the next
    // sign-in sees the marker too.
    let site = (context.check)(login.home())?;
    let home = &site.path;
    let cannot = |error: std::io::Error| Error::new(format!("cannot open the home {home:?}")).because(error);
    let mut made = false;
    let found = match std::fs::metadata(home) {
        // This is not done earlier, because mkdir waits on a file system that accepts no writes, even for a directory
        // that exists.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            made = make_missing(&site, context.creation)?;
            std::fs::metadata(home)
        }
        found => found,
    };
    found.map_err(cannot)?;
    if let Some(hint) = advice::outside_of_sandbox(home) {
        return Err(cannot(std::io::ErrorKind::PermissionDenied.into())
            .hint(hint)
            .into());
    }
    let local = LocalStorage::open(home).map_err(|error| match home_lock::is_being_moved(&error) {
        true => Refused {
            error: Error::new(format!("cannot open the home {home:?}")).because("it is being moved"),
            sentence: "your home is being moved at the moment: try again later",
        },
        false => cannot(error).into(),
    })?;
    let file_system = local
        .identity()
        .map_err(|error| Error::new(format!("cannot open the home {home:?}")).because(error))?;
    let local = local
        .creating(context.creation)
        .scheduled(context.scheduler.of_home(file_system.number(), login.home()));
    if let Err(error) = &site.owned {
        tracing::error!(user = %login.user(), home = ?home, %error, "nothing may grow in the home");
    }
    account.set_owned(site.owned.is_ok());
    account.set_disk(context.disks.of(file_system.number()));
    let charged = QuotaStorage::new(Arc::new(local), account);
    let durable = Durable::wrap(Arc::new(charged), context.fsync);
    let permissions = login.permissions().at(&VirtualPath::root());
    let guard = Guard::new(durable, permissions.clone());
    Ok(Mounted {
        storage: Arc::new(Gated::new(Arc::new(guard), Arc::clone(gate))),
        made,
    })
}

/// Creates a missing home: only its last component, and only if the storage is this server's. If a parent or the marker
/// is missing, the operator made a mistake, or a disk is not mounted.
fn make_missing(site: &HomeSite, rules: CreationRules) -> std::result::Result<bool, Refused> {
    let home = &site.path;
    let cannot = || Error::new(format!("cannot make the home {home:?}"));
    if let Err(error) = &site.owned {
        return Err(Refused {
            error: Error::new(format!("the home {home:?} is missing, and cannot be made"))
                .because(error.to_string()),
            sentence: "the storage of your home is not available at the moment: ask the server's operator",
        });
    }
    if !site.may_be_made {
        return Err(Error::new(format!("the home {home:?} is missing"))
            .hint("the server makes homes beneath [storage] homes only; make it, or put it back")
            .into());
    }
    match make_home(home, rules) {
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
