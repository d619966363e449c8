//! What a file declares about users, groups and folders.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::fields::key;
use super::gaps::{FormatGap, FormatGaps};
use crate::domain::folder::{Folder, FolderName};
use crate::domain::group::{Group, GroupName};
use crate::domain::settings::MemberSettings;
use crate::domain::user::{PasswordHash, User, UserName, UserSource};
use base::error::Error;
use base::secret::Secret;
use base::visible::hex;

/// A position in the text of a file, in bytes.
pub type Span = Range<usize>;

/// The most mistakes that are shown.
pub const MOST_MISTAKES: usize = 1000;

/// Something in the file that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands; `None` if it has no position.
    pub span: Option<Span>,
    /// What is wrong, as a lower-case clause.
    pub what: String,
    /// What the operator can do about it.
    pub hint: Option<String>,
}

/// Displayed without its position.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Turns the mistakes in a file into one error that shows all of them.
pub type Refuse = Box<dyn Fn(Vec<Mistake>) -> Error>;

/// Everything that a file declares.
pub struct Declaration {
    /// The groups, with what they refer to.
    pub groups: Vec<Declared<Group>>,
    /// The folders.
    pub folders: Vec<Declared<Folder>>,
    /// The users, with what they refer to.
    pub users: Vec<Declared<DeclaredUser>>,
    /// What the format of the file cannot say.
    pub gaps: FormatGaps,
    /// What is wrong with the file. If there is anything, nothing of the file is applied.
    pub mistakes: Vec<Mistake>,
    /// What is left out.
    pub warnings: Vec<Error>,
    /// Returns the error that shows mistakes.
    pub refuse: Refuse,
}

impl Declaration {
    /// Notes of every record that a mistake elsewhere may have changed where its directory lies.
    pub fn distrust_all(&mut self) {
        let folders = self.folders.iter_mut();
        folders.for_each(|folder| folder.is_place_known = false);
        self.users.iter_mut().for_each(|user| user.is_place_known = false);
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration")
            .field("groups", &self.groups)
            .field("folders", &self.folders)
            .field("users", &self.users)
            .field("mistakes", &self.mistakes)
            .finish_non_exhaustive()
    }
}

/// A record in the file.
#[derive(Debug)]
pub struct Declared<T> {
    /// What the file says.
    pub record: T,
    /// The names that it refers to, and where they stand.
    pub references: Vec<(Reference, Option<Span>)>,
    /// Where mistakes about the record are shown: its directory, or else its name; `None` if it has no position.
    pub span: Option<Span>,
    /// Whether the file has no mistake in what says where the record's directory lies. Otherwise nobody knows where that is
    /// to be.
    pub is_place_known: bool,
}

impl<T> Declared<T> {
    /// Returns a record of a file without positions.
    pub fn without_position(record: T, references: Vec<Reference>) -> Self {
        Self {
            record,
            references: references
                .into_iter()
                .map(|reference| (reference, None))
                .collect(),
            span: None,
            is_place_known: true,
        }
    }
}

/// A name in a record that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The name of a group.
    Group(GroupName),
    /// The name of a folder.
    Folder(FolderName),
    /// The name of a user who must be in the store: a new user cannot have it.
    User(UserName),
}

impl Reference {
    /// Returns the mistake of a name that does not exist.
    pub(super) fn unknown(&self, span: Option<Span>) -> Mistake {
        let declare = |kind: &str, name: &str| format!("declare it: [{kind}s.{}]", key(name));
        let (kind, name, hint) = match self {
            Reference::Group(name) => ("group", name.as_str(), declare("group", name.as_str())),
            Reference::Folder(name) => ("folder", name.as_str(), declare("folder", name.as_str())),
            Reference::User(name) => (
                "user",
                name.as_str(),
                "names of new users begin with a letter, a digit or '_'".to_owned(),
            ),
        };
        Mistake {
            span,
            what: format!("there is no {kind} \"{name}\""),
            hint: Some(hint),
        }
    }
}

/// What a file says about a user's password.
#[derive(Debug, Default)]
pub enum DeclaredPassword {
    /// Nothing: it stays as it is.
    #[default]
    Keep,
    /// The user has no password.
    Nothing,
    /// This hash is applied once.
    Hash(PasswordHash),
    /// A password that a file of another program contains.
    Plain(Secret),
}

/// A user in the file.
#[derive(Debug)]
pub struct DeclaredUser {
    /// The name of the user.
    pub name: UserName,
    /// A remark for operators.
    pub comment: String,
    /// The group.
    pub group: Option<GroupName>,
    /// The password.
    pub password: DeclaredPassword,
    /// The keys, as lines of authorized_keys.
    pub keys: Vec<String>,
    /// The principals besides the user's name.
    pub principals: Vec<String>,
    /// The home, with links resolved. `None`: it stays where it is, and a new user's is named after the user.
    pub home: Option<PathBuf>,
    /// Whether the user may sign in. `None`: it stays as it is, and a new user may.
    pub enabled: Option<bool>,
    /// The time from which the user cannot sign in.
    pub expires_at: Option<Timestamp>,
    /// The settings of the user alone.
    pub settings: MemberSettings,
    /// What the files do not say of this user, although they do of others.
    pub unsaid: Vec<FormatGap>,
}

impl DeclaredUser {
    /// Returns a user without settings.
    pub fn blank(name: UserName) -> Self {
        Self {
            name,
            comment: String::new(),
            group: None,
            password: DeclaredPassword::default(),
            keys: Vec::new(),
            principals: Vec::new(),
            home: None,
            enabled: None,
            expires_at: None,
            settings: MemberSettings::default(),
            unsaid: Vec::new(),
        }
    }

    /// Returns the record as it is to be, except for the password. `homes` is the directory in which homes are made.
    pub fn record(&self, stored: Option<&User>, homes: &Path) -> User {
        let mut user = match stored {
            Some(stored) => stored.clone(),
            None => User {
                home: homes.join(self.name.as_str()),
                ..User::blank(self.name.clone())
            },
        };
        user.comment.clone_from(&self.comment);
        user.group.clone_from(&self.group);
        user.keys.clone_from(&self.keys);
        user.principals.clone_from(&self.principals);
        if let Some(home) = &self.home {
            user.home.clone_from(home);
        }
        user.enabled = self.enabled.unwrap_or(user.enabled);
        user.expires_at = self.expires_at;
        user.source = UserSource::Local;
        user.settings.clone_from(&self.settings);
        user
    }
}

/// Returns what the store notes about a hash that a file has declared. The hash cannot be found from it.
pub fn digest_of(hash: &PasswordHash) -> String {
    hex(&Sha256::digest(hash.as_phc().as_bytes()))
}
