//! Users: adding, changing, removing and showing them. After each change, the running server, if there is one, puts it
//! in force (see [`change`]).

pub mod change;
pub mod page;
pub mod settings;
pub mod totp;
pub mod view;

mod keys;
mod move_home;
mod remove;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use keys::{add_keys, list_keys, remove_key};
pub use move_home::{FoundMove, MoveRecord, move_home, unfinished_moves};
pub use remove::remove;

use super::context::OpsContext;
use super::homes::{self, HomeOrigin};
use super::passwords::AskPassword;
use super::{admin, adopt, groups, keys as key_lines};
use crate::domain::group::GroupName;
use crate::domain::user::{Limit, User, UserName};
use crate::store::{name_taken, no_such_group};
use base::error::Result;
use change::{ConfirmedChange, StoredChange, UserChange, require_local};
use settings::{SettingChange, SettingChanges};

/// A user who is to be added, with the home and settings.
pub struct NewUser<'a> {
    /// The name of the user.
    pub name: UserName,
    /// The path of the home; `None` means the directory in `[storage] homes` that is named after the user.
    pub home: Option<PathBuf>,
    /// The public keys, as lines of authorized_keys.
    pub keys: Vec<String>,
    /// Asks for the password; `None` if the user gets none.
    pub password: Option<AskPassword<'a>>,
    /// The settings that differ from those of a user who is added without options.
    pub settings: SettingChanges,
}

/// Adds a user, and creates the home.
///
/// # Errors
/// Returns an error if the name is taken, if the home may not lie where it does, if it is another user's and was not
/// named, or if the store or the disk refuses.
pub async fn add(new: NewUser<'_>, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let store = context.store;
    // Check this before a password is asked for; the store checks it again.
    if store.user(&new.name).await?.is_some() {
        return Err(name_taken(&new.name));
    }
    let mut user = User::blank(new.name);
    user.home = homes::choose(context.installation, &user.name, new.home.as_deref())?;
    if new.home.is_none() {
        homes::require_unowned(&user, store).await?;
    }
    if let Some(ask) = new.password {
        let password = ask(&user.name)?;
        password.check(&user.name, &context.installation.password_rules)?;
        user.password_hash = Some(password.into_hash()?);
        user.password_set_at = Some(Timestamp::now());
    }
    key_lines::add(&mut user, &new.keys)?;
    check_references(&new.settings, context).await?;
    // A user that gets an existing home also gets its quota.
    let shared = store.quota_of_home(&user.home).await?;
    if let Some(shared) = shared {
        user.settings.quota_bytes = Some(Limit(shared.bytes));
        user.settings.quota_files = Some(Limit(shared.files));
    }
    new.settings.apply(&mut user)?;
    claim(&user.home, context).await?;
    // Write the store first: it has rules about homes, and a refused user must leave no directory behind.
    store.add_user(&user).await?;
    // The store knows what the user inherits.
    let user = context.user(&user.name).await?;
    let origin = match homes::make_for(context.installation, &user) {
        Ok(origin) => origin,
        Err(error) => {
            store.remove_user(&user.name).await?;
            return Err(error);
        }
    };
    let act = admin::user_changed("user add", None, Some(&user));
    let what = UserChange::Added {
        home: user.home,
        home_existed: origin == HomeOrigin::Existing,
    };
    StoredChange::new(&user.name, what, true)
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Checks that the group and the folders that a user gets exist.
async fn check_references(settings: &SettingChanges, context: &OpsContext<'_>) -> Result<()> {
    if let SettingChange::To(Some(name)) = &settings.group
        && context.store.group(name).await?.is_none()
    {
        return Err(no_such_group(name));
    }
    let OpsContext {
        installation, store, ..
    } = *context;
    settings.member.check_references(installation, store).await
}

/// Checks that a home may be created. An existing home can be read, whichever server its storage belongs to.
pub(super) async fn claim(home: &Path, context: &OpsContext<'_>) -> Result<()> {
    match adopt::take_if_new(context.installation, home, context.store).await {
        Err(error) if home.is_dir() => {
            (context.warn)(&error);
            Ok(())
        }
        claimed => claimed,
    }
}

/// Changes a user's settings, and the home if one is given.
///
/// # Errors
/// Returns an error if there is no such user, if the home may not lie where it does, or if the store or the disk
/// refuses.
pub async fn set(
    name: &UserName,
    home: Option<&Path>,
    settings: SettingChanges,
    context: &OpsContext<'_>,
) -> Result<ConfirmedChange> {
    let store = context.store;
    let before = context.user(name).await?;
    check_references(&settings, context).await?;
    let home = match home {
        Some(home) => homes::choose(context.installation, name, Some(home))?,
        None => before.home.clone(),
    };
    if home != before.home {
        claim(&home, context).await?;
    }
    let to = home.clone();
    let change = move |user: &mut User| {
        settings.apply(user)?;
        user.home.clone_from(&to);
        Ok(())
    };
    let changed = store.change_user(name, Box::new(change)).await?;
    let is_change = changed.is_change();
    let act = admin::user_changed("user set", Some(&changed.before), Some(&changed.after));
    let mut left_home = None;
    if changed.after.home != changed.before.home {
        let before = changed.before;
        left_home = Some(before.home.clone());
        if let Err(error) = homes::make_for(context.installation, &changed.after) {
            let back = move |user: &mut User| {
                *user = before.clone();
                Ok(())
            };
            store.change_user(name, Box::new(back)).await?;
            return Err(error);
        }
    }
    StoredChange::new(name, UserChange::Set { left_home }, is_change)
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Enables or disables a user.
///
/// # Errors
/// Returns an error if there is no such user, or if the store refuses.
pub async fn enable(name: &UserName, enabled: bool, context: &OpsContext<'_>) -> Result<ConfirmedChange> {
    let change = move |user: &mut User| {
        user.enabled = enabled;
        Ok(())
    };
    let changed = context.store.change_user(name, Box::new(change)).await?;
    let what = if enabled { "user enable" } else { "user disable" };
    let act = admin::user_changed(what, Some(&changed.before), Some(&changed.after));
    StoredChange::new(name, UserChange::Enabled(enabled), changed.is_change())
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Sets a user's password. If it is the same as before, nothing changes, and sessions continue.
///
/// # Errors
/// Returns an error if there is no such user, if the password cannot be used, or if the store refuses.
pub async fn set_password(
    name: &UserName,
    ask: AskPassword<'_>,
    context: &OpsContext<'_>,
) -> Result<ConfirmedChange> {
    // Check this before a password is asked for.
    let before = context.user(name).await?;
    require_local(&before)?;
    let password = ask(name)?;
    let is_same = |hash| password.matches(hash);
    let is_change = !before.password_hash.as_ref().is_some_and(is_same);
    let mut after = before.clone();
    if is_change {
        password.check(name, &context.installation.password_rules)?;
        let hash = password.into_hash()?;
        let change = move |user: &mut User| {
            require_local(user)?;
            user.password_hash = Some(hash.clone());
            user.password_set_at = Some(Timestamp::now());
            Ok(())
        };
        after = context.store.change_user(name, Box::new(change)).await?.after;
    }
    let act = admin::user_changed("user passwd", Some(&before), Some(&after));
    StoredChange::new(name, UserChange::PasswordSet, is_change)
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Renames a user; the home stays where it is.
///
/// # Errors
/// Returns an error if there is no such user, if the new name is taken, or if the store refuses.
pub async fn rename(
    name: &UserName,
    new_name: &UserName,
    context: &OpsContext<'_>,
) -> Result<ConfirmedChange> {
    let to = new_name.clone();
    let change = move |user: &mut User| {
        require_local(user)?;
        user.name = to.clone();
        Ok(())
    };
    let changed = context.store.change_user(name, Box::new(change)).await?;
    let is_change = changed.is_change();
    let act = admin::user_changed("user rename", Some(&changed.before), Some(&changed.after));
    let what = UserChange::Renamed {
        old_name: name.clone(),
        home: changed.after.home,
    };
    StoredChange::new(new_name, what, is_change)
        .recorded_as(act, context)
        .confirm(context.server)
        .await
}

/// Returns the view of a user.
///
/// # Errors
/// Returns an error if there is no such user, or if the store cannot be read.
pub async fn show(name: &UserName, context: &OpsContext<'_>) -> Result<view::UserList> {
    view::UserList::of(vec![context.user(name).await?], context).await
}

/// Returns the views of all users, or of a group's members, ordered by name.
///
/// # Errors
/// Returns an error if there is no such group, or if the store cannot be read.
pub async fn list(group: Option<&GroupName>, context: &OpsContext<'_>) -> Result<view::UserList> {
    let users = match group {
        Some(group) => groups::members_of(group, context).await?,
        None => context.store.users().await?,
    };
    view::UserList::of(users, context).await
}
