//! The record of a user, which the store keeps and the sign-in checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;

pub use super::factor::Factor;
use super::folder::{CreationChoice, Folder, FolderName};
use super::group::{Group, GroupName};
pub use super::name::MAX_NAME;
pub use super::permission::{Permission, PermissionRules, Permissions};
pub(crate) use super::quota::storable;
pub use super::quota::{Limit, Quota, SessionLimit};
use super::rate::{RateRule, RateRules};
use super::settings::MemberSettings;
use base::error::Error;

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

/// Where a user's record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserSource {
    /// An operator has added the record.
    #[default]
    Local,
    /// `[auth.external]` has answered with the record.
    External,
}

impl UserSource {
    /// Returns the stable name.
    pub fn name(self) -> &'static str {
        match self {
            UserSource::Local => "local",
            UserSource::External => "external",
        }
    }
}

impl FromStr for UserSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "local" => Ok(UserSource::Local),
            "external" => Ok(UserSource::External),
            _ => Err(Error::new(format!(
                "\"{}\" is not a source of users",
                text.escape_debug()
            ))),
        }
    }
}

/// A user's record, as the store keeps it. Keys are lines of authorized_keys, which were checked when they were added.
///
/// The fields are what the record says; the methods return what is in force, after the group and the server's defaults
/// have filled in what the record leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, which is unique and case-sensitive.
    pub name: UserName,
    /// A number that distinguishes this record from earlier ones with the same name. The store chooses it when the
    /// record is added.
    pub incarnation: i64,
    /// A remark for operators.
    pub comment: String,
    /// The group from which the user inherits what `settings` leaves open.
    pub group: Option<GroupName>,
    /// The password's hash. With `None`, the user cannot sign in by password.
    pub password_hash: Option<PasswordHash>,
    /// The time at which the password was set, if it is known.
    pub password_set_at: Option<Timestamp>,
    /// The user's keys: one line of authorized_keys each, including its options.
    pub keys: Vec<String>,
    /// The principals besides the user's name for which a certificate is accepted.
    pub principals: Vec<String>,
    /// The encrypted secret of the user's one-time codes. With `None`, the user has none.
    pub totp: Option<SealedSecret>,
    /// The absolute path of the home on disk.
    pub home: PathBuf,
    /// Whether the user is enabled. A disabled user cannot sign in.
    pub enabled: bool,
    /// The time from which the user cannot sign in.
    pub expires_at: Option<Timestamp>,
    /// Whether the user is an administrator of the server: in the web page, and with tokens of this scope.
    pub is_admin: bool,
    /// Where the record comes from.
    pub source: UserSource,
    /// The user's own settings.
    pub settings: MemberSettings,
    /// What the record refers to.
    pub inherited: Inherited,
}

/// What a user's record refers to, as the store has read it together with the record. It is not part of the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inherited {
    /// The user's group.
    pub group: Option<Group>,
    /// The folders that the user's and the group's settings name.
    pub folders: Vec<Folder>,
    /// The quota of users for whom neither their record nor their group has one.
    pub default_quota: Quota,
}

impl User {
    /// Returns a user with default values: no home, no settings of its own, and no way to sign in.
    pub fn blank(name: UserName) -> Self {
        Self {
            name,
            incarnation: 0,
            comment: String::new(),
            group: None,
            password_hash: None,
            password_set_at: None,
            keys: Vec::new(),
            principals: Vec::new(),
            totp: None,
            home: PathBuf::new(),
            enabled: true,
            expires_at: None,
            is_admin: false,
            source: UserSource::default(),
            settings: MemberSettings::default(),
            inherited: Inherited::default(),
        }
    }

    fn group_settings(&self) -> Option<&MemberSettings> {
        self.inherited.group.as_ref().map(|group| &group.settings)
    }

    /// Returns the first of the user's and the group's values that is set.
    fn first<'a, T>(&'a self, value: impl Fn(&'a MemberSettings) -> Option<T>) -> Option<T> {
        value(&self.settings).or_else(|| self.group_settings().and_then(&value))
    }

    /// Returns the disk quota of the home.
    pub fn quota(&self) -> Quota {
        let usual = self.inherited.default_quota;
        let bytes = self.first(|settings| settings.quota_bytes);
        let files = self.first(|settings| settings.quota_files);
        Quota {
            bytes: bytes.map_or(usual.bytes, |Limit(bytes)| bytes),
            files: files.map_or(usual.files, |Limit(files)| files),
        }
    }

    /// Returns the most sessions that the user may have at once. With `None`, the server's limit applies.
    pub fn max_sessions(&self) -> Option<u32> {
        self.first(|settings| settings.max_sessions)
            .and_then(SessionLimit::number)
    }

    /// Returns the rates of the user's transfers, in all sessions together.
    pub fn rates(&self) -> RateRules {
        let set = |rule: RateRule| (rule != RateRule::Inherited).then_some(rule);
        let up = self.first(|settings| set(settings.rates.up));
        let down = self.first(|settings| set(settings.rates.down));
        RateRules {
            up: up.unwrap_or_default(),
            down: down.unwrap_or_default(),
        }
    }

    /// Returns the permissions that the user has in the home, with a rule for its root.
    pub fn permissions(&self) -> PermissionRules {
        let layers = [self.group_settings(), Some(&self.settings)];
        let rules = layers
            .into_iter()
            .flatten()
            .filter_map(|settings| settings.permissions.as_ref());
        rules.fold(PermissionRules::all(), |base, rules| rules.over(&base))
    }

    /// Returns the addresses from which the user may connect. An empty list allows every address.
    pub fn allowed_from(&self) -> &[IpNet] {
        self.first(|settings| settings.allowed_from.as_deref())
            .unwrap_or_default()
    }

    /// Returns the factors that are all required to sign in. If the set is empty, any one factor is enough.
    pub fn require(&self) -> &BTreeSet<Factor> {
        static NONE: BTreeSet<Factor> = BTreeSet::new();
        self.first(|settings| settings.require.as_ref()).unwrap_or(&NONE)
    }

    /// Returns the user's folders, with the permissions in each, which have a rule for its root: the user's rules over those
    /// of the group, directory by directory, as in the home. A folder that does not exist any more is left out.
    pub fn folders(&self) -> Vec<(Folder, PermissionRules)> {
        let mut rules: BTreeMap<&FolderName, PermissionRules> = BTreeMap::new();
        let layers = [self.group_settings(), Some(&self.settings)];
        for (name, own) in layers
            .into_iter()
            .flatten()
            .flat_map(|settings| &settings.folders)
        {
            // `none` alone takes a folder of the group away, with all that the group gives in it.
            let is_taken_away = own.as_uniform().is_some_and(Permissions::is_none);
            let joined = match rules.get(name) {
                Some(base) if !is_taken_away => own.over(base),
                Some(_) | None => own.clone(),
            };
            rules.insert(name, joined);
        }
        let found = |name: &FolderName| self.inherited.folders.iter().find(|folder| folder.name == *name);
        let nothing = PermissionRules::uniform(Permissions::none());
        let in_force = rules
            .into_iter()
            .filter_map(|(name, rules)| Some((found(name)?, rules)));
        in_force
            .map(|(folder, rules)| (folder.clone(), rules.over(&nothing)))
            .collect()
    }

    /// Returns the modes and the group of what is created in the home, where they differ from the server's.
    pub fn creation(&self) -> CreationChoice {
        let usual = CreationChoice::default();
        let group = self
            .group_settings()
            .map_or(&usual, |settings| &settings.creation);
        self.settings.creation.over(group)
    }
}

/// A secret that is encrypted under the key in the data directory, as text. It must not be shown all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(Box<str>);

impl SealedSecret {
    /// Wraps the text of an encrypted secret.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the store and for what decrypts it.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(***)")
    }
}

/// A password's hash as a PHC string. It is not a password, but it must not be shown either.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Wraps a PHC string, `$argon2id$…`, without checking it.
    pub fn new(phc: String) -> Self {
        Self(phc.into())
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

#[cfg(test)]
mod tests;
