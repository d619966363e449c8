//! What users' records refer to: their groups, and the folders that they and their groups name.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteConnection;

use super::relative::HomeLocations;
use super::{folders, groups};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::quota::DefaultQuota;
use crate::domain::user::{Inherited, User};
use base::error::{Error, Result};

/// What reading records needs besides their rows.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordContext {
    /// The conversion between homes and their stored form.
    pub homes: HomeLocations,
    /// The quota of users for whom neither their record nor their group has one.
    pub default_quota: DefaultQuota,
}

/// Groups and folders by their names.
#[derive(Debug, Default)]
pub(super) struct References {
    groups: BTreeMap<GroupName, Group>,
    folders: BTreeMap<FolderName, Folder>,
}

impl References {
    /// Reads all groups and folders.
    pub(super) async fn all(
        connection: &mut SqliteConnection,
        context: &RecordContext,
    ) -> sqlx::Result<Result<Self>> {
        let groups = groups::read_all(connection).await?;
        let folders = folders::read_all(connection, &context.homes).await?;
        Ok(groups.and_then(|groups| {
            Ok(Self {
                groups: groups
                    .into_iter()
                    .map(|group| (group.name.clone(), group))
                    .collect(),
                folders: folders?
                    .into_iter()
                    .map(|folder| (folder.name.clone(), folder))
                    .collect(),
            })
        }))
    }

    /// Reads the group and the folders of one user, each in one statement; nothing if the user has none.
    pub(super) async fn of(
        connection: &mut SqliteConnection,
        user: &User,
        context: &RecordContext,
    ) -> sqlx::Result<Result<Self>> {
        let mut references = Self::default();
        let mut names: BTreeSet<FolderName> = user.settings.folders.keys().cloned().collect();
        if let Some(name) = &user.group {
            match groups::find(connection, name).await? {
                Some(Ok(group)) => {
                    names.extend(group.settings.folders.keys().cloned());
                    references.groups.insert(name.clone(), group);
                }
                Some(Err(error)) => return Ok(Err(error)),
                None => {}
            }
        }
        let found = folders::find_all(connection, names.iter(), &context.homes).await?;
        Ok(found.map(|found| {
            references.folders = found
                .into_iter()
                .map(|folder| (folder.name.clone(), folder))
                .collect();
            references
        }))
    }

    /// Whether there is a folder with this name.
    pub(super) fn has_folder(&self, name: &FolderName) -> bool {
        self.folders.contains_key(name)
    }

    /// Returns what a user's record refers to.
    ///
    /// # Errors
    /// Returns an error if a group or a folder that it names does not exist: without it, the user would have other
    /// rights.
    pub(super) fn of_user(&self, user: &User, context: &RecordContext) -> Result<Inherited> {
        let group = match &user.group {
            Some(name) => {
                let group = self.groups.get(name);
                Some(group.ok_or_else(|| groups::no_such_group(name))?.clone())
            }
            None => None,
        };
        let of_group = group.iter().flat_map(|group| group.settings.folders.keys());
        let names: BTreeSet<&FolderName> = user.settings.folders.keys().chain(of_group).collect();
        let folder = |name: &FolderName| -> Result<Folder> {
            let folder = self.folders.get(name);
            folder.cloned().ok_or_else(|| folders::no_such_folder(name))
        };
        let folders = names.into_iter().map(folder).collect::<Result<_>>();
        let folders = folders.map_err(|error| {
            Error::new(format!("cannot read the folders of \"{}\"", user.name)).because(error)
        })?;
        Ok(Inherited {
            group,
            folders,
            default_quota: context.default_quota.get(),
        })
    }
}
