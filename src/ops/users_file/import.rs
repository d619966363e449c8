//! Reads the users of other servers as a declaration, and names what has no counterpart here.

pub mod atmoz;
#[doc(hidden)]
pub mod fuzz;
pub mod passwd;
pub mod sftpgo;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::declaration::{
    Declaration, Declared, DeclaredPassword, DeclaredUser, MOST_MISTAKES, Mistake, Reference,
};
use super::gaps::{FormatGap, FormatGaps};
use crate::auth::keys::AuthorizedKey;
use crate::auth::password;
use crate::auth::password::rules::PasswordRules;
use crate::domain::folder::Folder;
use crate::domain::group::Group;
use crate::domain::permission::change::{MOST_FOLDERS, check_folders, check_rules};
use crate::domain::permission::{PermissionRules, Permissions};
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::domain::user::UserName;
use crate::ops::homes::{HomeRules, Resident};
use crate::ops::installation::Installation;
use crate::ops::keys;
use base::error::{Error, Result};
use base::paths::Resolver;
use base::secret::Secret;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// The users of another server.
#[derive(Debug)]
pub struct Imported {
    /// What is carried over.
    pub declaration: Declaration,
    /// What is not, with the name of the user, group or folder before it.
    pub left_out: Vec<String>,
    /// Whether the file says itself that it has no users, as a dump with an empty list of them does.
    pub says_no_users: bool,
}

impl Imported {
    /// Returns whether there are users in `file`.
    ///
    /// # Errors
    /// Returns an error that says what is expected, if there are none although the file does not say so: it is another
    /// file, or all that it has is left out.
    pub fn has_users(&self, file: &Path, expected: &str) -> Result<bool> {
        let has_users = !self.declaration.users.is_empty();
        if has_users || self.says_no_users {
            return Ok(has_users);
        }
        let cause = match self.left_out.is_empty() {
            true => "nothing in it is a user",
            false => "all that is in it is left out",
        };
        Err(Error::new(format!("there are no users to import in {file:?}"))
            .because(cause)
            .hint(format!("the file must have {expected}")))
    }
}

/// Collects what is carried over and what is not.
pub(super) struct Importer<'a> {
    users: BTreeMap<UserName, Declared<DeclaredUser>>,
    groups: Vec<Declared<Group>>,
    folders: Vec<Declared<Folder>>,
    left_out: Vec<String>,
    warnings: Vec<Error>,
    password_rules: &'a PasswordRules,
    rules: HomeRules<'a>,
    resolver: Resolver,
    gaps: Vec<FormatGap>,
}

impl<'a> Importer<'a> {
    /// Begins with a file in a format that cannot say all of a record.
    fn new(installation: &'a Installation, gaps: Vec<FormatGap>) -> Self {
        Self {
            gaps,
            users: BTreeMap::new(),
            groups: Vec::new(),
            folders: Vec::new(),
            left_out: Vec::new(),
            warnings: Vec::new(),
            password_rules: &installation.password_rules,
            rules: HomeRules::new(installation),
            resolver: Resolver::default(),
        }
    }

    fn leave_out(&mut self, name: &str, what: impl std::fmt::Display) {
        let name: String = name.chars().take(128).collect();
        self.left_out.push(format!("{name}: {what}"));
    }

    /// Begins a user, unless the name cannot be one.
    fn begin(&mut self, name: &str) -> Option<DeclaredUser> {
        match name.parse::<UserName>() {
            Ok(parsed) if self.users.contains_key(&parsed) => {
                self.leave_out(name, "it is there twice, and the first one is taken");
                None
            }
            Ok(parsed) => Some(DeclaredUser::blank(parsed)),
            Err(error) => {
                self.leave_out(name, error);
                None
            }
        }
    }

    /// Takes a hash if this server can verify it.
    fn hash(&mut self, user: &mut DeclaredUser, hash: &str) {
        match password::import(hash) {
            Ok(hash) => user.password = DeclaredPassword::Hash(hash),
            Err(error) => {
                let name = user.name.to_string();
                self.leave_out(&name, format!("the password: {error}"));
            }
        }
    }

    /// Takes a password itself. One that breaks a rule is taken with a warning, because its user has it already; one that
    /// no user could enter here is left out.
    fn plain_password(&mut self, user: &mut DeclaredUser, text: &str) {
        let name = user.name.to_string();
        if text.len() > password::MAX_PASSWORD {
            let most = password::MAX_PASSWORD;
            return self.leave_out(&name, format!("the password: it is longer than {most} bytes"));
        }
        // The file was read with this character in place of what is not UTF-8.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return self.leave_out(&name, "the password: it is not UTF-8");
        }
        let secret = Secret::new(text.to_owned());
        if let Some(broken) = self.password_rules.broken_by(&user.name, &secret) {
            let warning = format!("{name}: the password is imported, but breaks a rule of [auth.password]");
            self.warnings
                .push(Error::new(warning).because(broken.why).hint(format!(
                    "give the user a better one: homeportd user passwd {name}"
                )));
        }
        if password::import(text).is_ok() {
            let warning = format!("{name}: the password is imported as it is, and it looks like a hash");
            self.warnings
                .push(Error::new(warning).hint("a hash has :e behind it in users.conf"));
        }
        user.password = DeclaredPassword::Plain(secret);
    }

    /// Takes the time from which a user cannot sign in, in milliseconds since 1970. One before 1970 has passed, too. What
    /// is not a time here (`None`, or later than any date) is named as it was written, and the user is disabled: nobody
    /// knows whether the account has ended.
    fn expires(&mut self, user: &mut DeclaredUser, at: Option<i64>, written: impl std::fmt::Display) {
        let at = at.map(|at| at.max(0));
        user.expires_at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        if user.expires_at.is_none() {
            user.enabled = Some(false);
            let name = user.name.to_string();
            let what = format!("the expiry {written}, which is not a time, so the user is disabled here");
            self.leave_out(&name, what);
        }
    }

    /// Takes the keys that can be used.
    fn keys<'l>(&mut self, user: &mut DeclaredUser, lines: impl Iterator<Item = &'l str>) {
        let name = user.name.to_string();
        let mut usable = Vec::new();
        for line in lines {
            match AuthorizedKey::parse(line) {
                Ok(key) => usable.push(key.line().to_owned()),
                Err(error) => self.leave_out(&name, error),
            }
        }
        match keys::merge(&user.keys, &usable) {
            Ok(merged) => user.keys = merged,
            Err(error) => self.leave_out(&name, error),
        }
    }

    /// Returns a remark, if it can be one here.
    fn comment(&mut self, name: &str, text: &str) -> String {
        texts::comment(text).unwrap_or_else(|error| {
            self.leave_out(name, error);
            String::new()
        })
    }

    /// Leaves out the permissions and folders that no command would store. Without its rules nothing is permitted.
    fn bound(&mut self, title: &str, settings: &mut MemberSettings) {
        if let Some(Err(error)) = settings.permissions.as_ref().map(check_rules) {
            self.leave_out(title, format!("all permissions: {error}"));
            settings.permissions = Some(PermissionRules::uniform(Permissions::none()));
        }
        for (folder, rules) in &mut settings.folders {
            if let Err(error) = check_rules(rules) {
                self.leave_out(title, format!("all permissions in the folder {folder}: {error}"));
                *rules = PermissionRules::uniform(Permissions::none());
            }
        }
        if let Err(error) = check_folders(&settings.folders) {
            self.leave_out(title, error);
            let folders = std::mem::take(&mut settings.folders);
            settings.folders = folders.into_iter().take(MOST_FOLDERS).collect();
        }
    }

    /// Keeps a home where it is, if it may lie there; otherwise the user gets a new one.
    fn home(&mut self, user: &mut DeclaredUser, home: &str) {
        if !home.starts_with('/') {
            return;
        }
        let path = self.resolver.resolve(Path::new(home));
        match self.rules.check(&path) {
            Ok(()) => user.home = Some(path),
            Err(error) => {
                let name = user.name.to_string();
                self.leave_out(&name, format!("the files: {error}"));
            }
        }
    }

    /// Returns the path of a folder, if it may lie there.
    fn folder_path(&mut self, name: &str, path: &str) -> Option<PathBuf> {
        let path = self.resolver.resolve(Path::new(path));
        match self.rules.check_as(Resident::Folder, &path) {
            Ok(()) => Some(path),
            Err(error) => {
                self.leave_out(name, error);
                None
            }
        }
    }

    fn take(&mut self, user: DeclaredUser) {
        let can_sign_in = !user.keys.is_empty() || !matches!(user.password, DeclaredPassword::Keep);
        if !can_sign_in {
            let name = user.name.to_string();
            self.leave_out(&name, "the user has neither a password nor a key here yet");
        }
        let groups = user.group.iter().cloned().map(Reference::Group);
        let folders = user.settings.folders.keys().cloned().map(Reference::Folder);
        let references = groups.chain(folders).collect();
        self.users
            .insert(user.name.clone(), Declared::without_position(user, references));
    }

    fn finish(self) -> Imported {
        let refuse = |mistakes: Vec<Mistake>| {
            let shown = mistakes.iter().take(MOST_MISTAKES);
            let mut lines: Vec<String> = shown.map(ToString::to_string).collect();
            let more = mistakes.len() - lines.len();
            if more > 0 {
                lines.push(format!("and {more} more mistakes"));
            }
            Error::new(lines.join("\n"))
        };
        Imported {
            declaration: Declaration {
                groups: self.groups,
                folders: self.folders,
                users: self.users.into_values().collect(),
                gaps: FormatGaps(self.gaps),
                mistakes: Vec::new(),
                warnings: self.warnings,
                refuse: Box::new(refuse),
            },
            left_out: self.left_out,
            says_no_users: false,
        }
    }
}

#[cfg(test)]
mod tests;
