//! Removes a user, with or without the home.

use std::path::{Path, PathBuf};

use super::change::{ConfirmedChange, StoredChange, UserChange};
use crate::domain::event::AdminAct;
use crate::domain::user::UserName;
use crate::ops::context::OpsContext;
use crate::ops::{admin, erase, homes};
use base::advice;
use base::error::{Error, Result};
use base::paths::resolve;

/// Removes a user. With `delete_home`, also deletes the home with its contents, unless sessions may still write into
/// it.
///
/// # Errors
/// Returns an error if there is no such user, if the home may not be deleted, if the store refuses, or if the home
/// could not be deleted.
pub async fn remove(name: &UserName, delete_home: bool, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let doomed = match delete_home {
        true => Some(deletable_home(name, context).await?),
        false => None,
    };
    // A record that cannot be read can be removed even so.
    let before = context.store.user(name).await.ok().flatten();
    let what = UserChange::Removed {
        home: context.store.remove_user(name).await?,
        home_deleted: delete_home,
    };
    let act = AdminAct {
        name: name.to_string(),
        ..admin::user_changed("user remove", before.as_ref(), None)
    };
    let removed = StoredChange::new(name, what, true)
        .recorded_as(act, context)
        .confirm(context.server)
        .await;
    match doomed {
        None => removed,
        Some(home) => erase_unused(name, &home, removed),
    }
}

/// Returns the home of a user, if it may be deleted with the user.
async fn deletable_home(name: &UserName, context: &OpsContext<'_>) -> Result<PathBuf> {
    let user = context.user(name).await?;
    // Check the place again: the record may be older than the configuration, and links may have changed.
    let place = resolve(&user.home);
    homes::check_place(context.installation, &place)?;
    // Homes are stored with links resolved.
    for home in [&user.home, &place] {
        if let Some(other) = context.store.overlapping_user(home, name).await? {
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
        // Deleting would be neither complete nor certain to end.
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
