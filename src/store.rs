//! What is kept between runs: users, the use of their homes, and the fingerprints of host keys.

mod copy;
mod failure;
mod file;
mod homes;
mod identity;
mod keys;
mod migrations;
mod news;
mod open;
mod relative;
pub mod reserve;
mod rows;
pub mod settings;
mod sign_ins;
pub mod sql;
mod usage;
mod users;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::domain::user::{Quota, User, UserName};
use base::error::{Error, Result};
pub use open::Upgrade;

/// A change of a user's record. It runs inside the transaction: what takes long, hashing above all, comes before. Where
/// the disk was full the transaction is made again, and the change runs again on the record as it is then.
pub type RecordChange = Box<dyn FnMut(&mut User) -> Result<()> + Send>;

/// The use of a home, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The path of the home.
    pub home: PathBuf,
    /// Sum of file sizes: the use itself if `exact`, else a ceiling that it is not above.
    pub bytes: u64,
    /// The number of files, directories and symbolic links, exact or a ceiling likewise.
    pub files: u64,
    /// Whether these numbers are the use itself, to the byte.
    pub exact: bool,
    /// When the home was last measured.
    pub measured_at: Option<Timestamp>,
}

impl UsageRecord {
    /// Whether the numbers say anything about the home. Before the first measurement a ceiling does not: it does not know
    /// what lay in the home already.
    pub fn is_trusted(&self) -> bool {
        self.exact || self.measured_at.is_some()
    }
}

/// A user's last sign-in from one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The name of the user.
    pub user: UserName,
    /// An IPv4 address, or the first address of an IPv6 /64.
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
    /// Whether anything was changed. If not, nothing was written.
    pub fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// What has changed since a revision of the users' records.
#[derive(Debug, Default)]
pub struct News {
    /// The revision now.
    pub number: i64,
    /// Users who were added, changed or removed. A renamed user has both names here.
    pub users: Vec<UserNews>,
    /// Homes that these users have or had.
    pub homes: Vec<HomeNews>,
}

/// A user who was added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserNews {
    /// The name of the user.
    pub name: UserName,
    /// Whether a user has the name now.
    pub exists: bool,
}

/// A home that was given to somebody, taken away, or belongs to a user who was changed.
#[derive(Debug)]
pub struct HomeNews {
    /// The path of the home.
    pub home: PathBuf,
    /// Its quota now; `None`: it is nobody's; an error: what is stored does not make sense.
    pub quota: Result<Option<Quota>>,
}

/// The store. Calls are short: no transaction outlives one call. What a call about one user or one home costs does not
/// grow with the number of users.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// One user, or `None` if there is none of this name.
    async fn user(&self, name: &UserName) -> Result<Option<User>>;
    /// One user with only those of their keys that this may be, the base64 of a public key: at the same cost whether the
    /// user has many, none, or does not exist. The record must not be stored again.
    async fn user_with_key(&self, name: &UserName, data: &str) -> Result<Option<User>>;
    /// All users, by name.
    async fn users(&self) -> Result<Vec<User>>;
    /// Whether there is any user.
    async fn has_users(&self) -> Result<bool>;
    /// Adds a user; an error if the name is taken, if the home lies inside another user's or around it, or if it is
    /// another user's with a different quota.
    async fn add_user(&self, user: &User) -> Result<()>;
    /// Reads a user, lets `change` alter the record, and writes it if it differs, in one transaction. An error if there
    /// is none.
    ///
    /// A new name renames the user. A new quota counts for all who share the home.
    async fn change_user(&self, name: &UserName, change: RecordChange) -> Result<ChangedUser>;
    /// Removes a user, also one whose record cannot be read, and returns the home; an error if there is none.
    async fn remove_user(&self, name: &UserName) -> Result<PathBuf>;
    /// The use of a home, as it is written down.
    async fn usage(&self, home: &Path) -> Result<Option<UsageRecord>>;
    /// The use of all homes, as it is written down, in no order.
    async fn usages(&self) -> Result<Vec<UsageRecord>>;
    /// The quota of those whose home this is; `None` if it is nobody's.
    async fn quota_of_home(&self, home: &Path) -> Result<Option<Quota>>;
    /// The name of somebody besides `user` whose home is this one, lies inside it or around it.
    async fn neighbour(&self, home: &Path, user: &UserName) -> Result<Option<String>>;
    /// Writes down the use of homes, in one transaction. On the disk when it returns.
    async fn record_usage(&self, records: &[UsageRecord]) -> Result<()>;
    /// The sign-ins since then, the latest first.
    async fn sign_ins(&self, since: Timestamp) -> Result<Vec<SignIn>>;
    /// Writes down from where users have signed in, in one transaction, and forgets what is older than `forget_before`
    /// and what is beyond the latest `per_user` of each of these users. Users who are gone are left out.
    async fn record_sign_ins(
        &self,
        sign_ins: &[SignIn],
        per_user: usize,
        forget_before: Timestamp,
    ) -> Result<()>;
    /// Fingerprints (`SHA256:…`) of the host keys that this server has shown, by algorithm name.
    async fn host_keys(&self) -> Result<Vec<(String, String)>>;
    /// Records the host key of an algorithm, replacing what was there.
    async fn record_host_key(&self, algorithm: &str, fingerprint: &str) -> Result<()>;
    /// What tells this store from all others: 32 hexadecimal digits, the content of its markers.
    async fn id(&self) -> Result<String>;
    /// Has this place, `[storage] homes` or a root, ever had this store's marker?
    async fn knows_place(&self, place: &Path) -> Result<bool>;
    /// Remembers that this place has this store's marker.
    async fn record_place(&self, place: &Path) -> Result<()>;
    /// A number that is another one after every change of a user's record, by this process or by others.
    async fn version(&self) -> Result<i64>;
    /// What was changed after the revision `seen`, by this process or by others.
    async fn news(&self, seen: i64) -> Result<News>;
}

/// The error of a command that names a user who does not exist.
pub fn no_such_user(name: &UserName) -> Error {
    Error::new(format!("there is no user \"{name}\""))
        .hint("homeportd user list")
        .not_found()
}

/// The error of a command that would give a user a name that another one has.
pub fn name_taken(name: &UserName) -> Error {
    Error::new(format!("there is already a user \"{name}\""))
        .hint(format!("homeportd user set {name} changes one"))
        .exists()
}
