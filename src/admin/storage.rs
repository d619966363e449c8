//! `homeportd storage adopt`: takes the places where homes lie for this store, by a marker in each.
//!
//! See [`crate::storage::marker`] for what a marker means. It is written here alone: when a store is made, when a store from
//! before markers is first opened, when `user add` puts the first home into a new place, and by the command.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::cli::AdoptArgs;
use crate::config::Config;
use crate::homes;
use crate::storage::marker::{self, Mark};
use crate::store::Store;
use crate::store::sql::SqlStore;
use base::advice;
use base::error::{Error, Result};

/// Does what the command says; returns what to print.
///
/// # Errors
/// When a place is another server's, or cannot be marked.
pub async fn adopt(args: &AdoptArgs, config: &Config, store: &dyn Store) -> Result<String> {
    let chosen: Vec<PathBuf> = if args.dirs.is_empty() {
        config.storage.places().map(Path::to_owned).collect()
    } else {
        let find = |dir: &PathBuf| configured(config, dir);
        args.dirs.iter().map(find).collect::<Result<_>>()?
    };
    let mut text = String::new();
    let mut failed = Vec::new();
    for place in &chosen {
        if *place == config.storage.homes {
            make_homes(place)?;
        }
        match adopt_one(place, args.take_over, store).await {
            Ok(done) => text.push_str(&done),
            Err(error) => failed.push(error.to_string()),
        }
    }
    if failed.is_empty() {
        return Ok(text);
    }
    super::print(&text)?;
    Err(Error::new(failed.join("\n")))
}

async fn adopt_one(place: &Path, take_over: bool, store: &dyn Store) -> Result<String> {
    let cannot =
        |cause: std::io::Error| Error::new(format!("cannot adopt the storage {place:?}")).because(cause);
    let id = store.id().await?;
    let mut text = String::new();
    match marker::look(place, &id).map_err(cannot)? {
        Mark::Ours => {
            store.record_place(place).await?;
            return Ok(format!("unchanged: {place:?} is this server's already\n"));
        }
        Mark::Missing if marker::is_read_only(place) => {
            return Ok(format!(
                "unchanged: {place:?} is read-only, and needs no marker\n"
            ));
        }
        Mark::Missing => marker::write(place, &id).map_err(|cause| hinted(cannot(cause), place))?,
        Mark::Another(_) | Mark::Damaged if !take_over => return marker::require(place, &id).map(|()| text),
        Mark::Another(_) | Mark::Damaged => {
            marker::replace(place, &id).map_err(|cause| hinted(cannot(cause), place))?;
            text.push_str("taken over: no other server lets homes grow there from now on\n");
        }
    }
    store.record_place(place).await?;
    let _ = writeln!(
        text,
        "adopted {place:?}: this server makes homes there, and lets them grow (its marker is {})",
        marker::NAME
    );
    Ok(text)
}

fn hinted(error: Error, place: &Path) -> Error {
    let us = rustix::process::geteuid().as_raw();
    error.hint(format!(
        "it must be there, mounted, and writable for user {us}: ls -ld {}",
        place.display()
    ))
}

/// The place of the configuration that an operator means by a path.
fn configured(config: &Config, dir: &Path) -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(|e| Error::new("cannot tell where we are").because(e))?;
    let wanted = homes::resolve(&crate::config::join(&here, dir));
    let found = config
        .storage
        .places()
        .find(|place| homes::resolve(place) == wanted);
    found.map(Path::to_owned).ok_or_else(|| {
        Error::new(format!("cannot adopt {dir:?}"))
            .because("it is neither [storage] homes nor one of its roots".to_owned())
            .hint(format!("add it to roots in \"{}\"", config.file.display()))
    })
}

/// Are these homes those of a store that is elsewhere, so that a new one beside them is most likely a mistake?
///
/// # Errors
/// When they are.
pub fn must_be_nobodys(config: &Config) -> Result<()> {
    let homes = &config.storage.homes;
    match marker::look(homes, "") {
        Ok(Mark::Another(id)) => Err(Error::new(format!("cannot make the store {:?}", config.store.path))
            .because(format!("the homes in {homes:?} are those of another store, which has the id {id}"))
            .hint(format!(
                "is [store] path in the configuration right? if that store is lost, and these homes are to get a new one: \
                 rm {}",
                advice::quoted(&marker::path(homes))
            ))),
        _ => Ok(()),
    }
}

/// Marks every place that a new store finds. Those of another server stay its own, which is told.
///
/// # Errors
/// When `[storage] homes` cannot be made, or the store cannot be written.
pub async fn mark_new_store(config: &Config, store: &dyn Store) -> Result<()> {
    make_homes(&config.storage.homes)?;
    for place in config.storage.places().filter(|place| place.is_dir()) {
        if let Err(error) = adopt_one(place, false, store).await {
            super::warn(&error);
        }
    }
    Ok(())
}

/// Marks the places where a home of a user lies, once, in a store from before markers.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn mark_known_homes(config: &Config, store: &SqlStore) -> Result<()> {
    if !store.marks_known_homes().await? {
        return Ok(());
    }
    let users = store.users().await?;
    for place in config.storage.places() {
        let is_here = |home: &Path| homes::place_of(config, home).is_some_and(|its| its == place);
        if users.iter().any(|user| is_here(&user.home) && user.home.is_dir())
            && let Err(error) = adopt_one(place, false, store).await
        {
            super::warn(&error);
        }
    }
    store.known_homes_are_marked().await
}

/// Before a home is put into a place: takes the place if it is new to the store and nobody's.
///
/// # Errors
/// When it is another server's, or its disk is not mounted.
pub async fn take_if_new(config: &Config, home: &Path, store: &dyn Store) -> Result<()> {
    let Some(place) = homes::place_of(config, home) else {
        // Homes lie in places only, which was looked at before.
        return Ok(());
    };
    let id = store.id().await?;
    if marker::require(place, &id).is_ok() || store.knows_place(place).await? {
        return marker::require(place, &id);
    }
    // Still empty: the store has never had anything there.
    make_homes(place)?;
    adopt_one(place, false, store).await.map(|_| ())
}

/// Makes the directory of a place (0700) unless it is there.
fn make_homes(place: &Path) -> Result<()> {
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
