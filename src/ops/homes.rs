//! Decides where a home may lie, and creates homes.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use super::installation::Installation;
use crate::domain::folder::{CreationChoice, Folder};
use crate::domain::user::{User, UserName, UserSource};
use crate::mount::{HomeCheck, HomeSite};
use crate::storage::creation::CreationRules;
use crate::storage::local::creation::{make_home, make_parents};
use crate::storage::marker;
use crate::store::Store;
use base::error::{Error, Result};
use base::paths::{from_here, resolve};

/// Returns the home: `explicit` (relative to the current directory), or else `homes/NAME`. Links are resolved, so that
/// the record contains where the home really is.
///
/// # Errors
/// Returns an error if the configuration does not allow the place. The store checks that homes are separate or equal.
pub fn choose(installation: &Installation, name: &UserName, explicit: Option<&Path>) -> Result<PathBuf> {
    let home = match explicit {
        Some(path) if path.as_os_str().is_empty() => {
            return Err(Error::new("an empty path cannot be a home").hint("leave --home out for homes/NAME"));
        }
        Some(path) => from_here(path)?,
        None => installation.storage.homes.join(name.as_str()),
    };
    let home = resolve(&home);
    check_place(installation, &home)?;
    Ok(home)
}

/// Returns the directory of a folder (relative to the current directory), with links resolved. It may lie where a home
/// may.
///
/// # Errors Returns an error if the configuration does not allow the place. The store checks that folders and homes are
/// separate.
pub fn choose_folder(installation: &Installation, path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::new("an empty path cannot be a folder"));
    }
    let path = resolve(&from_here(path)?);
    HomeRules::new(installation).check_as(Resident::Folder, &path)?;
    Ok(path)
}

/// Refuses the home that a new user would get by the name alone, if it is the home of another user: after a rename, or
/// because of `--home`. The new user would read the files of somebody whom nobody has mentioned.
///
/// # Errors
/// Returns an error that names the other user, or that of the store.
pub async fn require_unowned(user: &User, store: &dyn Store) -> Result<()> {
    if store.quota_of_home(&user.home).await?.is_none() {
        return Ok(());
    }
    match store.overlapping_user(&user.home, &user.name).await? {
        Some(owner) => Err(owned_by_another(&user.home, &owner)),
        None => Ok(()),
    }
}

/// Returns the error about a home that a new user would get by the name alone, and that `owner` has.
pub fn owned_by_another(home: &Path, owner: &str) -> Error {
    Error::new(format!("cannot use the home {home:?}"))
        .because(format!("it is the home of the user \"{owner}\""))
        .hint(format!(
            "homeportd user set {owner} --home DIR --move gives {owner} another one; or name the home of the new user, \
             the same one if both are to share it"
        ))
}

/// Refuses a home in a place where it may not lie. Links in `home` must be resolved.
///
/// # Errors
/// Returns an error if it does not lie beneath `[storage] homes` or a root, or if it contains what the server itself
/// needs.
pub fn check_place(installation: &Installation, home: &Path) -> Result<()> {
    HomeRules::new(installation).check(home)
}

/// What lies in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resident {
    /// The home of users.
    Home,
    /// A folder.
    Folder,
}

impl Resident {
    /// Returns the name: `home` or `folder`.
    pub fn name(self) -> &'static str {
        match self {
            Resident::Home => "home",
            Resident::Folder => "folder",
        }
    }
}

/// The rules for where homes and folders may lie. Links in the configured paths are resolved once, and only if
/// necessary, so the rules are for immediate use: links may change.
pub struct HomeRules<'a> {
    installation: &'a Installation,
    /// `[storage] homes` and the roots, with links resolved.
    allowed: OnceCell<Vec<PathBuf>>,
    /// The paths that the server itself needs, each with its meaning.
    server_paths: OnceCell<Vec<(PathBuf, &'static str)>>,
}

impl<'a> HomeRules<'a> {
    /// Creates the rules of this installation, without resolving a link.
    pub fn new(installation: &'a Installation) -> Self {
        Self {
            installation,
            allowed: OnceCell::new(),
            server_paths: OnceCell::new(),
        }
    }

    /// Refuses a home in a place where it may not lie; see [`check_place`].
    ///
    /// # Errors
    /// Returns the errors of [`check_place`].
    pub fn check(&self, home: &Path) -> Result<()> {
        self.check_as(Resident::Home, home)
    }

    /// Refuses a home or a folder in a place where it may not lie.
    ///
    /// # Errors
    /// Returns the errors of [`check_place`].
    pub fn check_as(&self, resident: Resident, home: &Path) -> Result<()> {
        let storage = &self.installation.storage;
        let lies_in = |place: &Path| home != place && home.starts_with(place);
        let resolved = || {
            self.allowed
                .get_or_init(|| storage.places().map(resolve).collect())
        };
        // Compare the unresolved paths first: a root on a disk that hangs must not block users whose homes lie in
        // another one.
        let beneath = storage.places().any(lies_in) || resolved().iter().any(|place| lies_in(place));
        let refused = |cause: String| {
            let what = resident.name();
            Error::new(format!("\"{}\" cannot be a {what}", home.display())).because(cause)
        };
        if !beneath {
            return Err(refused(format!(
                "it is not beneath \"{}\" or one of [storage] roots",
                storage.homes.display()
            ))
            .hint(match self.holds_a_place(home) {
                true => "choose a directory beneath one of these".to_owned(),
                false => format!(
                    "add its parent to roots in \"{}\"",
                    self.installation.config_file.display()
                ),
            }));
        }
        let inside = self
            .server_paths()
            .iter()
            .find(|(path, _)| path.starts_with(home));
        if let Some((_, part)) = inside {
            return Err(refused(format!("{part} would lie inside it")));
        }
        // Otherwise the user could change its marker.
        match storage.roots.iter().find(|root| root.starts_with(home)) {
            Some(root) => Err(refused(format!("the root {root:?} would lie inside it"))),
            None => Ok(()),
        }
    }

    /// Whether this is `[storage] homes` or a root, or lies around one.
    fn holds_a_place(&self, home: &Path) -> bool {
        self.installation
            .storage
            .places()
            .any(|place| place.starts_with(home) || resolve(place).starts_with(home))
    }

    fn server_paths(&self) -> &[(PathBuf, &'static str)] {
        let installation = self.installation;
        self.server_paths.get_or_init(|| {
            let server_paths = [
                (&installation.store.path, "the store"),
                (&installation.host_keys, "the host keys"),
                (&installation.storage.homes, "all homes"),
                (&installation.config_file, "the configuration"),
            ];
            let audit = installation.audit.iter().map(|audit| (audit, "the audit log"));
            let all = server_paths.into_iter().chain(audit);
            all.map(|(path, what)| (resolve(path), what)).collect()
        })
    }
}

/// Returns the place that a home lies in: `[storage] homes` or a root. If places are nested, it is the innermost.
pub fn place_of<'a>(installation: &'a Installation, home: &Path) -> Option<&'a Path> {
    let innermost = |lies_in: &dyn Fn(&Path) -> Option<usize>| {
        let places = installation.storage.places();
        places
            .filter_map(|place| lies_in(place).map(|depth| (depth, place)))
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, place)| place)
    };
    let depth = |place: &Path| {
        let inside = home != place && home.starts_with(place);
        inside.then(|| place.components().count())
    };
    // Compare the unresolved paths first: see `check_place`.
    innermost(&depth).or_else(|| innermost(&|place: &Path| depth(&resolve(place))))
}

/// Returns whether the server makes the home of a user at a sign-in if it is missing. It makes no others, since a disk may
/// not be mounted, and no folders. Links in `home`, the user's, must be resolved.
pub fn is_made_at_sign_in(installation: &Installation, user: &User, home: &Path) -> bool {
    user.source == UserSource::External || place_of(installation, home) == Some(&installation.storage.homes)
}

/// Returns the directories of the homes and folders that lie in a place.
pub fn residents_of<'a>(
    installation: &Installation,
    place: &Path,
    users: &'a [User],
    folders: &'a [Folder],
) -> Vec<&'a Path> {
    let homes = users.iter().map(|user| user.home.as_path());
    let folders = folders.iter().map(|folder| folder.path.as_path());
    let here = |directory: &&Path| place_of(installation, directory) == Some(place);
    homes.chain(folders).filter(here).collect()
}

/// Returns the check that the server makes each time it opens a home or a folder; `id` is the store's.
pub fn checker(installation: &Installation, id: &str) -> HomeCheck {
    let (installation, id) = (installation.clone(), id.to_owned());
    Box::new(move |home| {
        let path = resolve(home);
        check_place(&installation, &path)?;
        let place = place_of(&installation, &path).unwrap_or(&installation.storage.homes);
        Ok(HomeSite {
            owned: marker::require(place, &id),
            may_be_made: place == installation.storage.homes,
            path,
        })
    })
}

/// Logs which places do not belong to this server, so that an operator learns it before a user does.
pub fn warn_of_foreign_places(installation: &Installation, id: &str) {
    for place in installation.storage.places() {
        let (place, id) = (place.to_owned(), id.to_owned());
        // A disk that hangs must not delay the users of others.
        std::thread::spawn(move || {
            if let Err(error) = marker::require(&place, &id) {
                tracing::warn!(%error, "homes and folders there are only read");
            }
        });
    }
}

/// Whether the directory of a home was created or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeOrigin {
    /// The directory was created, and is empty.
    New,
    /// The directory existed already, and may contain files.
    Existing,
}

/// Creates a home, unless it exists: with `[storage] dir_mode` and `file_group`, or else for its owner alone.
///
/// # Errors
/// Returns an error if it cannot be created, or if something else has its name.
pub fn make(installation: &Installation, home: &Path) -> Result<HomeOrigin> {
    make_as(Resident::Home, home, CreationRules::of(&installation.storage)?)
}

/// Creates the home of a user, unless it exists: with the mode and the group of the user's settings, or else as
/// [`make`].
///
/// # Errors
/// Returns the errors of [`make`].
pub fn make_for(installation: &Installation, user: &User) -> Result<HomeOrigin> {
    make_with(installation, Resident::Home, &user.home, &user.creation())
}

/// Creates the directory of a folder, unless it exists: with the folder's mode and group, or else as a home.
///
/// # Errors
/// Returns an error if it cannot be created, or if something else has its name.
pub fn make_folder(installation: &Installation, folder: &Folder) -> Result<HomeOrigin> {
    make_with(installation, Resident::Folder, &folder.path, &folder.creation)
}

/// Creates a home or a folder, unless it exists: with the modes and the group of `choice`, or else as [`make`].
///
/// # Errors
/// Returns an error if it cannot be created, or if something else has its name.
pub fn make_with(
    installation: &Installation,
    resident: Resident,
    path: &Path,
    choice: &CreationChoice,
) -> Result<HomeOrigin> {
    make_as(
        resident,
        path,
        CreationRules::of(&installation.storage)?.with(choice)?,
    )
}

fn make_as(resident: Resident, path: &Path, rules: CreationRules) -> Result<HomeOrigin> {
    let failed = || Error::new(format!("cannot make {} \"{}\"", resident.name(), path.display()));
    let cannot = |cause: io::Error| failed().because(cause);
    if let Some(parent) = path.parent() {
        make_parents(parent, rules).map_err(cannot)?;
    }
    match make_home(path, rules) {
        Ok(()) => Ok(HomeOrigin::New),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let meta = path.symlink_metadata().map_err(cannot)?;
            match meta.is_dir() {
                true => Ok(HomeOrigin::Existing),
                false => Err(failed().because("something that is not a directory has its name")),
            }
        }
        Err(e) => Err(cannot(e).hint("its parent must belong to the owner of the data directory")),
    }
}

#[cfg(test)]
mod tests;
