//! The record of a user, which the store keeps and the sign-in checks.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::rate::RateRules;
use base::error::Error;
use base::size::Size;

/// The longest user name, in bytes. Longer names are refused before anything is looked up.
pub const MAX_NAME: usize = 128;

/// A user's name: letters, digits, `.`, `_`, `-`, `@` and `+`, at most 128 bytes, case-sensitive.
///
/// The name is also the default home's directory, a word of command lines, and the part before the last `@` of `ssh
/// NAME@HOST`. Therefore it does not begin with `-`, `.`, `@` or `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the name of a user who may exist. Earlier versions allowed names that begin with `.`. Such a name can no
    /// longer be given ([`FromStr`]), but a user who has one can sign in and be managed until the user is renamed.
    ///
    /// # Errors
    /// Returns an error if no version has allowed such a name.
    pub fn stored(text: &str) -> Result<Self, Error> {
        match text.strip_prefix('.') {
            Some(rest) if text != ".." && !rest.is_empty() && text.len() <= MAX_NAME => {
                Self::check(rest, text).map(|()| Self(text.to_owned()))
            }
            _ => text.parse(),
        }
    }

    /// Whether a user can be given this name in the current version.
    pub fn is_assignable(&self) -> bool {
        self.0.parse::<Self>().is_ok()
    }

    /// Checks that `text` contains only allowed characters. The error shows `whole`.
    fn check(text: &str, whole: &str) -> Result<(), Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@' | b'+');
        match text.bytes().all(allowed) {
            true => Ok(()),
            false => Err(not_a_name(whole)),
        }
    }
}

fn not_a_name(text: &str) -> Error {
    let shown: String = text.chars().take(MAX_NAME).collect();
    Error::new(format!("\"{}\" is not a user name", shown.escape_debug())).hint(
        "1 to 128 of the letters a-z A-Z, digits, '.', '_', '-', '@' and '+', beginning with a letter, a digit or '_'",
    )
}

impl FromStr for UserName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > MAX_NAME || text.starts_with(['-', '.', '@', '+']) {
            return Err(not_a_name(text));
        }
        Self::check(text, text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the enum of all permissions from one list, in the order in which they are listed. The names are stable: the
/// command line and the store use them.
macro_rules! permissions {
    ($($(#[$doc:meta])* $permission:ident = $name:literal,)*) => {
        /// One kind of operation that a user may be allowed to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $permission,)*
        }

        impl Permission {
            /// All permissions, in the order in which they are listed.
            pub const ALL: [Permission; [$($name),*].len()] = [$(Permission::$permission),*];

            /// Returns the stable name that the command line and the store use.
            pub fn name(self) -> &'static str {
                match self {
                    $(Permission::$permission => $name,)*
                }
            }
        }
    };
}

permissions! {
    /// The user may list directories and read the attributes of their entries.
    List = "list",
    /// The user may read files.
    Read = "read",
    /// The user may create new files.
    Create = "create",
    /// The user may write to existing files, truncate them and replace them by a rename.
    Overwrite = "overwrite",
    /// The user may remove files and directories.
    Delete = "delete",
    /// The user may rename and move files and directories.
    Rename = "rename",
    /// The user may create directories.
    Mkdir = "mkdir",
    /// The user may change modes and times.
    Attributes = "attributes",
    /// The user may create symbolic and hard links.
    Link = "link",
}

impl Permission {
    /// Returns the names of all permissions, for hints and help.
    pub fn all_names() -> String {
        Permission::ALL.map(Permission::name).join(", ")
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Permission::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| {
                Error::new(format!("\"{}\" is not a permission", text.escape_debug()))
                    .hint(Permission::all_names())
            })
    }
}

/// The set of permissions that a user has in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Returns all permissions, which is the default.
    pub fn all() -> Self {
        Self(Permission::ALL.into())
    }

    /// Returns the permissions of `--read-only`: list and read.
    pub fn read_only() -> Self {
        Self([Permission::List, Permission::Read].into())
    }

    /// Whether the permission is granted.
    pub fn allows(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// Returns the granted permissions, in the order of [`Permission::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Permission> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

/// A kind of proof that counts as one factor of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// The user has a key, which is proven by a signature.
    PublicKey,
    /// The user knows the password, sent by the method `password` or `keyboard-interactive`.
    Password,
}

impl Factor {
    /// Returns the stable name, as in RFC 4252.
    pub fn name(self) -> &'static str {
        match self {
            Factor::PublicKey => "publickey",
            Factor::Password => "password",
        }
    }
}

impl FromStr for Factor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "publickey" => Ok(Factor::PublicKey),
            "password" => Ok(Factor::Password),
            _ => Err(
                Error::new(format!("\"{}\" is not a way to sign in", text.escape_debug()))
                    .hint("publickey or password"),
            ),
        }
    }
}

/// The disk quota of a home. `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// The limit on the sum of file sizes, in bytes.
    pub bytes: Option<u64>,
    /// The limit on the number of files, directories and symbolic links.
    pub files: Option<u64>,
}

/// A user's record, as the store keeps it. Keys are lines of authorized_keys, which were checked when they were added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, which is unique and case-sensitive.
    pub name: UserName,
    /// A number that distinguishes this record from earlier ones with the same name. The store chooses it when the
    /// record is added.
    pub incarnation: i64,
    /// The password's hash as a PHC string. With `None`, the user cannot sign in by password.
    pub password_hash: Option<PasswordHash>,
    /// The user's keys: one line of authorized_keys each, including its options.
    pub keys: Vec<String>,
    /// The absolute path of the home on disk.
    pub home: PathBuf,
    /// Whether the user is enabled. A disabled user cannot sign in.
    pub enabled: bool,
    /// The time from which the user cannot sign in.
    pub expires_at: Option<Timestamp>,
    /// The disk quota of the home.
    pub quota: Quota,
    /// The most sessions that the user may have at once. With `None`, the server's limit applies.
    pub max_sessions: Option<u32>,
    /// The rates of the user's transfers, in all sessions together.
    pub rates: RateRules,
    /// The permissions that the user has in the home.
    pub permissions: Permissions,
    /// The addresses from which the user may connect. An empty list allows every address.
    pub allowed_from: Vec<IpNet>,
    /// The factors that are all required to sign in. If the set is empty, any one factor is enough.
    pub require: BTreeSet<Factor>,
}

impl User {
    /// Returns a user with default values: no home, no limits, all permissions, and no way to sign in.
    pub fn blank(name: UserName) -> Self {
        Self {
            name,
            incarnation: 0,
            password_hash: None,
            keys: Vec::new(),
            home: PathBuf::new(),
            enabled: true,
            expires_at: None,
            quota: Quota::default(),
            max_sessions: None,
            rates: RateRules::default(),
            permissions: Permissions::all(),
            allowed_from: Vec::new(),
            require: BTreeSet::new(),
        }
    }
}

/// A password's hash as a PHC string. It is not a password, but it must not be shown either.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string, `$argon2id$…`, without checking it.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// Returns the PHC string, for the verifier and the store.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// A limit as an operator writes it. `None` stands for `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

impl FromStr for Limit<Size> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let bad = |e: Error| e.hint("512, 10MiB, 1GiB, 1G or unlimited");
        let Size(bytes) = text.parse::<Size>().map_err(bad)?;
        storable(bytes).map(|bytes| Self(Some(Size(bytes))))
    }
}

impl FromStr for Limit<u64> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let bad = |_| {
            Error::new(format!("\"{}\" is not a number", text.escape_debug())).hint("0, 1, 2, … or unlimited")
        };
        storable(text.parse().map_err(bad)?).map(|number| Self(Some(number)))
    }
}

/// Checks that a number fits a signed 64-bit integer, which is what the store and file systems use.
pub(crate) fn storable(number: u64) -> Result<u64, Error> {
    i64::try_from(number)
        .map(|_| number)
        .map_err(|_| Error::new(format!("{number} is more than there can be")).hint("unlimited"))
}

#[cfg(test)]
mod tests;
