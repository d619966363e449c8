//! Adopting places: takes the places where homes lie for this store, by a marker in each.
//!
//! See [`crate::storage::marker`] for what a marker means. It is written here alone: when a store is made, when a store
//! from before markers is first opened, when the first home is put into a new place, and when an operator asks for it.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::context::{OnWarning, OpsContext};
use super::homes;
use super::installation::Installation;
use crate::storage::marker::{self, Mark};
use crate::store::Store;
use crate::store::sql::SqlStore;
use base::advice;
use base::error::{Error, Result};
use base::paths::{from_here, resolve};

/// What adopting a place has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// The place was this server's already.
    AlreadyOurs,
    /// The place is read-only, and needs no marker.
    ReadOnly,
    /// The place had no marker, and has this server's now.
    Adopted,
    /// The place had another server's marker, or a damaged one, and has this server's now.
    TakenOver,
}

/// What adopting several places has come to.
#[derive(Debug, Default)]
pub struct Adoptions {
    /// The places for which it was done.
    pub done: Vec<(PathBuf, Adoption)>,
    /// Why it could not be done for the others.
    pub failed: Vec<Error>,
}

/// Adopts these places, or all of the installation if none is named. `take_over`: also those of another server.
///
/// # Errors
/// When a directory is not one of the installation's places, or cannot be made.
pub async fn adopt(dirs: &[PathBuf], take_over: bool, context: &OpsContext<'_>) -> Result<Adoptions> {
    let installation = context.installation;
    let places: Vec<PathBuf> = if dirs.is_empty() {
        installation.storage.places().map(Path::to_owned).collect()
    } else {
        let find = |dir: &PathBuf| configured(installation, dir);
        dirs.iter().map(find).collect::<Result<_>>()?
    };
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
    Ok(adoptions)
}

async fn adopt_one(place: &Path, take_over: bool, store: &dyn Store) -> Result<Adoption> {
    let cannot =
        |cause: std::io::Error| Error::new(format!("cannot adopt the storage {place:?}")).because(cause);
    let id = store.id().await?;
    let adoption = match marker::look(place, &id).map_err(cannot)? {
        Mark::Ours => Adoption::AlreadyOurs,
        Mark::Missing if marker::is_read_only(place) => return Ok(Adoption::ReadOnly),
        Mark::Missing => {
            marker::write(place, &id).map_err(|cause| hinted(cannot(cause), place))?;
            Adoption::Adopted
        }
        Mark::Another(_) | Mark::Damaged if !take_over => {
            marker::require(place, &id)?;
            // The other server's marker was replaced by ours in between.
            Adoption::AlreadyOurs
        }
        Mark::Another(_) | Mark::Damaged => {
            marker::replace(place, &id).map_err(|cause| hinted(cannot(cause), place))?;
            Adoption::TakenOver
        }
    };
    store.record_place(place).await?;
    Ok(adoption)
}

fn hinted(error: Error, place: &Path) -> Error {
    let us = rustix::process::geteuid().as_raw();
    error.hint(format!(
        "it must be there, mounted, and writable for user {us}: ls -ld {}",
        place.display()
    ))
}

/// The place of the installation that an operator means by a path.
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

/// Refuses to make a store beside homes that belong to another store, which is most likely a mistake.
///
/// # Errors
/// When they are.
pub fn must_be_unclaimed(installation: &Installation) -> Result<()> {
    let homes = &installation.storage.homes;
    match marker::look(homes, "") {
        Ok(Mark::Another(id)) => Err(Error::new(format!("cannot make the store {:?}", installation.store.path))
            .because(format!("the homes in {homes:?} are those of another store, which has the id {id}"))
            .hint(format!(
                "is [store] path in the configuration right? if that store is lost, and these homes are to get a new one: \
                 rm {}",
                advice::quoted(&marker::path(homes))
            ))),
        _ => Ok(()),
    }
}

/// Marks every place that a new store finds. A place of another server stays that server's, with a warning.
///
/// # Errors
/// When `[storage] homes` cannot be made, or the store cannot be written.
pub async fn mark_new_store(installation: &Installation, store: &dyn Store, warn: OnWarning) -> Result<()> {
    make_place(&installation.storage.homes)?;
    for place in installation.storage.places().filter(|place| place.is_dir()) {
        if let Err(error) = adopt_one(place, false, store).await {
            warn(&error);
        }
    }
    Ok(())
}

/// Marks the places where a home of a user lies, once, in a store from before markers.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn mark_known_homes(installation: &Installation, store: &SqlStore, warn: OnWarning) -> Result<()> {
    if !store.marks_known_homes().await? {
        return Ok(());
    }
    let users = store.users().await?;
    for place in installation.storage.places() {
        let is_here = |home: &Path| homes::place_of(installation, home).is_some_and(|its| its == place);
        if users.iter().any(|user| is_here(&user.home) && user.home.is_dir())
            && let Err(error) = adopt_one(place, false, store).await
        {
            warn(&error);
        }
    }
    store.known_homes_are_marked().await
}

/// Adopts the place of a home that is about to be put there, if the place is new to the store and has no marker.
///
/// # Errors
/// When it is another server's, or its disk is not mounted.
pub async fn take_if_new(installation: &Installation, home: &Path, store: &dyn Store) -> Result<()> {
    let Some(place) = homes::place_of(installation, home) else {
        // Homes lie in places only, which was looked at before.
        return Ok(());
    };
    let id = store.id().await?;
    if marker::require(place, &id).is_ok() || store.knows_place(place).await? {
        return marker::require(place, &id);
    }
    // Still empty: the store has never had anything there.
    make_place(place)?;
    adopt_one(place, false, store).await.map(|_| ())
}

/// Makes the directory of a place (0700) unless it is there.
fn make_place(place: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::new(format!("cannot make the directory {place:?}"))
                .because(error)
                .hint("what lies above it must belong to the user that the server runs as"))
        }
        _ => Ok(()),
    }
}
