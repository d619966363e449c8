//! Many records at once: all that there are, read at one moment, and changes of many in one transaction.

use std::collections::HashMap;

use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{User, UserName};
use base::error::Result;

/// All groups, folders and users, as they were at one moment.
#[derive(Debug, Default)]
pub struct Records {
    /// The revision of the store that they belong to.
    pub revision: i64,
    /// All groups, in the order of their names.
    pub groups: Vec<Group>,
    /// All folders, in the order of their names.
    pub folders: Vec<Folder>,
    /// All users, in the order of their names.
    pub users: Vec<User>,
    /// The digest of the password hash that a file has last declared, for each user who has one.
    pub declared_passwords: HashMap<UserName, String>,
}

/// One change of a batch.
#[derive(Debug, Clone)]
pub enum RecordWrite {
    /// Adds a group.
    AddGroup(Group),
    /// Replaces the group with the same name.
    ChangeGroup(Group),
    /// Removes a group.
    RemoveGroup(GroupName),
    /// Adds a folder.
    AddFolder(Folder),
    /// Replaces the folder with the same name.
    ChangeFolder(Folder),
    /// Removes a folder.
    RemoveFolder(FolderName),
    /// Adds a user.
    AddUser(Box<User>),
    /// Replaces the record of the user with the same name.
    ChangeUser(Box<User>),
    /// Removes a user.
    RemoveUser(UserName),
    /// Notes the digest of the password hash that a file declares for a user. It is no change of the record.
    DeclarePassword {
        /// The name of the user.
        user: UserName,
        /// The digest of the hash's text.
        digest: String,
    },
}

/// Reads and writes many records at once.
#[async_trait::async_trait]
pub trait BatchStore {
    /// Returns all records of one moment. The number of queries does not grow with the number of records.
    async fn records(&self) -> Result<Records>;
    /// Writes all of this, or nothing, in one transaction. Returns false, and writes nothing, if users' records have been
    /// changed since `revision`. The order of the writes does not matter.
    ///
    /// Returns an error if the store would then have homes or folders inside each other, users of one home with different
    /// quotas, or users and groups that name what does not exist.
    async fn write_records(&self, revision: i64, writes: &[RecordWrite]) -> Result<bool>;
}
