//! What a user may do in a directory, for pages that offer no more than that. The storage decides again, each time.

use serde::Serialize;

use crate::auth::Login;
use crate::domain::path::VirtualPath;
use crate::domain::permission::{Permission, Permissions};

/// What a user may do with the entries of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DirectoryRights {
    /// Reading files.
    pub read: bool,
    /// Making files.
    pub create: bool,
    /// Replacing files.
    pub overwrite: bool,
    /// Removing files and directories.
    pub delete: bool,
    /// Renaming files and directories.
    pub rename: bool,
    /// Making directories.
    pub mkdir: bool,
}

impl DirectoryRights {
    /// Returns the rights of a user at a path without `..`: those in the folder if it leads into one.
    pub fn at(login: &Login, path: &VirtualPath) -> Self {
        let permissions = permissions_at(login, path);
        let may = |permission| permissions.allows(permission);
        Self {
            read: may(Permission::Read),
            create: may(Permission::Create),
            overwrite: may(Permission::Overwrite),
            delete: may(Permission::Delete),
            rename: may(Permission::Rename),
            mkdir: may(Permission::Mkdir),
        }
    }
}

fn permissions_at<'a>(login: &'a Login, path: &VirtualPath) -> &'a Permissions {
    if let Some((name, below)) = path.split_first() {
        let mut folders = login.folders().iter();
        let folder = folders.find(|(folder, _)| folder.name.as_str().as_bytes() == name);
        if let Some((_, rules)) = folder {
            return rules.at(&below);
        }
    }
    login.permissions().at(path)
}
