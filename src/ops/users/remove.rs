//! Removing a user, with or without the home.

use std::path::{Path, PathBuf};

use super::change::{ConfirmedChange, StoredChange, UserChange};
use crate::domain::user::UserName;
use crate::ops::context::OpsContext;
use crate::ops::{erase, homes};
use base::advice;
use base::error::{Error, Result};
use base::paths::resolve;

/// Removes a user; with `delete_home` also the home and all that is in it, unless sessions may still write into it.
///
/// # Errors
/// When there is no such user, the home may not be deleted, the store refuses, or the home could not be deleted.
pub async fn remove(name: &UserName, delete_home: bool, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let doomed = match delete_home {
        true => Some(deletable_home(name, context).await?),
        false => None,
    };
    let what = UserChange::Removed {
        home: context.store.remove_user(name).await?,
        home_deleted: delete_home,
    };
    let removed = StoredChange::new(name, what, true).confirm(context.server).await;
    match doomed {
        None => removed,
        Some(home) => erase_unused(name, &home, removed),
    }
}

/// The home of a user, if it may be deleted with the user.
async fn deletable_home(name: &UserName, context: &OpsContext<'_>) -> Result<PathBuf> {
    let user = context.user(name).await?;
    // Checked again: the record may be older than the configuration, and links may have moved.
    let place = resolve(&user.home);
    homes::check_place(context.installation, &place)?;
    // Homes are stored without links.
    for home in [&user.home, &place] {
        if let Some(other) = context.store.neighbour(home, name).await? {
            return Err(
                Error::new(format!("cannot delete home \"{}\"", user.home.display()))
                    .because(format!("{other} has files there too"))
                    .hint("leave --delete-home out"),
            );
        }
    }
    Ok(user.home)
}

/// Deletes the home of a user who was removed, unless sessions may still write into it.
fn erase_unused(name: &UserName, home: &Path, removed: Result<ConfirmedChange>) -> Result<ConfirmedChange> {
    let removed = removed.map_err(|error| {
        error.hint(format!(
            "delete {home:?} by hand once no session of {name} is left"
        ))
    })?;
    if removed.is_busy() {
        // Neither would that delete all of it, nor would it end.
        return Err(
            Error::new(format!("{name} was removed, but the home was not deleted"))
                .because("calls of its sessions wait for a disk that does not answer".to_owned())
                .hint(format!("once the disk answers: rm -r {}", advice::quoted(home))),
        );
    }
    erase::erase(home).map_err(|error| {
        Error::new(format!("{name} was removed, but not all of the home"))
            .because(error)
            .hint("delete what is left by hand; the user is gone")
    })?;
    Ok(removed)
}
