//! Reads one section of the file: each setting once, by its name. What is not read by then is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::auth::keys::AuthorizedKey;
use crate::auth::password;
use crate::config::report::{Problem, nearest};
use crate::domain::folder::{CreationChoice, FolderName};
use crate::domain::group::GroupName;
use crate::domain::permission::{PermissionRules, Permissions, RulePath};
use crate::domain::quota::{Limit, SessionLimit, storable};
use crate::domain::rate::{RateRule, RateRules, check_rate};
use crate::domain::settings::MemberSettings;
use crate::domain::texts;
use crate::domain::user::Factor;
use crate::ops::key_files;
use crate::ops::keys::MAX_KEYS;
use crate::ops::users_file::declaration::{DeclaredPassword, Reference, Span};
use crate::storage::settings::{DirectoryMode, FileMode};
use base::error::{Error, Result};
use base::paths::absolute;
use base::regular;
use base::size::Size;

/// The largest file of keys, in bytes: about 2,000 RSA keys.
const MAX_KEY_FILE: u64 = 1 << 20;

/// A section of the file.
pub(super) struct Section<'a, 't> {
    /// The section's name with dots.
    pub title: String,
    /// The name of the record.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    /// The settings.
    pub settings: &'a DeTable<'t>,
}

type Value<'a, 't> = &'a Spanned<DeValue<'t>>;

/// Reads the settings of a section, and collects what is wrong with them.
pub(super) struct SectionReader<'a, 't> {
    section: &'a Section<'a, 't>,
    problems: &'a mut Vec<Problem>,
    known: Vec<&'static str>,
    references: Vec<(Reference, Option<Span>)>,
}

impl<'a, 't> SectionReader<'a, 't> {
    pub fn new(section: &'a Section<'a, 't>, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            section,
            problems,
            known: Vec::new(),
            references: Vec::new(),
        }
    }

    /// Reports the settings that nothing has read; returns the names that the section refers to.
    pub fn finish(self) -> Vec<(Reference, Option<Span>)> {
        for (key, _) in self.section.settings {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let title = self.section.title.escape_debug();
            let what = format!("unknown setting \"{}\" in [{title}]", name.escape_debug());
            let hint = match nearest(name, &self.known) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("its settings are {}", self.known.join(", ")),
            };
            self.problems
                .push(Problem::new(Some(key.span()), what, Some(&hint)));
        }
        self.references
    }

    fn get(&mut self, name: &'static str) -> Option<Value<'a, 't>> {
        self.known.push(name);
        self.section.settings.get(name)
    }

    fn wrong(&mut self, name: &str, span: Span, error: &Error) {
        let what = format!("\"{name}\" in [{}]: {error}", self.section.title.escape_debug());
        self.problems.push(Problem::new(Some(span), what, None));
    }

    fn must_be(&mut self, name: &str, value: Value<'_, '_>, kind: &str) {
        let found = match value.get_ref() {
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
            other => format!("a value of the type {}", other.type_str()),
        };
        self.wrong(
            name,
            value.span(),
            &Error::new(format!("it must be {kind}, not {found}")),
        );
    }

    fn taken<T>(&mut self, name: &str, span: Span, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.wrong(name, span, &error)).ok()
    }

    /// Returns the name of the record.
    pub fn name<T: FromStr<Err = Error>>(&mut self) -> Option<T> {
        match self.section.name.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let problem = Problem::new(Some(self.section.span.clone()), error.to_string(), None);
                self.problems.push(problem);
                None
            }
        }
    }

    /// Reports a setting that is missing.
    pub fn require(&mut self, name: &str) {
        if !self.section.settings.contains_key(name) {
            let what = format!("[{}] needs \"{name}\"", self.section.title.escape_debug());
            self.problems
                .push(Problem::new(Some(self.section.span.clone()), what, None));
        }
    }

    /// Reads a string.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, |text| Ok(text.to_owned()))
    }

    /// Reads a string that `parse` understands.
    pub fn parsed<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T>) -> Option<T> {
        let value = self.get(name)?;
        match value.get_ref().as_str() {
            Some(text) => {
                let parsed = parse(text);
                self.taken(name, value.span(), parsed)
            }
            None => {
                self.must_be(name, value, "a string");
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.get(name)?;
        if value.get_ref().as_bool().is_none() {
            self.must_be(name, value, "true or false");
        }
        value.get_ref().as_bool()
    }

    /// Reads a list of strings, each of which `parse` understands.
    fn list<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T>) -> Option<Vec<T>> {
        let value = self.get(name)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.must_be(name, value, "a list of strings");
            return None;
        };
        let mut list = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => list.extend(self.taken(name, item.span(), parse(text))),
                None => self.must_be(name, item, "a list of strings"),
            }
        }
        Some(list)
    }

    /// Reads a list of strings.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.list(name, |text| Ok(text.to_owned()))
    }

    /// Reads a number, or a string that `parse` understands.
    fn number<T>(
        &mut self,
        name: &'static str,
        of_number: impl Fn(u64) -> Result<T>,
        of_text: impl Fn(&str) -> Result<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let parsed = match value.get_ref() {
            DeValue::String(text) => of_text(text),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                let parsed = u64::from_str_radix(digits, number.radix());
                parsed
                    .map_err(|_| Error::new(format!("{digits} is not a whole number, 0 or more")))
                    .and_then(of_number)
            }
            _ => {
                self.must_be(name, value, "a number or a string");
                return None;
            }
        };
        self.taken(name, value.span(), parsed)
    }

    /// Reads a number of bytes, a size or `unlimited`.
    pub fn bytes(&mut self, name: &'static str) -> Option<Limit<u64>> {
        let of_number = |number| storable(number).map(|number| Limit(Some(number)));
        let of_text = |text: &str| {
            let Limit(size) = text.parse::<Limit<Size>>()?;
            Ok(Limit(size.map(|Size(bytes)| bytes)))
        };
        self.number(name, of_number, of_text)
    }

    /// Reads a number or `unlimited`.
    pub fn count(&mut self, name: &'static str) -> Option<Limit<u64>> {
        let of_number = |number| storable(number).map(|number| Limit(Some(number)));
        self.number(name, of_number, |text| text.parse::<Limit<u64>>())
    }

    fn sessions(&mut self, name: &'static str) -> Option<SessionLimit> {
        self.number(name, |number| number.to_string().parse(), str::parse)
    }

    fn rate(&mut self, name: &'static str) -> RateRule {
        let of_number = |number| check_rate(number).map(RateRule::Limited);
        self.number(name, of_number, str::parse).unwrap_or_default()
    }

    /// Reads a date or a time.
    pub fn expiry(&mut self, name: &'static str) -> Option<Timestamp> {
        let value = self.get(name)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            _ => {
                self.must_be(name, value, "a date");
                return None;
            }
        };
        self.taken(name, value.span(), texts::expiry(&text)).flatten()
    }

    /// Reads the name of the group.
    pub fn group(&mut self) -> Option<GroupName> {
        let name: GroupName = self.parsed("group", str::parse)?;
        let span = self.section.settings.get("group").map(Spanned::span);
        self.references.push((Reference::Group(name.clone()), span));
        Some(name)
    }

    /// Reads the hash of the password. Messages must not contain it.
    pub fn password(&mut self) -> DeclaredPassword {
        let parse = |text: &str| match text {
            "none" => Ok(DeclaredPassword::Nothing),
            _ => match password::import(text) {
                Ok(hash) => Ok(DeclaredPassword::Hash(hash)),
                Err(error) => {
                    Err(error.hint("homeportd user passwd NAME sets a password; \"none\" takes it away"))
                }
            },
        };
        self.parsed("password_hash", parse).unwrap_or_default()
    }

    /// Reads `keys` and `keys_file`; returns the lines, each key once, and what is left out of the file.
    pub fn keys(&mut self, directory: &Path) -> (Vec<String>, Vec<Error>) {
        let mut keys = self.list("keys", AuthorizedKey::parse).unwrap_or_default();
        let mut warnings = Vec::new();
        let from_file = self.parsed("keys_file", |text| {
            let path = absolute(directory, Path::new(text));
            let cannot = || Error::new(format!("cannot read keys from {path:?}"));
            let bytes = regular::read_regular(&path, MAX_KEY_FILE).map_err(|e| cannot().because(e))?;
            let file = key_files::parse(&format!("{path:?}"), &bytes)?;
            for line in file.refused {
                let left_out = format!("{path:?}: line {} is left out", line.number);
                warnings.push(Error::new(left_out).because(line.reason));
            }
            file.lines
                .iter()
                .map(|line| AuthorizedKey::parse(line))
                .collect::<Result<Vec<_>>>()
        });
        keys.extend(from_file.into_iter().flatten());
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(key.fingerprint()));
        if keys.len() > MAX_KEYS {
            let span = self.section.span.clone();
            let error = Error::new(format!("there are more than {MAX_KEYS} keys"));
            self.wrong("keys", span, &error);
        }
        (keys.iter().map(|key| key.line().to_owned()).collect(), warnings)
    }

    /// Reads the settings that users and groups have in common.
    pub fn member_settings(&mut self) -> MemberSettings {
        MemberSettings {
            quota_bytes: self.bytes("quota_bytes"),
            quota_files: self.count("quota_files"),
            max_sessions: self.sessions("max_sessions"),
            rates: RateRules {
                up: self.rate("rate_up"),
                down: self.rate("rate_down"),
            },
            permissions: self.permissions(),
            allowed_from: self.list("allowed_from", texts::network),
            require: self
                .list("require", str::parse::<Factor>)
                .map(BTreeSet::from_iter),
            folders: self.folders(),
            creation: self.creation(),
        }
    }

    /// Reads the modes and the group of what is created.
    pub fn creation(&mut self) -> CreationChoice {
        let file = self.parsed("file_mode", |text| {
            FileMode::try_from(text.to_owned()).map_err(Error::new)
        });
        let directory = self.parsed("dir_mode", |text| {
            DirectoryMode::try_from(text.to_owned()).map_err(Error::new)
        });
        CreationChoice {
            file_mode: file.map(|FileMode(mode)| mode),
            dir_mode: directory.map(|DirectoryMode(mode)| mode),
            file_group: self.text("file_group"),
        }
    }

    fn permissions(&mut self) -> Option<PermissionRules> {
        let value = self.get("permissions")?;
        self.rules("permissions", value)
    }

    fn folders(&mut self) -> BTreeMap<FolderName, PermissionRules> {
        let mut folders = BTreeMap::new();
        let Some(value) = self.get("folders") else {
            return folders;
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.must_be(
                "folders",
                value,
                "a table of permissions by name, such as { public = \"list,read\" }",
            );
            return folders;
        };
        for (key, value) in table {
            let name = key.get_ref().parse::<FolderName>();
            let rules = self.rules("folders", value);
            if let Some(name) = self.taken("folders", key.span(), name) {
                self.references
                    .push((Reference::Folder(name.clone()), Some(key.span())));
                folders.extend(rules.map(|rules| (name, rules)));
            }
        }
        folders
    }

    /// Reads permissions: a string, or a table of them by directory.
    fn rules(&mut self, name: &'static str, value: Value<'_, '_>) -> Option<PermissionRules> {
        match value.get_ref() {
            DeValue::String(text) => {
                let parsed = text.parse::<Permissions>().map(PermissionRules::uniform);
                self.taken(name, value.span(), parsed)
            }
            DeValue::Table(table) => {
                let mut rules = Vec::new();
                for (key, value) in table {
                    let path = self.taken(name, key.span(), key.get_ref().parse::<RulePath>());
                    let Some(text) = value.get_ref().as_str() else {
                        self.must_be(name, value, "a string for each directory");
                        continue;
                    };
                    let set = self.taken(name, value.span(), text.parse::<Permissions>());
                    rules.extend(path.zip(set));
                }
                Some(rules.into_iter().collect())
            }
            _ => {
                self.must_be(name, value, "a string, or a table of them by directory");
                None
            }
        }
    }
}
