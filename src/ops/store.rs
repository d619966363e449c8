//! Opens the store of an installation, or creates it. Only this module decides which commands may create a store.
//!
//! `init`, `demo` and `user add` call [`make`], which creates a store only if the data directory is absent, or contains
//! only files that a server creates. Everything else calls [`existing`], which creates nothing and fails if the store
//! is missing: a wrong `[store] path` must not lead to a new, empty user base.

use std::path::Path;

use super::context::OnWarning;
use super::installation::Installation;
use super::{adopt, data_dir};
use crate::store::sql::SqlStore;
use base::advice;
use base::error::{Error, Result};
use base::paths::resolve;

/// Opens the store, as the owner of the data directory.
///
/// # Errors
/// Returns an error if there is none, or if it cannot be opened or upgraded.
pub async fn existing(installation: &Installation, warn: OnWarning) -> Result<SqlStore> {
    if installation.data_dir().is_dir() {
        data_dir::become_owner(installation.data_dir())?;
    }
    open(installation, warn).await
}

/// Opens the store in a process that has given up root already.
///
/// # Errors
/// Returns the errors of [`existing`].
pub async fn open(installation: &Installation, warn: OnWarning) -> Result<SqlStore> {
    let store = SqlStore::open_existing(&installation.store.path).await?;
    let store = beneath_homes(store, installation);
    store.rewrite_homes().await?;
    adopt::mark_known_homes(installation, &store, warn).await?;
    Ok(store)
}

/// Opens the store for reading, and changes nothing.
///
/// # Errors
/// Returns an error if there is none, or if it is of an older version.
pub async fn open_read_only(installation: &Installation) -> Result<SqlStore> {
    let store = SqlStore::open_read_only(&installation.store.path).await?;
    Ok(beneath_homes(store, installation))
}

/// Opens the store, and creates it if there is none, with the data directory, `[storage] homes` and the markers of all
/// existing places.
///
/// # Errors
/// Returns an error if there is none and the data directory contains other files, or if `[storage] homes` belongs to
/// another store; also the errors of [`existing`].
pub async fn make(installation: &Installation, warn: OnWarning) -> Result<SqlStore> {
    if !SqlStore::is_missing(&installation.store.path).await? {
        return existing(installation, warn).await;
    }
    must_be_new(installation)?;
    adopt::must_be_unclaimed(installation)?;
    data_dir::make_data_dir(installation)?;
    data_dir::become_owner(installation.data_dir())?;
    let store = SqlStore::open(&installation.store.path).await?;
    let store = beneath_homes(store, installation);
    adopt::mark_new_store(installation, &store, warn).await?;
    Ok(store)
}

fn beneath_homes(store: SqlStore, installation: &Installation) -> SqlStore {
    let homes = &installation.storage.homes;
    let store = store.with_homes(resolve(homes), homes);
    store.with_default_quota(installation.default_quota)
}

/// Refuses to create a store among other files. It is called before anything is created.
///
/// # Errors
/// Returns an error if the data directory contains files that no server creates.
pub fn must_be_new(installation: &Installation) -> Result<()> {
    must_be_new_except_for(installation, &[])
}

/// Refuses to create a store among other files, as [`must_be_new`] does, except for these and the directories above
/// them.
///
/// # Errors
/// Returns an error if the data directory contains others.
pub fn must_be_new_except_for(installation: &Installation, expected: &[&Path]) -> Result<()> {
    let data = installation.data_dir();
    let cannot = || Error::new(format!("cannot make the store {:?}", installation.store.path));
    let entries = match data.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(advice::because_not_made(cannot(), error, data)),
    };
    // An expected path may be spelled with links.
    let resolved = resolve(data);
    for entry in entries {
        let name = entry.map_err(|error| cannot().because(error))?.file_name();
        let entry = data.join(&name);
        let leads_to = |path: &&Path| path.starts_with(&entry) || path.starts_with(resolved.join(&name));
        if !is_expected(installation, &entry) && !expected.iter().any(leads_to) {
            return Err(cannot()
                .because(format!(
                    "its directory {data:?} holds other things, such as {name:?}"
                ))
                .hint(
                    "is [store] path in the configuration right? a new store needs a directory of its own",
                ));
        }
    }
    Ok(())
}

/// Returns whether the server, or an operator who prepares its directory, puts this entry into the data directory.
fn is_expected(installation: &Installation, entry: &Path) -> bool {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    // Configured paths, and their parents, are expected.
    let mut configured = installation.configured_paths().chain([&installation.config_file]);
    if configured.any(|path| path.starts_with(entry)) {
        return true;
    }
    // A new disk has these, and an account has hidden files.
    data_dir::is_servers_own(installation, entry) || name == "lost+found" || name.starts_with('.')
}

#[cfg(test)]
mod tests;
