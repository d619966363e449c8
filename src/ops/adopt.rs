//! Adopts places: marks the places where homes lie as belonging to this store.
//!
//! See [`crate::storage::marker`] for what a marker means. Only this module writes it: when a store is created, when a
//! store from before markers is first opened, when the first home is created in a new place, and when an operator asks
//! for it.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::context::{OnWarning, OpsContext};
use super::data_dir::cannot_make;
use super::homes;
use super::installation::Installation;
use super::restoring::RestoreRecord;
use crate::storage::marker::{self, Mark};
use crate::store::sql::SqlStore;
use crate::store::{GroupStore as _, Store};
use base::advice;
use base::error::{Error, Result};
use base::paths::{from_here, resolve};

/// The result of adopting one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// The place belonged to this server already.
    AlreadyOurs,
    /// The place is read-only, and needs no marker.
    ReadOnly,
    /// The place had no marker, and now has this server's.
    Adopted,
    /// The place had another server's marker, or a damaged one, and now has this server's.
    TakenOver,
}

/// The result of adopting several places.
#[derive(Debug, Default)]
pub struct Adoptions {
    /// The places that were adopted, with the result for each.
    pub done: Vec<(PathBuf, Adoption)>,
    /// The errors for the places that could not be adopted.
    pub failed: Vec<Error>,
}

/// Adopts these places, or all of the installation if none is named. With `take_over`, it also adopts those of another
/// server.
///
/// # Errors
/// Returns an error if a directory is not one of the installation's places, or cannot be created.
pub async fn adopt(dirs: &[PathBuf], take_over: bool, context: &OpsContext<'_>) -> Result<Adoptions> {
    let installation = context.installation;
    let places: Vec<PathBuf> = if dirs.is_empty() {
        installation.storage.places().map(Path::to_owned).collect()
    } else {
        let find = |dir: &PathBuf| configured(installation, dir);
        dirs.iter().map(find).collect::<Result<_>>()?
    };
    let are_all = dirs.is_empty();
    let mut adoptions = Adoptions::default();
    for place in places {
        if place == installation.storage.homes {
            make_place(&place)?;
        }
        match adopt_one(&place, take_over, context.store).await {
            Ok(adoption) => adoptions.done.push((place, adoption)),
            Err(error) => adoptions.failed.push(error),
        }
    }
    // This was what a restore that was interrupted has left to do.
    if are_all && adoptions.failed.is_empty() {
        RestoreRecord::remove(installation.data_dir())?;
    }
    Ok(adoptions)
}

async fn adopt_one(place: &Path, take_over: bool, store: &dyn Store) -> Result<Adoption> {
    let cannot = |cause: std::io::Error| cannot_adopt(place, cause);
    let id = store.id().await?;
    let found = marker::read(place, &id).map_err(cannot)?;
    let adoption = match found {
        Mark::Ours => Adoption::AlreadyOurs,
        Mark::Missing if marker::is_read_only(place) => return Ok(Adoption::ReadOnly),
        Mark::Missing => {
            marker::write(place, &id).map_err(cannot)?;
            Adoption::Adopted
        }
        Mark::Another(_) | Mark::Damaged if !take_over => {
            marker::require(place, &id)?;
            // The other server's marker was replaced by this server's in between.
            Adoption::AlreadyOurs
        }
        Mark::Another(_) | Mark::Damaged => {
            marker::replace(place, &id).map_err(cannot)?;
            Adoption::TakenOver
        }
    };
    store.record_place(place).await?;
    Ok(adoption)
}

fn cannot_adopt(place: &Path, cause: std::io::Error) -> Error {
    let us = rustix::process::geteuid().as_raw();
    Error::new(format!("cannot adopt the storage {place:?}"))
        .because(cause)
        .hint(format!(
            "it must be there, mounted, and writable for user {us}: ls -ld {}",
            advice::quoted(place)
        ))
}

/// Returns the place of the installation that an operator's path means.
fn configured(installation: &Installation, dir: &Path) -> Result<PathBuf> {
    let wanted = resolve(&from_here(dir)?);
    let found = installation
        .storage
        .places()
        .find(|place| resolve(place) == wanted);
    found.map(Path::to_owned).ok_or_else(|| {
        Error::new(format!("cannot adopt {dir:?}"))
            .because("it is neither [storage] homes nor one of its roots".to_owned())
            .hint(format!(
                "add it to roots in \"{}\"",
                installation.config_file.display()
            ))
    })
}

/// Refuses to create a store beside homes that belong to another store, which is most likely a mistake.
///
/// # Errors
/// Returns an error if such homes exist.
pub fn must_be_unclaimed(installation: &Installation) -> Result<()> {
    let homes = &installation.storage.homes;
    match marker::read(homes, "") {
        Ok(Mark::Another(id)) => Err(Error::new(format!(
            "cannot make the store {:?}",
            installation.store.path
        ))
        .because(format!(
            "the homes in {homes:?} are those of another store, which has the id {id}"
        ))
        .hint(format!(
            "is [store] path in the configuration right? if that store is lost, and these homes are to get a \
             new one: rm {}",
            advice::quoted(&marker::path(homes))
        ))),
        _ => Ok(()),
    }
}

/// Marks every place that a new store finds. A place of another server stays that server's, with a warning.
///
/// # Errors
/// Returns an error if `[storage] homes` cannot be created, or the store cannot be written.
pub async fn mark_new_store(installation: &Installation, store: &dyn Store, warn: OnWarning) -> Result<()> {
    make_place(&installation.storage.homes)?;
    for place in installation.storage.places().filter(|place| place.is_dir()) {
        if let Err(error) = adopt_one(place, false, store).await {
            warn(&error);
        }
    }
    Ok(())
}

/// Marks, once, the places of the users' homes and of folders in a store from before markers.
///
/// # Errors
/// Returns an error if the store cannot be read or written.
pub async fn mark_known_homes(installation: &Installation, store: &SqlStore, warn: OnWarning) -> Result<()> {
    if !store.marks_known_homes().await? {
        return Ok(());
    }
    let (users, folders) = (store.users().await?, store.folders().await?);
    for place in installation.storage.places() {
        let residents = homes::residents_of(installation, place, &users, &folders);
        if residents.iter().any(|directory| directory.is_dir())
            && let Err(error) = adopt_one(place, false, store).await
        {
            warn(&error);
        }
    }
    store.known_homes_are_marked().await
}

/// Adopts the place of a home that is about to be created, if the place is new to the store and has no marker.
///
/// # Errors
/// Returns an error if it belongs to another server, or if its disk is not mounted.
pub async fn take_if_new(installation: &Installation, home: &Path, store: &dyn Store) -> Result<()> {
    let Some(place) = homes::place_of(installation, home) else {
        // Homes lie only in places, which was checked before.
        return Ok(());
    };
    let id = store.id().await?;
    if marker::require(place, &id).is_ok() || store.knows_place(place).await? {
        return marker::require(place, &id);
    }
    // The place is still empty: the store has never had a home there.
    make_place(place)?;
    adopt_one(place, false, store).await.map(|_| ())
}

/// Creates the directory of a place (0700), unless it exists.
fn make_place(place: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(cannot_make(place, error)),
        _ => Ok(()),
    }
}
