//! Makes the storage of a session from its login, and fixes the order of the decorators.
//!
//! `Gated(ReservedNames(Guard(Durable(QuotaStorage(Local)))))`: an ended session can do nothing, nobody names the parts of
//! uploads, permissions are checked before anything is charged, every change is charged, and a call that waits for the
//! disk holds no lock of the quota meanwhile.
//!
//! With folders, the home and each folder are such a stack of their own beneath `Gated(ReservedNames(Router))`, with their own
//! permissions, account and scheduler. Where permissions differ by directory, a `ZoneGuard` takes the guard's place, the
//! local storage follows no links, and a router takes `..` away, also if there are no folders.

pub mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accounts::account::Account;
use crate::accounts::disk::Disks;
use crate::accounts::quota::QuotaStorage;
use crate::auth::Login;
use crate::domain::folder::CreationChoice;
use crate::domain::permission::PermissionRules;
use crate::domain::user::UserSource;
use crate::io::IoScheduler;
use crate::storage::creation::CreationRules;
use crate::storage::durable::{Durable, Fsync};
use crate::storage::gate::{Gate, Gated};
use crate::storage::guard::Guard;
use crate::storage::home_lock;
use crate::storage::local::LocalStorage;
use crate::storage::local::creation::{make_home, make_parents};
use crate::storage::local::letter_case::{CaseProbe, IGNORES_CASE};
use crate::storage::reserved::ReservedNames;
use crate::storage::router::Router;
use crate::storage::router::folders::{FolderLooks, FolderMounter, Folders};
use crate::storage::upload_names::PartAccess;
use crate::storage::zones::ZoneGuard;
use crate::storage::{Error as StorageError, Owner, Storage};
use base::advice;
use base::error::{Error, Result};

/// A home that is ready for a session.
#[derive(Clone)]
pub struct Mounted {
    /// The storage that the session sees.
    pub storage: Arc<dyn Storage>,
    /// The folders in it; `None` if there are none.
    pub folders: Option<Arc<Folders>>,
    /// Whether the home was missing and has been created.
    pub made: bool,
    /// The same storage without the rule about the names of parts.
    with_parts: Arc<dyn Storage>,
}

impl Mounted {
    /// Returns the same home for uploads over HTTP, which name their parts.
    #[must_use]
    pub fn with_parts(&self, _: PartAccess) -> Self {
        Self {
            storage: Arc::clone(&self.with_parts),
            ..self.clone()
        }
    }
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
    /// Finds out whether a directory ignores the case of names.
    pub case_probe: CaseProbe,
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
    /// Whether the home lies beneath `[storage] homes`, where any missing home is created.
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

/// A home or a folder as the server itself uses it, without a session.
pub struct ServerHome {
    /// The home on the disk, for what changes nothing.
    pub local: Arc<LocalStorage>,
    /// The same home; changes are charged to its account.
    pub charged: QuotaStorage,
}

/// Opens a home or a folder for the server itself, which has no permissions to check. What it makes there has the modes and
/// the group of `creation`. It may block on the disk.
///
/// # Errors
/// Returns an error if the place may not lie where it does, or cannot be opened.
pub fn open_for_server(
    place: &Path,
    creation: &CreationChoice,
    account: Arc<Account>,
    context: &MountContext,
) -> Result<ServerHome> {
    let site = (context.check)(place)?;
    let cannot = || Error::new(format!("cannot open {:?}", site.path));
    let local = LocalStorage::open(&site.path).map_err(|error| cannot().because(error))?;
    let local = Arc::new(local.creating(context.creation.with(creation)?));
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

/// The folders of a session by their names, each with what mounts it.
pub type FolderMounters = Vec<(Vec<u8>, Box<dyn FolderMounter>)>;

/// Opens the home of a login, and creates it if it is missing. It may block on the disk. Folders are mounted later, when
/// they are entered.
///
/// # Errors
/// Returns an error if the home may not lie where it does, is missing and may not be created, or cannot be opened, or
/// if the session has been ended.
pub fn mount(
    login: &Login,
    account: Arc<Account>,
    gate: &Arc<Gate>,
    context: &MountContext,
    folders: FolderMounters,
) -> std::result::Result<Mounted, Refused> {
    let _inside = gate
        .enter()
        .map_err(|ended| Error::new("cannot open the home").because(ended))?;
    // This precedes the check of the home: if the home is then found on a disk that was mounted in between, the next
    // sign-in sees the marker too.
    let site = (context.check)(login.home())?;
    let home = &site.path;
    let creation = context.creation.with(login.creation())?;
    let cannot = |error: std::io::Error| Error::new(format!("cannot open the home {home:?}")).because(error);
    let mut made = false;
    let found = match std::fs::metadata(home) {
        // This is not done earlier, because mkdir waits on a file system that accepts no writes, even for a directory
        // that exists.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            made = make_missing(&site, creation, login.source())?;
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
    if let Err(error) = &site.owned {
        tracing::error!(user = %login.user(), home = ?home, %error, "nothing may grow in the home");
    }
    account.set_owned(site.owned.is_ok());
    let place = StoragePlace {
        local,
        key: login.home(),
        account,
        creation,
    };
    let home_storage = place
        .restricted(login.permissions(), context)
        .map_err(|error| not_restricted(home, error))?;
    let (tree, folders) = tree(home_storage, login.permissions(), folders);
    let reserved: Arc<dyn Storage> = Arc::new(ReservedNames::new(Arc::clone(&tree)));
    Ok(Mounted {
        storage: Arc::new(Gated::new(reserved, Arc::clone(gate))),
        folders,
        made,
        with_parts: Arc::new(Gated::new(tree, Arc::clone(gate))),
    })
}

fn not_restricted(home: &Path, error: StorageError) -> Refused {
    let cannot = Error::new(format!("cannot open the home {home:?}")).because(error);
    match error {
        StorageError::IgnoresCase => Refused {
            error: cannot.hint(IGNORES_CASE),
            sentence: "your home cannot be opened: your permissions differ by directory, and its file system ignores the \
                       case of names; ask the server's operator",
        },
        _ => cannot.into(),
    }
}

/// A directory on a disk that a session may use, with the account that pays for what is in it.
struct StoragePlace<'a> {
    local: LocalStorage,
    /// What identifies the place in the scheduler.
    key: &'a Path,
    account: Arc<Account>,
    /// The modes and the group of what is created in it.
    creation: CreationRules,
}

impl StoragePlace<'_> {
    /// Returns the place with the decorators of a session, in their order.
    fn restricted(
        self,
        rules: &PermissionRules,
        context: &MountContext,
    ) -> crate::storage::Result<Arc<dyn Storage>> {
        let device = self.local.identity()?.number();
        let uniform = rules.as_uniform();
        // Zones compare the bytes of names.
        if uniform.is_none()
            && self
                .local
                .directory_without_case(rules, context.case_probe)
                .is_some()
        {
            return Err(StorageError::IgnoresCase);
        }
        let local = self
            .local
            .creating(self.creation)
            .scheduled(context.scheduler.of_home(device, self.key));
        self.account.set_disk(context.disks.of(device));
        let local = match uniform {
            Some(_) => local,
            None => local.without_links(),
        };
        let charged = QuotaStorage::new(Arc::new(local), self.account);
        let durable = Durable::wrap(Arc::new(charged), context.fsync);
        Ok(match uniform {
            Some(permissions) => Arc::new(Guard::new(durable, permissions.clone())),
            None => Arc::new(ZoneGuard::new(durable, rules.clone())),
        })
    }
}

/// Joins a home and folders. A home without folders whose permissions are the same everywhere needs no router.
fn tree(
    home: Arc<dyn Storage>,
    rules: &PermissionRules,
    folders: FolderMounters,
) -> (Arc<dyn Storage>, Option<Arc<Folders>>) {
    if folders.is_empty() && rules.as_uniform().is_some() {
        return (home, None);
    }
    let looks = FolderLooks {
        owner: Owner {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        },
        time: jiff::Timestamp::now().as_second(),
    };
    let folders = Arc::new(Folders::new(folders, looks));
    let router = Router::new(home, Arc::clone(&folders));
    let any = !folders.all().is_empty();
    (Arc::new(router), any.then_some(folders))
}

/// Creates a missing home, if the storage is this server's. If the marker is missing, the operator made a mistake, or a
/// disk is not mounted. The home of a user whom an operator has added is made beneath `[storage] homes` alone, and its
/// parent must exist. The home of a user of an outside source is made wherever it may lie, with the directories above it,
/// since no command has made them.
fn make_missing(
    site: &HomeSite,
    rules: CreationRules,
    source: UserSource,
) -> std::result::Result<bool, Refused> {
    let home = &site.path;
    let cannot = || Error::new(format!("cannot make the home {home:?}"));
    let is_external = source == UserSource::External;
    if let Err(error) = &site.owned {
        return Err(Refused {
            error: Error::new(format!("the home {home:?} is missing, and cannot be made"))
                .because(error.to_string()),
            sentence: "the storage of your home is not available at the moment: ask the server's operator",
        });
    }
    if !site.may_be_made && !is_external {
        return Err(Error::new(format!("the home {home:?} is missing"))
            .hint("the server makes homes beneath [storage] homes only; make it, or put it back")
            .into());
    }
    let above = match home.parent().filter(|_| is_external) {
        Some(parent) => make_parents(parent, rules),
        None => Ok(()),
    };
    match above.and_then(|()| make_home(home, rules)) {
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

#[cfg(test)]
mod tests;
