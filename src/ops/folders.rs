//! Folders: adding, changing, removing and showing them. A change concerns all users who have the folder, whom the
//! running server looks at.

use std::path::{Path, PathBuf};

use super::context::{OpsContext, find_folder};
use super::groups::names;
use super::homes::{self, HomeOrigin};
use super::sharing::{ConfirmedSharing, SharedChange, SharedThing};
use super::usage::HomeUsage;
use super::users::claim;
use super::users::settings::{CreationChanges, SettingChange};
use super::{admin, quota};
use crate::domain::folder::{CreationChoice, Folder, FolderName};
use crate::domain::user::{Limit, Quota, User, UserName};
use crate::store::folder_name_taken;
use base::error::{Error, Result};

/// The changes of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderChanges {
    /// A new name.
    pub name: Option<FolderName>,
    /// Another directory. The files stay in the one before.
    pub path: Option<PathBuf>,
    /// A remark for operators.
    pub comment: SettingChange<String>,
    /// The quota in bytes. Without one, the folder is unlimited.
    pub quota_bytes: SettingChange<Limit<u64>>,
    /// The quota in files, directories and links.
    pub quota_files: SettingChange<Limit<u64>>,
    /// The modes and the group of what is created in the folder.
    pub creation: CreationChanges,
}

impl FolderChanges {
    /// Applies the changes, except for that of the path.
    fn apply(&self, folder: &mut Folder) {
        if let Some(name) = &self.name {
            folder.name = name.clone();
        }
        self.comment.apply(&mut folder.comment);
        apply_limit(&self.quota_bytes, &mut folder.quota.bytes);
        apply_limit(&self.quota_files, &mut folder.quota.files);
        self.creation.apply(&mut folder.creation);
    }
}

fn apply_limit(change: &SettingChange<Limit<u64>>, limit: &mut Option<u64>) {
    match change {
        SettingChange::Keep => {}
        SettingChange::Unset => *limit = None,
        SettingChange::To(Limit(new)) => *limit = *new,
    }
}

/// A folder, who has it, and how much is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderView {
    /// The folder.
    pub folder: Folder,
    /// The names of the users who have it, by their own settings or by those of their group, in their order.
    pub users: Vec<UserName>,
    /// The use, and how far it can be relied on.
    pub usage: HomeUsage,
}

/// The views of folders.
#[derive(Debug)]
pub struct FolderList {
    /// The folders, in the order of their names.
    pub folders: Vec<FolderView>,
    /// Why the running server has not reported the use. The list then has the use that was recorded last.
    pub unanswered: Option<Error>,
}

/// Adds a folder, and makes its directory if it is missing.
///
/// # Errors
/// Returns an error if the name is taken, if the directory may not lie where it does, or if the store or the disk
/// refuses.
pub async fn add(
    name: &FolderName,
    path: &Path,
    changes: &FolderChanges,
    context: &OpsContext<'_>,
) -> Result<ConfirmedSharing> {
    let store = context.store;
    if store.folder(name).await?.is_some() {
        return Err(folder_name_taken(name));
    }
    changes.creation.check(context.installation)?;
    let mut folder = Folder {
        name: name.clone(),
        path: homes::choose_folder(context.installation, path)?,
        comment: String::new(),
        quota: Quota::default(),
        creation: CreationChoice::default(),
    };
    changes.apply(&mut folder);
    claim(&folder.path, context).await?;
    // Write the store first: it has rules about places, and a refused folder must leave no directory behind.
    store.add_folder(&folder).await?;
    let origin = match homes::make_folder(context.installation, &folder) {
        Ok(origin) => origin,
        Err(error) => {
            store.remove_folder(&folder.name).await?;
            return Err(error);
        }
    };
    let act = admin::folder_changed("folder add", None, Some(&folder));
    let what = SharedChange::FolderAdded {
        path: folder.path,
        existed: origin == HomeOrigin::Existing,
    };
    let thing = SharedThing::Folder(folder.name.to_string());
    ConfirmedSharing::of((thing, what), Vec::new(), true, act, context).await
}

/// Changes a folder: its settings, its name, or its directory, which is made if it is missing.
///
/// # Errors Returns an error if there is no such folder, if the new name is taken, if the directory may not lie where
/// it does, or if the store or the disk refuses.
pub async fn set(
    name: &FolderName,
    changes: FolderChanges,
    context: &OpsContext<'_>,
) -> Result<ConfirmedSharing> {
    let store = context.store;
    let before = find_folder(store, name).await?;
    changes.creation.check(context.installation)?;
    let path = match &changes.path {
        Some(path) => homes::choose_folder(context.installation, path)?,
        None => before.path.clone(),
    };
    if path != before.path {
        claim(&path, context).await?;
    }
    let change = move |folder: &mut Folder| {
        changes.apply(folder);
        folder.path.clone_from(&path);
        Ok(())
    };
    let changed = store.change_folder(name, Box::new(change)).await?;
    let is_change = changed.is_change();
    let act = admin::folder_changed("folder set", Some(&changed.before), Some(&changed.after));
    let (before, after) = (changed.before, changed.after);
    let left = (after.path != before.path).then(|| before.path.clone());
    if left.is_some()
        && let Err(error) = homes::make_folder(context.installation, &after)
    {
        let back = move |folder: &mut Folder| {
            *folder = before.clone();
            Ok(())
        };
        store.change_folder(&after.name, Box::new(back)).await?;
        return Err(error);
    }
    let what = SharedChange::Set {
        old_name: (after.name != *name).then(|| name.to_string()),
        left,
    };
    let users = names(users_of(&after.name, &store.users().await?));
    let thing = SharedThing::Folder(after.name.to_string());
    ConfirmedSharing::of((thing, what), users, is_change, act, context).await
}

/// Removes a folder that nobody has. Its directory stays.
///
/// # Errors
/// Returns an error if there is no such folder, if a user or a group has it, or if the store refuses.
pub async fn remove(name: &FolderName, context: &OpsContext<'_>) -> Result<ConfirmedSharing> {
    let before = find_folder(context.store, name).await?;
    let what = SharedChange::Removed {
        left: Some(context.store.remove_folder(name).await?),
    };
    let act = admin::folder_changed("folder remove", Some(&before), None);
    let thing = SharedThing::Folder(name.to_string());
    ConfirmedSharing::of((thing, what), Vec::new(), true, act, context).await
}

/// Returns the view of a folder.
///
/// # Errors
/// Returns an error if there is no such folder, or if the store cannot be read.
pub async fn show(name: &FolderName, context: &OpsContext<'_>) -> Result<FolderList> {
    views(vec![find_folder(context.store, name).await?], context).await
}

/// Returns the views of all folders.
///
/// # Errors
/// Returns an error if the store cannot be read.
pub async fn list(context: &OpsContext<'_>) -> Result<FolderList> {
    views(context.store.folders().await?, context).await
}

async fn views(folders: Vec<Folder>, context: &OpsContext<'_>) -> Result<FolderList> {
    let (usages, unanswered) = match quota::usage_of(&folders, context).await {
        Ok(usages) => (usages, None),
        Err(error) => (HomeUsage::recorded(&folders, context.store).await?, Some(error)),
    };
    let users = context.store.users().await?;
    let view = |(folder, usage): (Folder, HomeUsage)| FolderView {
        users: names(users_of(&folder.name, &users)),
        folder,
        usage,
    };
    Ok(FolderList {
        folders: folders.into_iter().zip(usages).map(view).collect(),
        unanswered,
    })
}

/// Returns those of `users` who have a folder.
fn users_of(name: &FolderName, users: &[User]) -> Vec<User> {
    let has = |user: &&User| user.inherited.folders.iter().any(|folder| folder.name == *name);
    users.iter().filter(has).cloned().collect()
}
