//! The data that is kept between runs: users, the disk usage of their homes, and the fingerprints of host keys.

mod batch;
mod changes;
mod copy;
mod factors;
mod failure;
mod file;
mod folders;
mod groups;
mod homes;
mod host_keys;
mod identity;
mod keys;
mod many_rows;
mod migrations;
mod open;
mod place_conflicts;
mod references;
mod relative;
pub mod relocate;
pub mod reserve;
mod rows;
pub mod settings;
mod sign_ins;
pub mod snapshot;
pub mod sql;
mod usage;
mod users;
pub mod web;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::user::{PasswordHash, Quota, User, UserName};
use base::error::{Error, Result};
pub use batch::{BatchStore, RecordWrite, Records};
pub(crate) use folders::no_such_folder;
pub(crate) use groups::no_such_group;
pub use open::Upgrade;
pub(crate) use place_conflicts::{DirectoryHolder, HomeOwner, place_conflicts};
pub use web::WebStore;

/// A change of a user's record. It runs inside the transaction, so slow work, hashing above all, must be done before.
/// If the disk was full, the transaction is repeated, and the change runs again on the record as it is then.
pub type RecordChange = Box<dyn Fn(&mut User) -> Result<()> + Send + Sync>;

/// A change of a group, like [`RecordChange`].
pub type GroupChange = Box<dyn Fn(&mut Group) -> Result<()> + Send + Sync>;

/// A change of a folder, like [`RecordChange`].
pub type FolderChange = Box<dyn Fn(&mut Folder) -> Result<()> + Send + Sync>;

/// A record of a user, a group or a folder before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// The record before the change.
    pub before: T,
    /// The record after the change.
    pub after: T,
}

impl<T: PartialEq> Changed<T> {
    /// Whether the record was changed. If not, nothing was written.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// The stored disk usage of a home or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The path of the home.
    pub home: PathBuf,
    /// The sum of file sizes in bytes: the usage itself if `exact`, otherwise an upper bound of it.
    pub bytes: u64,
    /// The number of files, directories and symbolic links: exact or an upper bound, like `bytes`.
    pub files: u64,
    /// Whether the numbers are the exact usage.
    pub exact: bool,
    /// The time of the last measurement of the home.
    pub measured_at: Option<Timestamp>,
}

impl UsageRecord {
    /// Whether the numbers describe the home. An upper bound without any measurement does not, because it leaves out
    /// what was in the home before.
    pub fn is_trusted(&self) -> bool {
        self.exact || self.measured_at.is_some()
    }
}

/// A user's last sign-in from one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The name of the user.
    pub user: UserName,
    /// The source of the sign-in: an IPv4 address, or the first address of an IPv6 /64.
    pub source: IpAddr,
    /// The time of the sign-in.
    pub at: Timestamp,
}

/// A user's last sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSignIn {
    /// The name of the user.
    pub user: UserName,
    /// The time of the sign-in.
    pub at: Timestamp,
}

/// The changes to users' records since an earlier revision.
#[derive(Debug, Default)]
pub struct RevisionChanges {
    /// The revision of the store that includes these changes.
    pub number: i64,
    /// The users who were added, changed or removed. For a renamed user, both names are listed.
    pub users: Vec<TouchedUser>,
    /// The homes that these users have or had.
    pub homes: Vec<TouchedHome>,
}

/// A user who was added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedUser {
    /// The name of the user.
    pub name: UserName,
    /// Whether a user has the name now.
    pub exists: bool,
}

/// A home that was assigned to a user or taken from one, or that belongs to a user who was changed.
#[derive(Debug)]
pub struct TouchedHome {
    /// The path of the home.
    pub home: PathBuf,
    /// The current quota of the home; `None` if the home has no user; an error if the stored quota is invalid.
    pub quota: Result<Option<Quota>>,
}

/// Groups and folders in the store. A change of a group is one of all its members, and a change of a folder one of all
/// who have it: see [`Store::changes_since`].
#[async_trait::async_trait]
pub trait GroupStore {
    /// Returns the group with this name.
    async fn group(&self, name: &GroupName) -> Result<Option<Group>>;
    /// Returns all groups, in the order of their names.
    async fn groups(&self) -> Result<Vec<Group>>;
    /// Adds a group. Returns an error if the name is taken, or if a folder that the group names does not exist.
    async fn add_group(&self, group: &Group) -> Result<()>;
    /// Reads a group, lets `change` alter it, and writes it if it differs, in one transaction. Returns an error if there
    /// is no such group, or if users of one home would have different quotas. A new name renames the group.
    async fn change_group(&self, name: &GroupName, change: GroupChange) -> Result<Changed<Group>>;
    /// Removes a group. Returns an error if there is no such group, or if it has members.
    async fn remove_group(&self, name: &GroupName) -> Result<()>;
    /// Returns the folder with this name.
    async fn folder(&self, name: &FolderName) -> Result<Option<Folder>>;
    /// Returns all folders, in the order of their names.
    async fn folders(&self) -> Result<Vec<Folder>>;
    /// Adds a folder. Returns an error if the name is taken, or if the path lies inside or around a home or another folder.
    async fn add_folder(&self, folder: &Folder) -> Result<()>;
    /// Reads a folder, lets `change` alter it, and writes it if it differs, in one transaction. Returns an error if there
    /// is no such folder. A new name renames the folder. The stored usage stays with the path.
    async fn change_folder(&self, name: &FolderName, change: FolderChange) -> Result<Changed<Folder>>;
    /// Removes a folder and returns its path; the directory stays. Returns an error if there is no such folder, or if a
    /// user or a group has it.
    async fn remove_folder(&self, name: &FolderName) -> Result<PathBuf>;
}

/// What the store keeps about proofs besides users' records. None of it is a change of a record.
#[async_trait::async_trait]
pub trait FactorStore {
    /// Replaces the hash of `user`'s password by a better one of the same password, and returns whether it did: not if
    /// the record has been changed meanwhile.
    async fn replace_hash(&self, user: &User, better: &PasswordHash) -> Result<bool>;
    /// Takes the one-time code of a step, which counts periods of 30 s since 1970. Returns false if a code of this or a
    /// later step was taken from the user before, or if there is no such user.
    async fn take_totp_step(&self, name: &UserName, step: i64) -> Result<bool>;
    /// Replaces the hashes of a user's recovery codes, and forgets the one-time codes that were taken.
    async fn set_recovery_codes(&self, name: &UserName, hashes: &[String]) -> Result<()>;
    /// Takes a recovery code by its hash, and returns whether the user had it.
    async fn take_recovery_code(&self, name: &UserName, hash: &str) -> Result<bool>;
    /// Returns the number of recovery codes that a user has left.
    async fn recovery_codes_left(&self, name: &UserName) -> Result<u64>;
    /// Returns when each user has last signed in, or only the user with this name.
    async fn last_sign_ins(&self, name: Option<&UserName>) -> Result<HashMap<UserName, Timestamp>>;
    /// Returns the places from which a user has signed in, the latest first, each with the time of the last sign-in there.
    async fn sign_ins_of(&self, name: &UserName) -> Result<Vec<SignIn>>;
    /// Stores when users have last signed in, in one transaction. An earlier time never replaces a later one. Users who do
    /// not exist any more are left out.
    async fn record_last_sign_ins(&self, sign_ins: &[LastSignIn]) -> Result<()>;
}

/// What the store tells about the password hashes of all users.
#[async_trait::async_trait]
pub trait PasswordStore {
    /// Returns the password hashes that do not begin with `usual`, each once, of the users who were added or changed
    /// after the revision `since`; with -1, of all users.
    async fn unusual_hashes(&self, usual: &str, since: i64) -> Result<Vec<PasswordHash>>;
}

/// The store. Calls are short: no transaction outlives its call. The cost of a call about one user or one home does not
/// grow with the number of users.
#[async_trait::async_trait]
pub trait Store: GroupStore + FactorStore + PasswordStore + BatchStore + WebStore + Send + Sync {
    /// Returns the user with this name, or `None` if there is no such user.
    async fn user(&self, name: &UserName) -> Result<Option<User>>;
    /// Returns the user with only those keys that may be this one; `data` is the base64 of a public key. The cost is
    /// the same whether the user has many keys, has none or does not exist. The record must not be stored again.
    async fn user_with_key(&self, name: &UserName, data: &str) -> Result<Option<User>>;
    /// Returns all users, in the order of their names.
    async fn users(&self) -> Result<Vec<User>>;
    /// Whether the store contains any user.
    async fn has_users(&self) -> Result<bool>;
    /// Adds a user. Returns an error if the name is taken, if the home lies inside or around another user's home, or if
    /// it is another user's home with a different quota.
    async fn add_user(&self, user: &User) -> Result<()>;
    /// Reads a user, lets `change` alter the record, and writes the record if it differs, in one transaction. Returns
    /// an error if there is no such user.
    ///
    /// A new name renames the user. A new quota applies to all users who share the home.
    async fn change_user(&self, name: &UserName, change: RecordChange) -> Result<Changed<User>>;
    /// Gives another path to a home, for all users who have it, in one transaction. The stored usage goes along, unless
    /// `measured` replaces it. Returns the users' records before and after. Returns an error if the path lies inside or
    /// around another home.
    async fn move_home(
        &self,
        from: &Path,
        to: &Path,
        measured: Option<&UsageRecord>,
    ) -> Result<Vec<Changed<User>>>;
    /// Removes a user, even one whose record cannot be read, and returns the home. Returns an error if there is no such
    /// user.
    async fn remove_user(&self, name: &UserName) -> Result<PathBuf>;
    /// Returns the stored disk usage of a home.
    async fn usage(&self, home: &Path) -> Result<Option<UsageRecord>>;
    /// Returns the stored disk usage of all homes, in no particular order.
    async fn usages(&self) -> Result<Vec<UsageRecord>>;
    /// Returns the quota of the users who have this home, or `None` if no user has it.
    async fn quota_of_home(&self, home: &Path) -> Result<Option<Quota>>;
    /// Returns the name of a user other than `user` whose home is this one, or lies inside or around it.
    async fn overlapping_user(&self, home: &Path, user: &UserName) -> Result<Option<String>>;
    /// Stores the disk usage of homes in one transaction. The data is on the disk when the call returns.
    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()>;
    /// Returns the sign-ins since this time, the latest first.
    async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>>;
    /// Stores from where users have signed in, in one transaction, and removes sign-ins older than `forget_before` and
    /// those beyond the latest `per_user` of each of these users. Users who do not exist any more are left out.
    async fn record_sign_ins(
        &self,
        sign_ins: &[SignIn],
        per_user: usize,
        forget_before: Timestamp,
    ) -> Result<()>;
    /// Returns the fingerprints (`SHA256:…`) of the host keys that this server has used, with the names of their
    /// algorithms.
    async fn host_keys(&self) -> Result<Vec<(String, String)>>;
    /// Stores the host key of an algorithm and replaces an earlier one.
    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()>;
    /// Forgets the host key of an algorithm.
    async fn forget_host_key(&self, algorithm: &str) -> Result<()>;
    /// Returns the id that distinguishes this store from all others: 32 hexadecimal digits, the content of its markers.
    async fn id(&self) -> Result<String>;
    /// Whether this place, `[storage] homes` or a root, has ever had this store's marker.
    async fn knows_place(&self, place: &Path) -> Result<bool>;
    /// Records that this place has this store's marker.
    async fn record_place(&self, place: &Path) -> Result<()>;
    /// Returns a number that differs after every change of a user's record, by this process or another one.
    async fn version(&self) -> Result<i64>;
    /// Returns the changes after the revision `seen`, by this process or other processes.
    async fn changes_since(&self, seen: i64) -> Result<RevisionChanges>;
}

/// Returns the error of a command that names a user who does not exist.
pub fn no_such_user(name: &UserName) -> Error {
    Error::new(format!("there is no user \"{name}\""))
        .hint("homeportd user list")
        .not_found()
}

/// Returns the error of a command that would give a group a name that another group has.
pub(crate) fn group_name_taken(name: &GroupName) -> Error {
    Error::new(format!("there is already a group \"{name}\""))
        .hint(format!("homeportd group set {name} changes one"))
        .exists()
}

/// Returns the error of a command that would give a folder a name that another folder has.
pub(crate) fn folder_name_taken(name: &FolderName) -> Error {
    Error::new(format!("there is already a folder \"{name}\""))
        .hint(format!("homeportd folder set {name} changes one"))
        .exists()
}

/// Returns the error of a command that would give a user a name that another user has.
pub fn name_taken(name: &UserName) -> Error {
    Error::new(format!("there is already a user \"{name}\""))
        .hint(format!("homeportd user set {name} changes one"))
        .exists()
}
