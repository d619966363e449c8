//! Opening the store of a configuration, and making it: the one place that decides who may make a store.
//!
//! `init`, `demo` and `user add` call [`make`], which makes a store only where the data directory is absent or holds
//! nothing but what a server puts there itself. Everything else calls [`existing`], for which a store that is missing is
//! an error and which makes nothing: a wrong `[store] path` is not a new, empty user base.

use std::path::{Path, PathBuf};

use super::{owner, storage};
use crate::config::Config;
use crate::homes;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// Opens the store that the configuration names, as the owner of the data directory.
///
/// # Errors
/// When there is none, or it cannot be opened or brought up to date.
pub async fn existing(config: &Config) -> Result<SqlStore> {
    if config.data_dir().is_dir() {
        owner::become_owner(config.data_dir())?;
    }
    open(config).await
}

/// The same, for a process that has given up root already.
///
/// # Errors
/// Those of [`existing`].
pub async fn open(config: &Config) -> Result<SqlStore> {
    let store = SqlStore::open_existing(&config.store.path).await?;
    let store = beneath_homes(store, config);
    store.rewrite_homes().await?;
    storage::mark_known_homes(config, &store).await?;
    Ok(store)
}

/// Opens the store to look at it, and changes nothing.
///
/// # Errors
/// When there is none, or it is of an older version.
pub async fn look(config: &Config) -> Result<SqlStore> {
    let store = SqlStore::open_read_only(&config.store.path).await?;
    Ok(beneath_homes(store, config))
}

/// Opens the store, and makes it if there is none, with the data directory, `[storage] homes` and the markers of all
/// places that are there.
///
/// # Errors
/// When there is none, and the data directory holds other things or `[storage] homes` is another store's; and as
/// [`existing`].
pub async fn make(config: &Config) -> Result<SqlStore> {
    if !SqlStore::is_missing(&config.store.path).await? {
        return existing(config).await;
    }
    must_be_new(config)?;
    storage::must_be_nobodys(config)?;
    owner::make_data_dir(config)?;
    owner::become_owner(config.data_dir())?;
    let store = SqlStore::open(&config.store.path).await?;
    let store = beneath_homes(store, config);
    storage::mark_new_store(config, &store).await?;
    Ok(store)
}

fn beneath_homes(store: SqlStore, config: &Config) -> SqlStore {
    let homes = &config.storage.homes;
    store.with_homes(homes::resolve(homes), homes)
}

/// May a store be made here? Looked at before anything is made.
///
/// # Errors
/// When the data directory holds what no server has put there.
pub fn must_be_new(config: &Config) -> Result<()> {
    let data = config.data_dir();
    let cannot = || Error::new(format!("cannot make the store {:?}", config.store.path));
    let entries = match data.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot().because(error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| cannot().because(error))?.file_name();
        if !is_expected(config, &data.join(&name)) {
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

/// Is this something that the server, or whoever prepares its directory, puts into the data directory?
fn is_expected(config: &Config, entry: &Path) -> bool {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    let configured: [&PathBuf; 4] = [
        &config.store.path,
        &config.storage.homes,
        &config.server.host_keys,
        &config.file,
    ];
    let more = config.storage.roots.iter().chain(&config.log.audit);
    // What lies in one of them, or around it.
    if configured
        .into_iter()
        .chain(more)
        .any(|path| path.starts_with(entry))
    {
        return true;
    }
    // What a new disk has, and hidden files of an account.
    owner::is_servers_own(config, entry) || name == "lost+found" || name.starts_with('.')
}

#[cfg(test)]
mod tests;
