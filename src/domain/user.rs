//! Who a user is: the record that the store keeps and that signing in consults.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;

use base::error::Error;
use base::size::Size;

/// Longest user name, in bytes; longer ones are refused before anything is looked up.
pub const MAX_NAME: usize = 128;

/// A user's name: letters, digits, `.`, `_`, `-`, `@` and `+`; case counts; at most 128 bytes.
///
/// It is also the name of the default home's directory, a word of command lines, and what stands before the last `@` of
/// `ssh NAME@HOST`: so it does not begin with `-`, `.`, `@` or `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the name of a user who may exist. Earlier versions allowed names that begin with `.`: none is given any
    /// more ([`FromStr`]), and those who have one sign in and are managed by it until they are renamed.
    ///
    /// # Errors
    /// When no version has allowed such a name.
    pub fn stored(text: &str) -> Result<Self, Error> {
        match text.strip_prefix('.') {
            Some(rest) if text != ".." && !rest.is_empty() && text.len() <= MAX_NAME => {
                Self::check(rest, text).map(|()| Self(text.to_owned()))
            }
            _ => text.parse(),
        }
    }

    /// May a user be given this name today?
    pub fn can_be_given(&self) -> bool {
        self.0.parse::<Self>().is_ok()
    }

    /// Does `text` hold only what a name may hold? `whole` is shown where it does not.
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

/// One thing that a user may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// List directories and read attributes of what is in them.
    List,
    /// Read files.
    Read,
    /// Make new files.
    Create,
    /// Write to files that exist, truncate them, rename over them.
    Overwrite,
    /// Remove files and directories.
    Delete,
    /// Rename and move.
    Rename,
    /// Make directories.
    Mkdir,
    /// Change modes and times.
    Attributes,
    /// Make symbolic and hard links.
    Link,
}

impl Permission {
    /// Every permission, in the order in which they are listed.
    pub const ALL: [Permission; 9] = [
        Permission::List,
        Permission::Read,
        Permission::Create,
        Permission::Overwrite,
        Permission::Delete,
        Permission::Rename,
        Permission::Mkdir,
        Permission::Attributes,
        Permission::Link,
    ];

    /// The stable name, as on the command line and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Permission::List => "list",
            Permission::Read => "read",
            Permission::Create => "create",
            Permission::Overwrite => "overwrite",
            Permission::Delete => "delete",
            Permission::Rename => "rename",
            Permission::Mkdir => "mkdir",
            Permission::Attributes => "attributes",
            Permission::Link => "link",
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Permission::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| {
                Error::new(format!("\"{}\" is no permission", text.escape_debug()))
                    .hint("list, read, create, overwrite, delete, rename, mkdir, attributes, link")
            })
    }
}

/// What a user may do in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Everything: the default.
    pub fn all() -> Self {
        Self(Permission::ALL.into())
    }

    /// `--read-only`: list and read.
    pub fn read_only() -> Self {
        Self([Permission::List, Permission::Read].into())
    }

    /// Is this allowed?
    pub fn allows(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// The permissions that are set, in the order of [`Permission::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Permission> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

/// A way of signing in that counts as one factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// A key of the user's, proven by a signature.
    PublicKey,
    /// The password, by the method `password` or `keyboard-interactive`.
    Password,
}

impl Factor {
    /// The stable name, as in RFC 4252.
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
                Error::new(format!("\"{}\" is no way to sign in", text.escape_debug()))
                    .hint("publickey or password"),
            ),
        }
    }
}

/// How much a home may hold; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Sum of file sizes, in bytes.
    pub bytes: Option<u64>,
    /// Number of files, directories and symbolic links.
    pub files: Option<u64>,
}

/// A user as the store keeps it. Keys are lines of authorized_keys, checked when they were added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Unique, case-sensitive.
    pub name: UserName,
    /// Tells this record from others that had the same name before; the store chooses it when the record is added.
    pub incarnation: i64,
    /// PHC string; `None`: no password sign-in.
    pub password_hash: Option<PasswordHash>,
    /// One line of authorized_keys each, options included.
    pub keys: Vec<String>,
    /// Absolute path on disk.
    pub home: PathBuf,
    /// A disabled user cannot sign in.
    pub enabled: bool,
    /// From this instant on the user cannot sign in.
    pub expires_at: Option<Timestamp>,
    /// Disk quota of the home.
    pub quota: Quota,
    /// Sessions at once; `None`: the server's limit.
    pub max_sessions: Option<u32>,
    /// What the user may do.
    pub permissions: Permissions,
    /// Addresses that the user may come from; empty: any.
    pub allowed_from: Vec<IpNet>,
    /// Factors that must all be passed; empty: any one will do.
    pub require: BTreeSet<Factor>,
}

impl User {
    /// A user with nothing set: no home, no limits, all permissions, and no way to sign in.
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
            permissions: Permissions::all(),
            allowed_from: Vec::new(),
            require: BTreeSet::new(),
        }
    }
}

/// A password's hash as a PHC string. No secret in the strict sense, but nothing to show either.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string, `$argon2id$…`.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the verifier and the store.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// A limit as an operator writes it; `None`: `unlimited`.
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
            Error::new(format!("\"{}\" is no number", text.escape_debug())).hint("0, 1, 2, … or unlimited")
        };
        storable(text.parse().map_err(bad)?).map(|number| Self(Some(number)))
    }
}

/// The store's integers have a sign, and so have a file system's.
pub(crate) fn storable(number: u64) -> Result<u64, Error> {
    i64::try_from(number)
        .map(|_| number)
        .map_err(|_| Error::new(format!("{number} is more than there can be")).hint("unlimited"))
}

#[cfg(test)]
mod tests;
