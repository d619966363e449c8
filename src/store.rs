//! The data that is kept between runs: users, the disk usage of their homes, and the fingerprints of host keys.

mod changes;
mod copy;
mod failure;
mod file;
mod homes;
mod host_keys;
mod identity;
mod keys;
mod migrations;
mod open;
mod relative;
pub mod reserve;
mod rows;
pub mod settings;
mod sign_ins;
pub mod snapshot;
pub mod sql;
mod usage;
mod users;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::domain::user::{Quota, User, UserName};
use base::error::{Error, Result};
pub use open::Upgrade;

/// A change of a user's record. It runs inside the transaction, so slow work, hashing above all, must be done before.
/// If the disk was full, the transaction is repeated, and the change runs again on the record as it is then.
pub type RecordChange = Box<dyn FnMut(&mut User) -> Result<()> + Send>;

/// The stored disk usage of a home.
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

/// A user's record before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedUser {
    /// The record before the change.
    pub before: User,
    /// The record after the change.
    pub after: User,
}

impl ChangedUser {
    /// Whether the record was changed. If not, nothing was written.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
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

/// The store. Calls are short: no transaction outlives its call. The cost of a call about one user or one home does not
/// grow with the number of users.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
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
    async fn change_user(&self, name: &UserName, change: RecordChange) -> Result<ChangedUser>;
    /// Gives another path to a home, for all users who have it, in one transaction. The stored usage goes along, unless
    /// `measured` replaces it. Returns the users' records before and after. Returns an error if the path lies inside or
    /// around another home.
    async fn move_home(
        &self,
        from: &Path,
        to: &Path,
        measured: Option<&UsageRecord>,
    ) -> Result<Vec<ChangedUser>>;
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

/// Returns the error of a command that would give a user a name that another user has.
pub fn name_taken(name: &UserName) -> Error {
    Error::new(format!("there is already a user \"{name}\""))
        .hint(format!("homeportd user set {name} changes one"))
        .exists()
}
